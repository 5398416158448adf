"""What the workers tell, added up: figures, notices, health, and who is in trouble."""

import logging
import time
from collections.abc import Sequence

from foretell.stream.messages.blocks import Place
from foretell.stream.supervision.slot import WorkerSlot
from foretell.stream.supervision.status import StreamStatus
from foretell.stream.worker.worker import WorkerStatus
from foretell.telemetry import metrics
from foretell.telemetry.meter import Meter, Totals

log = logging.getLogger("foretell.stream")
_ALIVE_S = 5.0  # without a word from it, a worker does not count as answering
_START_S = 60.0
_RESTORE_S = 240.0  # that taking over partitions may need beyond a stall
_KNOWN_SERIES = 200_000


class Figures:
    """One for all workers. Taken and asked by different threads; what is shared is replaced, not changed.

    Attributes:
        places: partitions that some worker must read.

    Args:
        stall: seconds without a word, or without a commit while rows wait: then a worker is in trouble.
    """

    def __init__(self, stall: float) -> None:
        self._stall = stall
        self._meter, self._totals = Meter(), Totals(metrics.TABLE)
        self._moved: dict[int, tuple[int, float]] = {}
        self._told: set[str] = set()
        self._home: dict[str, int] = {}
        self._shared = False
        self._since = time.monotonic()
        self._read: dict[Place, float] = {}
        self.places: set[Place] = set()

    def take(self, status: WorkerStatus) -> None:
        """A worker's word."""
        now = time.monotonic()
        turns, _ = self._moved.get(status.index, (-1, now))
        if status.turns != turns or not any(status.lag.values()):
            self._moved[status.index] = status.turns, now
        self._totals.take(f"worker {status.index}", status.figures)
        self._look_for_shared(status.fresh)
        for notice in status.notices:
            self._tell(notice)

    def replaced(self, slot: WorkerSlot, cause: str) -> None:
        """A worker is gone; what it counted stays."""
        self._moved.pop(slot.index, None)
        self._meter.add(metrics.RESTARTS, label=cause)
        self._totals.end(f"worker {slot.index}")

    def trouble(self, slot: WorkerSlot) -> str | None:
        """Why a worker has to be replaced, if it has to."""
        now = time.monotonic()
        if not slot.filled:
            return None
        if slot.status is None:
            return "has not come up" if now - slot.heard > self._stall + _START_S else None
        if now - slot.heard > self._stall:
            return f"has not answered for {now - slot.heard:.0f} s"
        if slot.status.still_s > self._stall + _RESTORE_S:
            return f"has been busy with one block for {slot.status.still_s:.0f} s"
        since = now - self._moved.get(slot.index, (0, now))[1]
        if since > self._stall:
            return f"has committed nothing for {since:.0f} s, while {sum(slot.status.lag.values())} rows wait"
        return None

    def status(self, slots: Sequence[WorkerSlot], broker_answers: bool) -> StreamStatus:
        """Healthy: the broker answers, and every worker does, and each commits or has no lag."""
        now = time.monotonic()
        answering = [s for s in slots if s.filled and s.status is not None and now - s.heard < _ALIVE_S]
        stuck = [s.index for s in slots if self.trouble(s) is not None]
        note = ""
        if not broker_answers:
            note = "Kafka does not answer"
        elif len(answering) < len(slots):
            missing = sorted({s.index for s in slots} - {s.index for s in answering})
            note = f"waiting for worker {', '.join(map(str, missing))}"
        elif stuck:
            note = f"worker {', '.join(map(str, stuck))} stands still"
        elif orphans := self._orphans(answering, now):
            note = f"no worker reads {', '.join(orphans)}"
        self._meter.set(metrics.WORKERS, len(answering))
        self._totals.take("supervisor", self._meter.snapshot())
        return StreamStatus(
            at=now,
            figures=self._totals.sum(),
            workers=len(answering),
            wanted=len(slots),
            healthy=not note,
            note=note,
        )

    def _orphans(self, answering: Sequence[WorkerSlot], now: float) -> list[str]:
        """Partitions that nobody has read for as long as a stall."""
        read = {place for s in answering if s.status for place in s.status.lag}
        self._read.update(dict.fromkeys(read, now))
        return [
            f"{t}/{p}"
            for t, p in sorted(self.places)
            if now - self._read.get((t, p), self._since) > self._stall
        ]

    def _look_for_shared(self, fresh: Sequence[tuple[str, int]]) -> None:
        for name, partition in fresh:
            if len(self._home) >= _KNOWN_SERIES:
                return
            if self._home.setdefault(name, partition) != partition and not self._shared:
                self._shared = True
                self._tell(
                    f"series {name} turns up in two partitions, so neither of its windows is whole: key the "
                    "producer by series, or set stream.repartition: true"
                )

    def _tell(self, notice: str) -> None:
        if notice not in self._told:
            self._told.add(notice)
            log.warning(notice)
