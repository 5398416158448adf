"""Taking partitions over: where the group stands, and the windows as they were there.

The order matters (each step was found by trying what goes wrong without it):

1. wait for the committed offsets: a transaction of the worker before may still be open;
2. *then* ask for the changelog's high watermark, read_uncommitted: the last stable offset may lie before it;
3. read the changelog, read_committed, up to there; transaction markers take up offsets, so the position
   counts, not the number of records.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    IsolationLevel,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka import KafkaError as Cause
from confluent_kafka.admin import AdminClient, OffsetSpec

from foretell.config import KafkaSettings
from foretell.errors import KafkaError
from foretell.stream.kafka.clients import client_config
from foretell.stream.messages.changelog import State, decode_state

_PATIENCE_S = 2.0
_PAUSE_S = 0.05
# An open transaction, a coordinator that is looked for, a partition that has just changed its leader.
_PASSING = {
    "UNSTABLE_OFFSET_COMMIT",
    "_WAIT_COORD",
    "NOT_COORDINATOR",
    "COORDINATOR_NOT_AVAILABLE",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "FENCED_LEADER_EPOCH",
    "UNKNOWN_LEADER_EPOCH",
    "NOT_LEADER_FOR_PARTITION",
    "LEADER_NOT_AVAILABLE",
    "OFFSET_NOT_AVAILABLE",
}
_AT_ONCE = 10_000  # states of a partition
READER = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 10,
    "fetch.max.bytes": 33_554_432,
    "max.partition.fetch.bytes": 8_388_608,
    "queued.min.messages": 200_000,
}


@dataclass(slots=True)
class Stored:
    """A partition's windows as the changelog holds them, by series.

    Attributes:
        states: those that were not handed over while reading.
        gone: series whose newest record says that they are gone; they may have been handed over before.
        foreign: series whose newest record is of other rules, or of another format.
    """

    states: dict[str, State] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)


class Restorer:
    """Reads what a worker before left behind. Every wait ends early when `give_up` says so."""

    def __init__(self, kafka: KafkaSettings, group: str, give_up: Callable[[], bool]) -> None:
        self._kafka = kafka
        self._group = group
        self._give_up = give_up

    def committed(self, consumer: Consumer, topic: str, partitions: list[int]) -> dict[int, int | None]:
        """Step 1: committed offsets, `None` where the group has none."""
        places = [TopicPartition(topic, p) for p in partitions]
        while True:
            try:
                found = consumer.committed(places, _PATIENCE_S)
            except KafkaException as error:
                self._wait_or_raise(error)
                continue
            broken = [p.error for p in found if p.error is not None]
            if not broken:
                return {p.partition: p.offset if p.offset != OFFSET_INVALID else None for p in found}
            self._wait_or_raise(KafkaException(broken[0]))

    def watermarks(self, topic: str, partitions: list[int], *, latest: bool = True) -> dict[int, int]:
        """Step 2: high watermarks (or with `latest=False` the first offsets), read_uncommitted."""
        spec = OffsetSpec.latest() if latest else OffsetSpec.earliest()
        wanted = {TopicPartition(topic, p): spec for p in partitions}
        while True:
            # A new client each time: one that has asked before keeps to the leader's epoch of then, for ever.
            admin = AdminClient(client_config(self._kafka))
            try:
                answers = admin.list_offsets(
                    wanted,
                    isolation_level=IsolationLevel.READ_UNCOMMITTED,
                    request_timeout=_PATIENCE_S,
                )
                return {p.partition: future.result(2 * _PATIENCE_S).offset for p, future in answers.items()}
            except TimeoutError:
                self._wait_or_raise(KafkaException(Cause(Cause._TIMED_OUT)))
            except KafkaException as error:
                self._wait_or_raise(error)

    def states(
        self,
        changelog: str,
        partitions: list[int],
        rules: str,
        hand_over: Callable[[int, dict[str, State]], None],
    ) -> dict[int, Stored]:
        """Step 3: the newest state of each series, for each partition.

        Args:
            hand_over: takes states while there is more to read, so that not all are held at once; later ones
                of the same series replace them.
        """
        stored = {p: Stored() for p in partitions}

        def keep(message: Message) -> None:
            partition = message.partition()
            found = stored[partition]
            _keep(found, message, rules)
            if len(found.states) >= _AT_ONCE:
                hand_over(partition, found.states)
                found.states = {}

        ends = self.watermarks(changelog, partitions)
        self.read(changelog, dict.fromkeys(partitions, OFFSET_BEGINNING), ends, keep)
        return stored

    def read(
        self, topic: str, starts: dict[int, int], ends: dict[int, int], each: Callable[[Message], None]
    ) -> None:
        """Read partitions from `starts` up to `ends`, read_committed."""
        waiting = {p for p, end in ends.items() if end > max(starts[p], 0)}
        if not waiting:
            return
        reader = Consumer(client_config(self._kafka, READER | {"group.id": f"{self._group}-restore"}))
        try:
            reader.assign([TopicPartition(topic, p, starts[p]) for p in sorted(waiting)])
            while waiting:
                for message in reader.consume(10_000, 0.1):
                    partition, cause = message.partition(), message.error()
                    if cause is not None and cause.code() != Cause._PARTITION_EOF:
                        self._wait_or_raise(KafkaException(cause))
                        continue
                    if cause is None and message.offset() < ends[partition]:
                        each(message)
                    if message.offset() + (cause is None) >= ends[partition]:
                        waiting.discard(partition)
                if self._give_up():
                    raise KafkaError(f"{topic} was not read to its end: this worker is to stop")
        finally:
            reader.close()

    def _wait_or_raise(self, error: KafkaException) -> None:
        """Go on while the cause may pass: an open transaction, a broker that restarts."""
        cause = error.args[0]
        passing = cause.retriable() or cause.code() in (
            Cause._TIMED_OUT,
            Cause._TRANSPORT,
            Cause._ALL_BROKERS_DOWN,
        )
        if not (passing or cause.name() in _PASSING) or self._give_up():
            raise KafkaError(f"the windows cannot be restored: {cause.str()}") from None
        time.sleep(_PAUSE_S)


def _keep(stored: Stored, message: Message, rules: str) -> None:
    name = message.key().decode()
    stored.states.pop(name, None)
    stored.gone.discard(name)
    stored.foreign.discard(name)
    value = message.value()
    if value is None:
        stored.gone.add(name)
        return
    state = decode_state(value)
    if state is None or state.rules != rules:
        stored.foreign.add(name)
    else:
        stored.states[name] = state
