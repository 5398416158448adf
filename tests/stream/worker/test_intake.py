"""Blocks, ends and ways back: what the consumer says, and what comes of it. The broker is played."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError as Cause
from confluent_kafka import KafkaException, Message, TopicPartition

from foretell.config import KafkaSettings
from foretell.errors import Fenced, KafkaError
from foretell.stream.messages.blocks import Place, Polled
from foretell.stream.worker import intake, merge
from foretell.stream.worker.intake import Intake


class FakeConsumer:
    """Gives what is `waiting`: records, events, and calls to be made while it polls, as rebalances are.

    Attributes:
        assigned, sought: places with offsets. high: watermarks. paused: places.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.waiting: list[Message | Callable[[], None]] = []
        self.assigned: dict[Place, int] = {}
        self.sought: list[tuple[str, int, int]] = []
        self.high: dict[Place, int] = {}
        self.paused: set[Place] = set()
        self.refuses_to_seek = False
        self.handlers: dict[str, Callable[..., None]] = {}
        self.topics: list[str] = []

    def subscribe(self, topics: list[str], **handlers: Callable[..., None]) -> None:
        self.topics, self.handlers = topics, handlers

    def poll(self, timeout: float) -> Message | None:
        return next(self._next(), None)

    def consume(self, most: int, timeout: float) -> list[Message]:
        return [message for _, message in zip(range(most), self._next(), strict=False)]

    def _next(self) -> Iterator[Message]:
        while self.waiting:
            first = self.waiting.pop(0)
            if callable(first):
                first()
            else:
                yield first

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        self.assigned |= {(p.topic, p.partition): p.offset for p in places}

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        for p in places:
            del self.assigned[p.topic, p.partition]

    def seek(self, place: TopicPartition) -> None:
        if self.refuses_to_seek:
            raise KafkaException(Cause(Cause._STATE, "no"))
        self.sought.append((place.topic, place.partition, place.offset))

    def pause(self, places: list[TopicPartition]) -> None:
        self.paused |= {(p.topic, p.partition) for p in places}

    def resume(self, places: list[TopicPartition]) -> None:
        self.paused -= {(p.topic, p.partition) for p in places}

    def get_watermark_offsets(self, place: TopicPartition, cached: bool) -> tuple[int, int]:
        assert cached  # asking the broker would hold the loop up
        if (place.topic, place.partition) not in self.high:
            raise KafkaException(Cause(Cause._STATE))
        return 0, self.high[place.topic, place.partition]

    # As the broker would have it done.

    def assign(self, *places: Place) -> None:
        self.handlers["on_assign"](self, [TopicPartition(*place) for place in places])

    def revoke(self, *places: Place, lost: bool = False) -> None:
        handler = self.handlers["on_lost" if lost else "on_revoke"]
        handler(self, [TopicPartition(*place) for place in places])


class Owner:
    """Takes partitions over at offset 10, and notes which were let go."""

    def __init__(self) -> None:
        self.let_go: list[Place] = []

    def take_over(self, places: list[Place]) -> dict[Place, int]:
        return dict.fromkeys(places, 10)


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def joined(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> tuple[Intake, FakeConsumer]:
    """An intake that owns partitions 0 and 1 of `rows`."""
    monkeypatch.setattr(intake, "Consumer", FakeConsumer)
    made = Intake(KafkaSettings(), {"group.id": "g"}, ["rows"], owner.take_over, owner.let_go.extend)
    made.consumer.assign(("rows", 0), ("rows", 1))
    assert made.poll(10, 0.0) == Polled()
    return made, made.consumer


@pytest.fixture
def merging(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> tuple[Intake, FakeConsumer]:
    """An intake that owns partitions 0 and 1 of `rows`, by time, and 0 of `second`."""
    monkeypatch.setattr(intake, "Consumer", FakeConsumer)
    made = Intake(KafkaSettings(), {}, ["rows", "second"], owner.take_over, owner.let_go.extend, "rows")
    made.consumer.assign(("rows", 0), ("rows", 1), ("second", 0))
    assert made.poll(10, 0.0) == Polled()
    return made, made.consumer


def record(offset: int, partition: int = 0, topic: str = "rows", time: int = 0) -> Message:
    return Message(topic=topic, partition=partition, offset=offset, value=b"x", timestamp=(1, time))


def event(code: int, partition: int = 0, offset: int = 0, fatal: bool = False) -> Message:
    cause = Cause(code, "why", fatal=fatal)
    return Message(topic="rows", partition=partition, offset=offset, error=cause)


def end(offset: int, partition: int = 0) -> Message:
    return event(Cause._PARTITION_EOF, partition, offset)


Joined = tuple[Intake, FakeConsumer]


def test_the_consumer_commits_nothing_by_itself_and_skips_nothing(joined: Joined) -> None:
    config = joined[1].config
    assert (config["enable.auto.commit"], config["auto.offset.reset"]) == (False, "error")
    assert (config["isolation.level"], config["group.id"]) == ("read_committed", "g")
    assert joined[1].assigned == {("rows", 0): 10, ("rows", 1): 10}


def test_a_poll_is_a_block_a_topic_and_what_stands_at_its_end(joined: Joined) -> None:
    taking, consumer = joined
    consumer.waiting = [record(10), record(14, 1), end(15, 1), record(7, 0, "second"), record(11)]
    polled = taking.poll(10, 0.1)
    assert [(b.topic, b.offset.tolist()) for b in polled.blocks] == [("rows", [10, 14, 11]), ("second", [7])]
    assert polled.ends == {("rows", 1): 15}


def test_a_poll_takes_no_more_than_it_is_told(joined: Joined) -> None:
    taking, consumer = joined
    consumer.waiting = [record(10 + i) for i in range(5)]
    assert [sum(map(len, taking.poll(most, 0.1).blocks)) for most in (1, 3, 3, 3)] == [1, 3, 1, 0]


def test_nothing_is_passed_until_it_is_delivered(joined: Joined) -> None:
    taking, consumer = joined
    consumer.waiting = [record(10), record(12), end(14)]
    polled = taking.poll(10, 0.1)
    assert taking.next == {("rows", 0): 10, ("rows", 1): 10}
    taking.done(polled)
    assert taking.next == {("rows", 0): 14, ("rows", 1): 10}  # markers lie between the last row and the end


def test_rows_that_follow_on_an_end_count(joined: Joined) -> None:
    taking, consumer = joined
    consumer.waiting = [record(10), end(11), record(11), record(12)]
    taking.done(taking.poll(10, 0.1))
    assert taking.next["rows", 0] == 13


def test_a_way_back_leads_to_the_first_row_that_was_not_delivered(joined: Joined) -> None:
    taking, consumer = joined
    consumer.waiting = [record(10)]
    taking.done(taking.poll(10, 0.1))
    consumer.waiting = [record(11), record(12), end(13)]
    lost = taking.poll(10, 0.1)
    consumer.waiting = [record(13), end(11, 1)]
    after = taking.poll(10, 0.1)
    taking.rewind([lost, after])
    assert consumer.sought == [("rows", 0, 11)]
    # The end of a partition that is read again comes again; that of one that is not counts now.
    assert taking.next == {("rows", 0): 11, ("rows", 1): 11}


def test_a_way_back_that_is_closed_ends_the_worker(joined: Joined) -> None:
    taking, consumer = joined
    consumer.waiting = [record(10)]
    polled = taking.poll(10, 0.1)
    consumer.refuses_to_seek = True
    with pytest.raises(KafkaError, match="cannot go back to offset 10 of rows/0"):
        taking.rewind([polled])


def test_rows_that_came_along_with_a_change_of_partitions_are_read_again(
    joined: Joined, owner: Owner
) -> None:
    taking, consumer = joined
    consumer.waiting = [
        record(10),
        record(10, 1),
        end(11, 1),
        lambda: consumer.revoke(("rows", 1)),
        lambda: consumer.assign(("rows", 2)),
        record(11),
        end(12),
        end(10, 2),
    ]
    polled = taking.poll(10, 0.1)
    assert polled == Polled(ends={("rows", 2): 10})
    assert consumer.sought == [("rows", 0, 10)]
    assert owner.let_go == [("rows", 1)]
    assert consumer.assigned.keys() == taking.next.keys() == {("rows", 0), ("rows", 2)}


def test_that_others_come_and_go_disturbs_nothing(joined: Joined) -> None:
    taking, consumer = joined
    consumer.waiting = [record(10), consumer.assign, record(11)]
    assert taking.poll(10, 0.1).blocks[0].offset.tolist() == [10, 11]
    assert consumer.sought == []


@pytest.mark.parametrize("lost", [False, True])
def test_a_partition_that_went_away_does_not_move_any_more(joined: Joined, lost: bool) -> None:
    taking, consumer = joined
    taking.ends = {("rows", 1): 11}
    consumer.waiting = [record(10, 1), end(11, 1)]
    polled = taking.poll(10, 0.1)
    consumer.revoke(("rows", 1), lost=lost)
    taking.done(polled)
    assert taking.next == {("rows", 0): 10}
    assert taking.reached == set()


def test_ends_are_reached_by_rows_by_markers_or_from_the_start(joined: Joined) -> None:
    taking, consumer = joined
    taking.ends = {("rows", 0): 12, ("rows", 1): 13, ("rows", 2): 10, ("rows", 3): 11}
    consumer.assign(("rows", 2), ("rows", 3))
    assert taking.reached == {("rows", 2)}
    consumer.waiting = [record(11), record(10, 1), end(13, 1), end(10, 3)]
    polled = taking.poll(10, 0.1)
    assert taking.reached == {("rows", 2)}
    taking.done(polled)
    assert taking.reached == {("rows", 0), ("rows", 1), ("rows", 2)}


def test_ends_that_are_told_later_are_looked_for(joined: Joined) -> None:
    taking, _ = joined
    taking.ends = {("rows", 0): 10, ("rows", 1): 11}
    taking.look_for_ends()
    assert taking.reached == {("rows", 0)}


def test_lag_is_what_waits_as_far_as_it_is_known(joined: Joined) -> None:
    taking, consumer = joined
    assert taking.lag() == {}
    consumer.high = {("rows", 0): 25, ("rows", 1): -1001}
    assert taking.lag() == {("rows", 0): 15, ("rows", 1): 0}


@pytest.mark.parametrize(
    ("code", "why", "kind"),
    [
        (Cause.FENCED_INSTANCE_ID, "why", Fenced),
        (Cause._FENCED, "why", Fenced),
        # What librdkafka 2.16 really gives, once, and then nothing ever again:
        (Cause._FATAL, "Fatal error: Broker: Static consumer fenced by other consumer", Fenced),
        (Cause._FATAL, "why", KafkaError),
        (Cause._AUTO_OFFSET_RESET, "why", KafkaError),
    ],
)
def test_what_ends_the_consumer(joined: Joined, code: int, why: str, kind: type[KafkaError]) -> None:
    taking, consumer = joined
    consumer.waiting = [
        record(10),
        Message(topic="rows", partition=0, offset=0, error=Cause(code, why)),
    ]
    with pytest.raises(kind) as raised:
        taking.poll(10, 0.1)
    assert type(raised.value) is kind


@pytest.mark.parametrize("code", [Cause._TRANSPORT, Cause._ALL_BROKERS_DOWN, Cause.NOT_LEADER_FOR_PARTITION])
def test_what_passes_is_waited_for(joined: Joined, code: int) -> None:
    taking, consumer = joined
    consumer.waiting = [event(code), record(10)]
    assert taking.poll(10, 0.1).blocks[0].offset.tolist() == [10]


def places_of(polled: Polled) -> list[tuple[str, int, int]]:
    return [
        (block.topic, p, o)
        for block in polled.blocks
        for p, o in zip(block.partition.tolist(), block.offset.tolist(), strict=True)
    ]


def test_partitions_of_a_merged_topic_are_one_sequence_and_others_pass(merging: Joined) -> None:
    taking, consumer = merging
    consumer.waiting = [record(10, time=1), record(11, time=3), record(5, topic="second")]
    assert places_of(taking.poll(10, 0.1)) == [("second", 0, 5)]
    consumer.waiting = [record(10, 1, time=2), end(11, 1)]
    polled = taking.poll(10, 0.1)
    assert places_of(polled) == [("rows", 0, 10), ("rows", 1, 10), ("rows", 0, 11)]
    assert polled.ends == {("rows", 1): 11}
    taking.done(polled)
    assert taking.next == {("rows", 0): 12, ("rows", 1): 11, ("second", 0): 10}


def test_rows_that_are_left_behind_are_taken_without_a_wait(merging: Joined) -> None:
    taking, consumer = merging
    consumer.waiting = [record(10, time=1), record(11, time=2), record(10, 1, time=9)]
    assert places_of(taking.poll(3, 0.1)) == [("rows", 0, 10), ("rows", 0, 11)]
    consumer.waiting = [record(o, time=o) for o in (12, 13, 14)]
    assert taking.poll(2, 0.1).blocks[0].offset.tolist() == [10]
    consumer.waiting += [end(11, 1), end(15)]
    assert taking.poll(2, 0.1).blocks[0].offset.tolist() == [12, 13]
    assert taking.poll(2, 0.1).blocks[0].offset.tolist() == [14]


def test_what_waits_is_not_passed_and_is_read_again_where_it_must_be(merging: Joined) -> None:
    taking, consumer = merging
    consumer.waiting = [record(10, time=1), record(10, 1, time=2), record(11, time=3)]
    lost = taking.poll(10, 0.1)
    assert places_of(lost) == [("rows", 0, 10), ("rows", 1, 10)]
    taking.rewind([lost])
    assert sorted(consumer.sought) == [("rows", 0, 10), ("rows", 1, 10)]
    consumer.waiting = [record(10, time=1), record(10, 1, time=2), record(11, time=3), end(12), end(11, 1)]
    assert places_of(taking.poll(10, 0.1)) == [*places_of(lost), ("rows", 0, 11)]


def test_rows_that_wait_go_away_with_their_partition(
    merging: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking, consumer = merging
    monkeypatch.setattr(merge, "FULL", 1)
    consumer.waiting = [record(10, time=1), record(11, time=2)]
    assert places_of(taking.poll(10, 0.1)) == []
    assert consumer.paused == {("rows", 0)}
    consumer.waiting = [lambda: consumer.revoke(("rows", 0)), record(10, 1, time=1)]
    assert places_of(taking.poll(10, 0.1)) == []
    assert consumer.paused == set()
    assert consumer.sought == [("rows", 1, 10)]  # it came with a change of partitions
    consumer.waiting = [record(10, 1, time=1)]
    assert places_of(taking.poll(10, 0.1)) == [("rows", 1, 10)]


def test_a_partition_far_ahead_is_paused_until_the_others_are_there(
    merging: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking, consumer = merging
    monkeypatch.setattr(merge, "FULL", 2)
    consumer.waiting = [record(10 + i, time=i) for i in range(3)]
    assert places_of(taking.poll(10, 0.1)) == []
    assert consumer.paused == {("rows", 0)}
    consumer.waiting = [record(10, 1, time=1)]
    assert places_of(taking.poll(10, 0.1)) == [("rows", 0, 10), ("rows", 0, 11), ("rows", 1, 10)]
    assert consumer.paused == set()
