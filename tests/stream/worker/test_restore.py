"""What a worker before left behind is read in the order that loses nothing."""

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from foretell.errors import KafkaError
from foretell.stream.messages.changelog import State, changelog_topic, encode_states
from foretell.stream.worker import restore
from foretell.stream.worker.restore import Restorer

if TYPE_CHECKING:
    from tests.stream.conftest import Stream

pytestmark = pytest.mark.kafka
MakeStream = Callable[..., "Stream"]


class Group:
    """A group on the broker, its changelog of two partitions, and a producer of worker 0."""

    def __init__(self, stream: "Stream") -> None:
        self.kafka, self.name, self.input = stream.settings.kafka, stream.settings.stream.group, stream.input
        self.changelog = changelog_topic(self.name)
        self.give_up = False
        self.restorer = Restorer(self.kafka, self.name, lambda: self.give_up)
        self._servers = self.kafka.bootstrap_servers
        self.consumer = Consumer({"bootstrap.servers": self._servers, "group.id": self.name})

    def producer(self) -> Producer:
        """Of the identity of worker 0: a second one fences the first."""
        made = Producer(
            {
                "bootstrap.servers": self._servers,
                "transactional.id": f"{self.name}-0",
                "transaction.timeout.ms": 60_000,
                "log_level": 0,
            }
        )
        made.init_transactions(20)
        return made

    def begin(self, producer: Producer, offset: int, **states: str) -> None:
        """A transaction with windows and offsets, all of it at the broker, and not committed."""
        producer.begin_transaction()
        for name, window in states.items():
            value = encode_states("r", [window.encode()])[0] if window else None
            producer.produce(self.changelog, value, name, 0)
        producer.send_offsets_to_transaction(
            [TopicPartition(self.input, 0, offset)], self.consumer.consumer_group_metadata(), 20
        )
        assert producer.flush(20) == 0


@pytest.fixture
def group(stream: MakeStream) -> Iterator[Group]:
    made = Group(stream())
    yield made
    made.consumer.close()


def none(partition: int, states: dict[str, State]) -> None:
    raise AssertionError("so few states are kept")


def windows(group: Group, rules: str = "r") -> dict[str, str]:
    stored = group.restorer.states(group.changelog, [0, 1], rules, none)
    assert stored[1].states == {}
    return {name: state.window.decode() for name, state in stored[0].states.items()}


def test_a_new_group_has_nothing(group: Group) -> None:
    assert group.restorer.committed(group.consumer, group.input, [0, 1]) == {0: None, 1: None}
    assert windows(group) == {}
    assert group.restorer.watermarks(group.changelog, [0, 1]) == {0: 0, 1: 0}


def test_the_newest_state_of_each_series_that_is_still_there(group: Group) -> None:
    producer = group.producer()
    group.begin(producer, 5, a="1", b="1", ü="1")
    producer.commit_transaction(20)
    group.begin(producer, 6, a="2", b="", c="lost")
    producer.abort_transaction(20)
    group.begin(producer, 7, a="3", b="")
    producer.commit_transaction(20)
    assert windows(group) == {"a": "3", "ü": "1"}
    assert group.restorer.committed(group.consumer, group.input, [0, 1]) == {0: 7, 1: None}


def test_states_are_handed_over_before_they_are_too_many(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "_AT_ONCE", 2)
    producer = group.producer()
    group.begin(producer, 5, a="1", b="1")
    producer.commit_transaction(20)
    group.begin(producer, 6, a="", c="1")
    producer.commit_transaction(20)
    handed: list[tuple[int, list[str]]] = []
    stored = group.restorer.states(group.changelog, [0], "r", lambda p, s: handed.append((p, sorted(s))))
    assert handed == [(0, ["a", "b"])]
    assert (set(stored[0].states), stored[0].gone) == ({"c"}, {"a"})


def test_states_of_other_rules_and_formats_are_told_apart_until_they_are_replaced(group: Group) -> None:
    producer = group.producer()
    group.begin(producer, 5, a="1", b="1")
    producer.produce(group.changelog, b"\xc1", "c", 0)
    producer.commit_transaction(20)
    stored = group.restorer.states(group.changelog, [0], "other", none)[0]
    assert (stored.states, stored.foreign) == ({}, {"a", "b", "c"})
    group.begin(producer, 6, a="", c="2")
    producer.produce(group.changelog, encode_states("other", [b"w"])[0], "b", 0)
    producer.commit_transaction(20)
    stored = group.restorer.states(group.changelog, [0], "other", none)[0]
    assert (stored.states, stored.foreign) == ({"b": State("other", b"w")}, {"c"})


def test_after_a_kill_between_offsets_and_commit_the_committed_offset_waits_for_the_replacement(
    group: Group,
) -> None:
    """The trial of what goes wrong in any other order."""
    killed = group.producer()
    group.begin(killed, 5, a="1")
    killed.commit_transaction(20)
    group.begin(killed, 9, a="2")  # and then it is gone

    with pytest.raises(KafkaException):
        group.consumer.committed([TopicPartition(group.input, 0)], 1.0)
    committed: list[dict[int, int | None]] = []
    waiting = threading.Thread(
        target=lambda: committed.append(group.restorer.committed(group.consumer, group.input, [0]))
    )
    waiting.start()
    # The high watermark lies behind the open transaction, the last stable offset before it.
    high = group.restorer.watermarks(group.changelog, [0])[0]
    reader = Consumer({"bootstrap.servers": group.kafka.bootstrap_servers, "group.id": f"{group.name}-x"})
    _, stable = reader.get_watermark_offsets(TopicPartition(group.changelog, 0), 10)
    reader.close()
    assert (stable, high) == (2, 3)
    assert committed == []

    group.producer()  # the replacement takes over its name
    waiting.join(20)
    assert committed == [{0: 5}]
    assert windows(group) == {"a": "1"}


def test_an_offset_that_was_committed_by_a_kills_successor_comes_with_its_windows(group: Group) -> None:
    producer = group.producer()
    group.begin(producer, 5, a="1")
    done: list[tuple[dict[int, int | None], dict[str, str]]] = []

    def restore() -> None:
        done.append((group.restorer.committed(group.consumer, group.input, [0]), windows(group)))

    restoring = threading.Thread(target=restore)
    restoring.start()
    producer.commit_transaction(20)
    restoring.join(20)
    committed, found = done[0]
    assert (committed, found) == ({0: 5}, {"a": "1"})


@pytest.mark.parametrize("what", ["committed", "states"])
def test_waiting_ends_when_the_worker_is_to_stop(group: Group, what: str) -> None:
    producer = group.producer()
    group.begin(producer, 5, a="1")
    group.give_up = True
    wait: Callable[[], object] = {
        "committed": lambda: group.restorer.committed(group.consumer, group.input, [0]),
        "states": lambda: windows(group),
    }[what]
    with pytest.raises(KafkaError, match=r"cannot be restored|not read to its end"):
        wait()
    producer.abort_transaction(20)


def test_a_topic_that_is_not_there_is_no_reason_to_wait(group: Group) -> None:
    with pytest.raises(KafkaError):
        group.restorer.watermarks("nope", [0])
