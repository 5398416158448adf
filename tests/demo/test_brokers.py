"""Which broker is picked."""

from pathlib import Path

import pytest

from foretell.config import load
from foretell.demo.brokers import Wanted, open_broker
from foretell.errors import BrokerUnreachable


@pytest.fixture
def no_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foretell.demo.brokers.find_kafka", lambda: None)


def test_a_configured_broker_comes_first() -> None:
    broker = open_broker(Wanted.AUTO, load(environ={"KAFKA_BOOTSTRAP_SERVERS": "elsewhere:9092"}))
    assert (broker.kafka.bootstrap_servers, broker.real, broker.lent) == ("elsewhere:9092", True, True)
    assert "KAFKA_BOOTSTRAP_SERVERS" in broker.name


@pytest.mark.usefixtures("no_kafka")
def test_without_any_kafka_it_is_the_mock_cluster() -> None:
    broker = open_broker(Wanted.AUTO, load(environ={}))
    broker.close()
    assert not broker.real
    assert "at least once" in broker.guarantee


def test_mock_wins_when_asked_for() -> None:
    broker = open_broker(Wanted.MOCK, load(environ={"KAFKA_BOOTSTRAP_SERVERS": "elsewhere:9092"}))
    broker.close()
    assert "mock" in broker.name


@pytest.mark.usefixtures("no_kafka")
def test_kafka_asked_for_and_absent_says_what_to_do() -> None:
    with pytest.raises(BrokerUnreachable) as caught:
        open_broker(Wanted.KAFKA, load(environ={}))
    assert "make kafka" in (caught.value.cure or "")


@pytest.mark.kafka
def test_a_kafka_that_is_found_is_started(kafka_libs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_HOME", str(kafka_libs))
    broker = open_broker(Wanted.AUTO, load(environ={}))
    broker.close()
    assert broker.real
    assert not broker.lent
