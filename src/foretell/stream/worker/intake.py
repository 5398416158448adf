"""The consumer: blocks of records, and which partitions are ours."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as Cause

from foretell.config import KafkaSettings
from foretell.errors import Fenced, KafkaError
from foretell.stream.kafka.clients import client_config
from foretell.stream.messages.blocks import Incoming, Place, Polled
from foretell.stream.worker.merge import Merge

CONSUMER = {
    "enable.auto.commit": False,
    "auto.offset.reset": "error",  # rows that retention took from us are told, not skipped
    "isolation.level": "read_committed",
    "partition.assignment.strategy": "cooperative-sticky",
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 10,
    "fetch.min.bytes": 1,
    "session.timeout.ms": 30_000,
    "heartbeat.interval.ms": 3_000,
    "queued.max.messages.kbytes": 65_536,
}
_FENCING = {"FENCED_INSTANCE_ID", "FENCED_MEMBER_EPOCH", "UNRELEASED_INSTANCE_ID", "_FENCED"}


class Intake:
    """Polls, keeps track of where each partition stands, and goes back when a transaction was aborted.

    Attributes:
        next: for each partition of ours, where reading goes on: nothing before it waits to be delivered.
        ends: offsets up to which `--until-end` reads.
        reached: partitions of ours that have been read up to their end in `ends`.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        role: Mapping[str, object],
        topics: Sequence[str],
        take_over: Callable[[list[Place]], dict[Place, int]],
        let_go: Callable[[list[Place]], None],
        merged: str | None = None,
    ) -> None:
        """Join the group.

        Args:
            role: group and identity.
            take_over: readies partitions, and says where each begins.
            let_go: forgets what it knew of partitions.
            merged: a topic whose partitions are read as one sequence, by the times of their records.
        """
        self._consumer = Consumer(client_config(kafka, CONSUMER | dict(role)))
        self._take_over = take_over
        self._let_go = let_go
        self._disturbed = False
        self._merged, self._merge = merged, Merge()
        self.next: dict[Place, int] = {}
        self.ends: dict[Place, int] = {}
        self.reached: set[Place] = set()
        self._consumer.subscribe(
            list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    @property
    def consumer(self) -> Consumer:
        return self._consumer

    def poll(self, most: int, timeout_s: float) -> Polled:
        """What has come since the last call; without blocks after `timeout_s` without a record.

        Raises:
            Fenced: another worker took over this one's place in the group.
            KafkaError: the consumer cannot go on.
        """
        self._disturbed = False
        first = self._consumer.poll(0 if self._merge.more else timeout_s)
        came = [first, *self._consumer.consume(most - 1, 0)] if first is not None else []
        records, ends = self._sort_out(came)
        if self._disturbed:
            # Rows from before a change of partitions may be another worker's by now: read ours again.
            stale = {(m.topic(), m.partition()) for m in records}
            self._seek(stale)
            records, ends = [], {place: end for place, end in ends.items() if place not in stale}
        if self._merged is not None:
            records, ends = self._by_time(records, ends, most)
        topics = list(dict.fromkeys(m.topic() for m in records))
        of = {t: records if len(topics) == 1 else [m for m in records if m.topic() == t] for t in topics}
        return Polled([Incoming.of(topic, messages) for topic, messages in of.items()], ends)

    def membership(self) -> Any:
        """Who we are in the group, and in which generation; goes with the offsets of a transaction."""
        return self._consumer.consumer_group_metadata()

    def done(self, polled: Polled) -> None:
        """All of it is delivered, and all that was polled before it."""
        for offsets in (polled.next_offsets(), polled.ends):  # rows can follow on an end in the same poll
            for place, offset in offsets.items():
                self._advance(place, offset)

    def rewind(self, several: Sequence[Polled]) -> None:
        """Go back to the last delivered row: all that was polled since then comes again."""
        places = {place for polled in several for place in polled.next_offsets()}
        self._seek(places)
        for polled in several:
            for place, end in polled.ends.items():
                if place not in places:  # its end would not be told again
                    self._advance(place, end)

    def _by_time(
        self, records: list[Message], ends: dict[Place, int], most: int
    ) -> tuple[list[Message], dict[Place, int]]:
        """Let what came of the merged topic wait for its turn, and take what is next; the rest passes."""
        merge = self._merge
        ours = [m for m in records if m.topic() == self._merged]
        merge.put(ours, {place: end for place, end in ends.items() if place in merge})
        rows, known_ends = merge.take(most)
        self._each(self._consumer.pause, merge.to_hold())
        self._each(self._consumer.resume, merge.to_let_go())
        others = [m for m in records if m.topic() != self._merged]
        return rows + others, known_ends | {p: end for p, end in ends.items() if p not in merge}

    @staticmethod
    def _each(change: Callable[[list[TopicPartition]], None], places: list[Place]) -> None:
        if places:
            change([TopicPartition(*place) for place in places])

    def _seek(self, places: set[Place]) -> None:
        self._merge.join(place for place in places if place in self._merge)
        for topic, partition in places & self.next.keys():
            offset = self.next[topic, partition]
            try:
                self._consumer.seek(TopicPartition(topic, partition, offset))
            except KafkaException as error:
                raise KafkaError(
                    f"cannot go back to offset {offset} of {topic}/{partition}: {error}"
                ) from None

    def lag(self) -> dict[Place, int]:
        """Records that wait, by partition, as far as the last fetch told. In the thread that polls only."""
        waiting = {}
        for (topic, partition), offset in self.next.items():
            try:
                _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            except KafkaException:
                continue
            waiting[topic, partition] = max(0, high - offset) if high >= 0 else 0
        return waiting

    def look_for_ends(self) -> None:
        """Partitions that stand at their end already, when `ends` was set later."""
        for place, offset in self.next.items():
            self._advance(place, offset)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _sort_out(self, messages: list[Message]) -> tuple[list[Message], dict[Place, int]]:
        """Records, and the ends of partitions that were met behind them. Other events raise, or pass."""
        records, ends = [], {}
        for message in messages:
            cause = message.error()
            if cause is None:
                records.append(message)
            elif cause.code() == Cause._PARTITION_EOF:
                # It lies past the last row where transaction markers stand behind that one.
                ends[message.topic(), message.partition()] = message.offset()
            else:
                _raise_if_over(cause)
        return records, ends

    def _advance(self, place: Place, offset: int) -> None:
        if place in self.next:
            self.next[place] = max(offset, self.next[place])
            if place in self.ends and offset >= self.ends[place]:
                self.reached.add(place)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if not partitions:  # others joined or left: what we hold, and what is under way, stays as it is
            return
        self._disturbed = True
        places = [(p.topic, p.partition) for p in partitions]
        starts = self._take_over(places)
        self.next |= starts
        self._merge.join(place for place in places if place[0] == self._merged)
        consumer.incremental_assign([TopicPartition(t, p, starts[t, p]) for t, p in places])
        for place in places:
            self._advance(place, starts[place])

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._disturbed = True
        places = [(p.topic, p.partition) for p in partitions]
        for place in places:
            self.next.pop(place, None)
            self.reached.discard(place)
        self._each(consumer.resume, self._merge.leave(places))  # else the next owner's rows may never come
        self._let_go(places)
        consumer.incremental_unassign(partitions)


def _raise_if_over(cause: Cause) -> None:
    # What ends a consumer for good comes as `_FATAL`, with the reason in its text alone.
    if cause.name() in _FENCING or (cause.code() == Cause._FATAL and "fenced" in cause.str().lower()):
        raise Fenced(f"another worker has taken this one's place in the group: {cause.str()}")
    if cause.code() == Cause._AUTO_OFFSET_RESET:
        raise KafkaError(f"rows were deleted by the topic's retention before they were read: {cause.str()}")
    if cause.fatal() or cause.code() == Cause._FATAL:
        raise KafkaError(f"the consumer cannot go on: {cause.str()}")
