"""A worker takes partitions over: where each begins, and its windows as they were there."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Message, TopicPartition

from foretell.config import Settings
from foretell.errors import KafkaError
from foretell.stream.messages.blocks import Change, Incoming, Outgoing, Place
from foretell.stream.messages.changelog import changelog_topic
from foretell.stream.worker.intake import Intake
from foretell.stream.worker.pipeline import Pipeline
from foretell.stream.worker.repartition import resume
from foretell.stream.worker.restore import Restorer
from foretell.stream.worker.transaction import Aborted
from foretell.telemetry import metrics
from foretell.telemetry.meter import Meter

log = logging.getLogger(__name__)
_CHANGES = 5_000  # records of the changelog a transaction, when all of a partition is written anew


class TakeOver:
    """Restores windows from the changelog, or rebuilds them from the input where that is of no use."""

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        send: Callable[[Outgoing, list[TopicPartition], Any], None],
        restorer: Restorer,
        meter: Meter,
        *,
        windowed: str,
        rebuild: bool,
    ) -> None:
        """`windowed`: the topic whose rows go into windows; of another, partitions just begin where the group
        stands. `send`: as in `Delivery`."""
        self._stream = settings.stream
        self._changelog = changelog_topic(settings.stream.group)
        self._pipeline = pipeline
        self._send = send
        self._restorer = restorer
        self._meter = meter
        self._windowed = windowed
        self._rebuild = rebuild

    def take(self, intake: Intake, places: Sequence[Place]) -> dict[Place, int]:
        """Ready partitions, and say where each begins."""
        starts: dict[Place, int] = {}
        for topic in dict.fromkeys(topic for topic, _ in places):
            partitions = [p for t, p in places if t == topic]
            committed = self._restorer.committed(intake.consumer, topic, partitions)
            begins = self._begins(topic, committed)
            if topic == self._windowed:
                began = time.monotonic()
                self._restore(intake, partitions, {p: o for p, o in committed.items() if o is not None})
                self._meter.observe(metrics.RESTORE, [time.monotonic() - began])
                self._meter.add(metrics.RESTORES, len(partitions))
            starts |= {(topic, p): offset for p, offset in begins.items()}
        return starts

    def let_go(self, places: Sequence[Place]) -> None:
        """Forget the windows of partitions that are another worker's now."""
        for topic, partition in places:
            if topic == self._windowed:
                self._pipeline.drop(partition)

    def _begins(self, topic: str, committed: dict[int, int | None]) -> dict[int, int]:
        """Committed offsets; where there is none, the end or the beginning of the partition."""
        first = self._restorer.watermarks(topic, list(committed), latest=False)
        fresh = [p for p, offset in committed.items() if offset is None]
        latest = fresh and self._stream.start == "latest"
        begins = self._restorer.watermarks(topic, fresh) if latest else {p: first[p] for p in fresh}
        for partition, offset in committed.items():
            if offset is not None and offset < first[partition]:
                self._pipeline.notices.append(
                    f"rows {offset} to {first[partition] - 1} of {topic}/{partition} were deleted by the "
                    "topic's retention before they were forecast"
                )
        return begins | {p: max(o, first[p]) for p, o in committed.items() if o is not None}

    def _restore(self, intake: Intake, partitions: list[int], committed: dict[int, int]) -> None:
        stored = self._restorer.states(
            self._changelog, partitions, self._pipeline.rules, self._pipeline.restore
        )
        for partition, found in stored.items():
            self._pipeline.restore(partition, found.states)
            self._pipeline.forget(partition, found.gone)
            stale = bool(found.foreign) and not self._rebuild
            if partition in committed and (self._rebuild or stale):
                if stale:
                    self._pipeline.notices.append(
                        f"the windows of partition {partition} were stored for another lookback, "
                        "step or list of features: they are rebuilt from the input"
                    )
                known = found.foreign | self._pipeline.series.of_partition(partition).keys()
                self._pipeline.drop(partition)
                self._build_anew(intake, partition, committed[partition], known)

    def _build_anew(self, intake: Intake, partition: int, end: int, known: set[str]) -> None:
        """Read the input up to the committed offset, without forecasts, and write the windows that result."""
        topic = self._windowed
        waiting: list[Message] = []

        def absorb() -> None:
            block = Incoming.of(topic, waiting)
            self._pipeline.absorb(resume(block) if self._stream.repartition else block)
            waiting.clear()

        def each(message: Message) -> None:
            waiting.append(message)
            if len(waiting) >= self._stream.block_rows:
                absorb()

        first = self._restorer.watermarks(topic, [partition], latest=False)
        self._restorer.read(topic, first, {partition: end}, each)
        if waiting:
            absorb()
        kept = self._pipeline.series.of_partition(partition)
        gone: list[Change] = [(partition, name.encode(), None) for name in known - kept.keys()]
        # The offsets go along, unchanged, so that a worker that lost the partition meanwhile writes nothing.
        place, membership = TopicPartition(topic, partition, end), intake.membership()
        for changes in _batches([*self._pipeline.dump(partition), *gone], _CHANGES):
            try:
                self._send(Outgoing(changes=changes), [place], membership)
            except Aborted as aborted:
                raise KafkaError(f"rebuilt windows could not be written: {aborted}") from None


def _batches(changes: list[Change], size: int) -> list[list[Change]]:
    return [changes[i : i + size] for i in range(0, len(changes), size)]
