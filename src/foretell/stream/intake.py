"""The consumer: blocks of records, and which partitions are ours."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as Cause

from foretell.config import KafkaSettings
from foretell.errors import Fenced, KafkaError
from foretell.stream.kafka import client_config
from foretell.stream.messages import Incoming

Place = tuple[str, int]  # topic, partition

CONSUMER = {
    "enable.auto.commit": False,
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
    ) -> None:
        """Join the group.

        Args:
            role: group and identity.
            take_over: readies partitions, and says where each begins.
            let_go: forgets what it knew of partitions.
        """
        self._consumer = Consumer(client_config(kafka, CONSUMER | dict(role)))
        self._take_over = take_over
        self._let_go = let_go
        self._disturbed = False
        self._at_end: dict[Place, int] = {}
        self.next: dict[Place, int] = {}
        self.ends: dict[Place, int] = {}
        self.reached: set[Place] = set()
        self._consumer.subscribe(
            list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    @property
    def consumer(self) -> Consumer:
        return self._consumer

    def blocks(self, most: int, timeout_s: float) -> list[Incoming]:
        """What has come since the last call, a block a topic; empty after `timeout_s` without a record.

        Raises:
            Fenced: another worker took over this one's place in the group.
            KafkaError: the consumer cannot go on.
        """
        self._disturbed = False
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        records = self._sort_out([first, *self._consumer.consume(most - 1, 0)])
        if self._disturbed:
            # Rows from before a change of partitions may be another worker's by now: read ours again.
            self._seek({(m.topic(), m.partition()) for m in records})
            return []
        if not records:
            self._pass_ends()
        topics = dict.fromkeys(m.topic() for m in records)
        if len(topics) < 2:
            return [Incoming.of(topic, records) for topic in topics]
        return [Incoming.of(topic, [m for m in records if m.topic() == topic]) for topic in topics]

    def membership(self) -> Any:
        """Who we are in the group, and in which generation; goes with the offsets of a transaction."""
        return self._consumer.consumer_group_metadata()

    def offsets(self, blocks: Sequence[Incoming]) -> list[TopicPartition]:
        """Where the group goes on after these blocks."""
        return [TopicPartition(b.topic, p, o) for b in blocks for p, o in b.next_offsets().items()]

    def done(self, blocks: Sequence[Incoming]) -> None:
        """These blocks are delivered."""
        for block in blocks:
            for partition, offset in block.next_offsets().items():
                self._advance((block.topic, partition), offset)
        self._pass_ends()

    def rewind(self, blocks: Sequence[Incoming]) -> None:
        """Go back to the last delivered row of the partitions of these blocks."""
        self._at_end.clear()
        self._seek({(b.topic, p) for b in blocks for p in b.first_offsets()})

    def _seek(self, places: set[Place]) -> None:
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

    def _sort_out(self, polled: list[Message]) -> list[Message]:
        """Records apart from events, which are dealt with here."""
        records = []
        for message in polled:
            if message.error() is None:
                records.append(message)
            else:
                self._event(message, message.error())
        return records

    def _event(self, message: Message, cause: Cause) -> None:
        if cause.code() == Cause._PARTITION_EOF:
            # It lies past the last row where transaction markers stand behind that one.
            self._at_end[message.topic(), message.partition()] = message.offset()
        elif cause.name() in _FENCING:
            raise Fenced(f"another worker has taken this one's place in the group: {cause.str()}")
        elif cause.fatal():
            raise KafkaError(f"the consumer cannot go on: {cause.str()}")

    def _advance(self, place: Place, offset: int) -> None:
        if place in self.next:
            self.next[place] = max(offset, self.next[place])
            if place in self.ends and offset >= self.ends[place]:
                self.reached.add(place)

    def _pass_ends(self) -> None:
        """Ends that were met count once the rows before them are delivered."""
        for place, offset in self._at_end.items():
            self._advance(place, offset)
        self._at_end.clear()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._disturbed = True
        places = [(p.topic, p.partition) for p in partitions]
        starts = self._take_over(places) if places else {}
        self.next |= starts
        consumer.incremental_assign([TopicPartition(t, p, starts[t, p]) for t, p in places])
        for place in places:
            self._advance(place, starts[place])

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._disturbed = True
        places = [(p.topic, p.partition) for p in partitions]
        for place in places:
            self.next.pop(place, None)
            self.reached.discard(place)
            self._at_end.pop(place, None)
        self._let_go(places)
        consumer.incremental_unassign(partitions)
