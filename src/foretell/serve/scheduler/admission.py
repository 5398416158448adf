"""Who is taken, who is refused at once, and who is shed for it."""

import math

from foretell.config import BatchSettings
from foretell.serve.backend import Priority, Refusal
from foretell.serve.scheduler.arrivals import DrainRate
from foretell.serve.scheduler.cost import CostModel
from foretell.serve.scheduler.queue import Queue
from foretell.serve.scheduler.work import Job, Work

_STALE_S = 1.0  # so long nothing but refusals
_LEAST_WAIT_S, _MOST_WAIT_S = 0.05, 60.0
_MOST_KEPT, _FADES = 1 / 8, 0.98  # of the queue, and what is left of it after a batch


class Admission:
    """Judges by the queue, the cost of batches, and the rate at which the queue empties."""

    def __init__(self, settings: BatchSettings, queue: Queue, cost: CostModel, drain: DrainRate) -> None:
        self._max_rows = settings.max_queue_rows
        self._queue, self._cost, self._drain = queue, cost, drain
        self._refusing: float | None = None
        self._kept = 0.0

    @property
    def full(self) -> bool:
        """Whether a work of the lowest class and without a deadline is shed.

        Where higher classes push the lowest out, room is kept for those that will come next: what is taken in
        to be pushed out costs as much as what is answered.
        """
        return self._queue.rows >= self._max_rows - self._kept

    def learned(self) -> None:
        """A batch came back: the estimates are fresh."""
        self._refusing = None
        self._kept *= _FADES

    def unreachable(self, work: Work, now: float, free: float) -> Refusal | None:
        """By the estimate it would end after its deadline, `free` being when the engine is."""
        if work.deadline == math.inf:
            return None
        ahead = self._queue.ahead(work.priority, work.deadline, now)
        end = max(now, free) + self._cost.drain(ahead + work.load) * self._cost.caution
        idle = free <= now and not self._queue.rows
        if end <= work.deadline or (idle and self._doubtful(now)):
            return None
        return self._unreachable(work, end, now)

    def hopeless(self, work: Work, load: int, now: float) -> Refusal | None:
        """Its turn has come, and with `load`, which cannot be less, it would end after its deadline."""
        end = now + self._cost.drain(load)
        if end <= work.deadline or self._doubtful(now):
            return None
        return self._unreachable(work, end, now)

    def make_room(self, work: Work) -> list[Job] | Refusal:
        """The jobs to shed so that it fits: only worse ones, and none if they would not be enough."""
        over = missing = self._queue.rows + work.rows - self._max_rows
        if self.full and work.priority is Priority.LOW and work.deadline == math.inf:
            return self.shed()
        if over <= 0 or not self._queue.rows:
            return []  # what is larger than the whole queue is taken when nothing else waits
        seen: list[Job] = []
        for job in self._queue.worst_first():
            seen.append(job)
            if not _worse(job, work):
                break
            over -= job.rows
            if over <= 0:
                if job.priority < work.priority:
                    self._kept = min(self._kept + missing, _MOST_KEPT * self._max_rows)
                return seen
        for job in seen:
            self._queue.keep(job)
        return self.shed()

    def shed(self) -> Refusal:
        """There is no room for it."""
        kept = round(self._kept)
        rest = f", {kept} of them for higher priorities" if kept else ""
        return Refusal(
            "shed",
            f"{self._queue.rows} rows wait and no more than {self._max_rows} may{rest}",
            cure="come back after Retry-After, ask with a higher priority, or add replicas",
            retry_after=self.retry_after(),
        )

    def retry_after(self) -> float:
        """Seconds until what waits now has been answered, at the rate of the last seconds."""
        rate = self._drain.rate
        wait = self._queue.rows / rate if rate else 1.0
        return min(max(wait, _LEAST_WAIT_S), _MOST_WAIT_S)

    def _doubtful(self, now: float) -> bool:
        """An estimate that refuses everybody would never be corrected: after a while, let one try."""
        stale = self._refusing is not None and now - self._refusing > _STALE_S
        return stale or not self._cost.known

    def _unreachable(self, work: Work, end: float, now: float) -> Refusal:
        if self._refusing is None:
            self._refusing = now
        return unreachable(work.deadline - now, end - now)


def unreachable(left: float, needed: float) -> Refusal:
    """The deadline is `left` seconds away, and it would take `needed`."""
    return Refusal(
        "deadline_unreachable",
        f"the deadline is in {left * 1e3:.0f} ms, and an answer would take {needed * 1e3:.0f} ms",
        cure="give it more time, ask with a higher priority, or add replicas",
    )


def passed() -> Refusal:
    """Its deadline is over."""
    return Refusal(
        "deadline_passed",
        "the deadline passed before there was an answer",
        cure="give it more time, ask with a higher priority, or add replicas",
    )


def _worse(job: Job, work: Work) -> bool:
    """Whether it is shed before a newcomer: lower class, then later deadline. Of equals the newcomer goes."""
    return (job.priority, -job.deadline) < (work.priority, -work.deadline)
