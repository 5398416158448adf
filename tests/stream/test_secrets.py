"""A password reaches the broker and nothing else: no log, no status, no error, at any level."""

import logging
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from foretell.config import KafkaSettings
from foretell.demo.apache_kafka import ApacheKafka
from foretell.errors import ConfigError, KafkaError
from foretell.forecasting.forecaster import Forecaster
from foretell.stream.kafka.clients import admin
from foretell.stream.kafka.topics import TopicAdmin

if TYPE_CHECKING:
    from tests.stream.conftest import Stream

PASSWORD = "correct-horse-battery"


class Recorder(logging.Handler):
    """Keeps all that is logged, before anything is masked."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.__dict__}")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    handler, root, ours = Recorder(), logging.getLogger(), logging.getLogger("foretell")
    levels = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    ours.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture(scope="module")
def guarded(kafka_libs: Path) -> Iterator[ApacheKafka]:
    """A broker that asks for a password."""
    with ApacheKafka(kafka_libs, users={"me": PASSWORD}) as cluster:
        yield cluster


def properties(password: str, **more: str) -> dict[str, object]:
    return {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": password,
        "debug": "security,conf,broker",
        "session.timeout.ms": "6000",
        **more,
    }


@pytest.mark.kafka
def test_a_worker_that_is_let_in_tells_it_to_nobody(
    guarded: ApacheKafka,
    on_broker: "Callable[..., Stream]",
    row: Callable[..., bytes],
    forecaster: Forecaster,
    recorder: Recorder,
) -> None:
    one = on_broker(guarded.bootstrap_servers)
    one.put([row("a", h) for h in range(3)])
    kafka = KafkaSettings.model_validate(
        {"bootstrap_servers": guarded.sasl_bootstrap_servers, "properties": properties(PASSWORD)}
    )
    work = one.work(parts={"kafka": dict(kafka)})
    with work:
        work.has_read(3)
        status = work.look()
    assert len(one.forecasts()) == 1
    assert len(recorder.lines) > 10  # librdkafka told of its configuration too
    assert not [line for line in recorder.lines if PASSWORD in line]
    assert PASSWORD.encode() not in pickle.dumps(status)
    assert PASSWORD not in f"{kafka!r} {kafka.model_dump_json()} {status!r}"


@pytest.mark.kafka
def test_one_that_is_refused_says_why_and_not_with_what(guarded: ApacheKafka, recorder: Recorder) -> None:
    kafka = KafkaSettings.model_validate(
        {"bootstrap_servers": guarded.sasl_bootstrap_servers, "properties": properties("wrong-but-secret")}
    )
    with pytest.raises(KafkaError, match="refuses us") as raised:
        TopicAdmin(kafka, float("inf"))
    assert "wrong-but-secret" not in f"{raised.value} {raised.value!r} {raised.value.__cause__!r}"
    assert [line for line in recorder.lines if "refuses us" in line]
    assert not [line for line in recorder.lines if "wrong-but-secret" in line]


@pytest.mark.parametrize("wrong", [{"sasl.mechanism": "NOPE"}, {"lingr.ms": "5"}, {"ssl.key.pem": PASSWORD}])
def test_settings_that_the_client_does_not_take_are_told_without_secrets(
    wrong: dict[str, str], recorder: Recorder
) -> None:
    secure = {"security.protocol": "sasl_ssl"} if "ssl.key.pem" in wrong else {}
    settings = KafkaSettings.model_validate({"properties": properties(PASSWORD) | secure | wrong})
    with pytest.raises(ConfigError) as raised:
        admin(settings)
    assert PASSWORD not in f"{raised.value} {raised.value!r}"
    assert not [line for line in recorder.lines if PASSWORD in line]
