"""Dead letters go back once, on a real broker: over runs, reasons, limits, rivals and a crash."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest
from confluent_kafka import Message, Producer

from foretell.config import Settings
from foretell.errors import Fenced, TopicMissing
from foretell.rows.reasons import Reason
from foretell.stream.kafka.reader import read
from foretell.stream.kafka.topics import Topic, TopicAdmin
from foretell.stream.messages.deadletter import REDRIVEN, dead_letter_headers, dead_letter_topic
from foretell.stream.redrive import Redrive, summarize

pytestmark = pytest.mark.kafka


class Broker(Protocol):
    bootstrap_servers: str


@pytest.fixture
def settings(kafka: Broker) -> Settings:
    """Topics and a group of this test's own."""
    name = f"redrive-{uuid.uuid4().hex[:8]}"
    made = Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": kafka.bootstrap_servers},
            "stream": {"input_topic": name, "group": name},
        }
    )
    admin = TopicAdmin(made.kafka, time.monotonic() + 30)
    for topic in (name, dead_letter_topic(name)):
        assert admin.ensure(Topic(topic, 3)) == 3
    return made


Write = Callable[..., None]


@pytest.fixture
def write(settings: Settings) -> Iterator[Write]:
    """Puts n dead letters of a reason into the topic."""
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers})
    topic = settings.stream.input_topic

    def put(reason: Reason, count: int) -> None:
        for i in range(count):
            producer.produce(
                dead_letter_topic(topic),
                key=f"{reason.word}-{i}",
                value=f"{reason.word} {i}",
                headers=dead_letter_headers(
                    reason,
                    f"number {i}",
                    f"{topic}/{i % 3}/{i}".encode(),
                    [("mine", b"x")],
                    timestamp_ms=1_600_000_000_000 + i,
                ),
            )
        assert producer.flush(10) == 0

    yield put
    producer.flush(0)


def put_back(settings: Settings) -> list[Message]:
    return list(read(settings.kafka, settings.stream.input_topic, to_end=True))


def test_rows_go_back_as_they_came_and_only_once(settings: Settings, write: Write) -> None:
    write(Reason.NOT_JSON, 5)
    assert Redrive(settings).run() == {"not_json": 5}
    assert Redrive(settings).run() == {}
    rows = sorted(put_back(settings), key=lambda m: m.value())
    assert [m.value() for m in rows] == [f"not_json {i}".encode() for i in range(5)]
    for i, row in enumerate(rows):
        assert row.key() == f"not_json-{i}".encode()
        assert row.partition() == i % 3
        assert row.timestamp()[1] == 1_600_000_000_000 + i
        headers = dict(row.headers())
        assert headers.pop(REDRIVEN).decode().startswith(dead_letter_topic(settings.stream.input_topic) + "/")
        assert headers == {"mine": b"x"}


def test_one_reason_first_and_the_others_later(settings: Settings, write: Write) -> None:
    write(Reason.NOT_JSON, 4)
    write(Reason.TOO_LATE, 6)
    write(Reason.NOT_JSON, 2)
    assert Redrive(settings).run("too_late", limit=2) == {"too_late": 2}
    assert Redrive(settings).run("too_late") == {"too_late": 4}
    groups = {g.reason: (g.count, g.put_back) for g in summarize(settings)}
    assert groups == {"not_json": (6, 0), "too_late": (6, 6)}
    assert Redrive(settings).run(limit=3) == {"not_json": 3}
    assert Redrive(settings).run() == {"not_json": 3}
    assert Redrive(settings).run() == {}
    counts = Counter(m.value() for m in put_back(settings))
    assert len(counts) == 10  # two of not_json twice: they were written twice
    assert sum(counts.values()) == 12


def test_a_crash_in_the_middle_neither_loses_nor_doubles(
    settings: Settings, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Reason.CONFLICT, 25)
    monkeypatch.setattr("foretell.stream.redrive._BATCH", 10)
    broken = Redrive(settings)
    produce, calls = broken._produce, iter(range(100))

    def die(letter: object) -> None:
        if next(calls) == 14:
            raise RuntimeError("killed")  # like a SIGKILL: the transaction is left open
        produce(letter)  # type: ignore[arg-type]

    monkeypatch.setattr(broken, "_produce", die)
    with pytest.raises(RuntimeError, match="killed"):
        broken.run()
    assert len(put_back(settings)) == 10
    assert Redrive(settings).run() == {"conflict": 15}
    assert Counter(m.value() for m in put_back(settings)) == {f"conflict {i}".encode(): 1 for i in range(25)}


def test_of_two_at_a_time_one_is_fenced(
    settings: Settings, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Reason.CONFLICT, 4)
    first = Redrive(settings)
    produce = first._produce

    def overtaken(letter: object) -> None:
        if not overtaken_by:
            overtaken_by.append(Redrive(settings).run())
        produce(letter)  # type: ignore[arg-type]

    overtaken_by: list[dict[str, int]] = []
    monkeypatch.setattr(first, "_produce", overtaken)
    with pytest.raises(Fenced):
        first.run()
    assert overtaken_by == [{"conflict": 4}]
    assert len(put_back(settings)) == 4


def test_the_list_shows_the_newest_example(settings: Settings, write: Write) -> None:
    write(Reason.NO_SERIES, 3)
    (group,) = summarize(settings)
    assert (group.reason, group.count, group.put_back) == ("no_series", 3, 0)
    assert group.example.startswith("number ")
    assert group.newest_ms > 1_600_000_000_000


def test_no_such_topic_names_those_that_are_there(settings: Settings) -> None:
    other = settings.model_copy(update={"stream": settings.stream.model_copy(update={"input_topic": "nope"})})
    with pytest.raises(TopicMissing, match="nope-dead-letters does not exist") as raised:
        summarize(other)
    assert settings.stream.input_topic in (raised.value.cure or "")
