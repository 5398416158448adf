"""Who is next.

The higher class first, in it the earliest deadline, then arrival. After each `ageing` of waiting a job rises
by one class. One that has waited so long in the highest is overdue: of every nine rows taken one goes to the
longest waiting of these, whatever is more urgent, so that nobody waits for ever and urgent ones lose little.
"""

import math
from collections.abc import Iterator
from operator import attrgetter

from foretell.config import BatchSettings
from foretell.serve.backend import Priority
from foretell.serve.scheduler.deadlines import Deadlines
from foretell.serve.scheduler.heap import Heap
from foretell.serve.scheduler.work import Job

_TOP = int(max(Priority))
_OVERDUE = _TOP + 1
_DOWNWARD = range(_TOP, -1, -1)
_TRIM = 32  # arrivals
_OTHERS = 8  # rows taken for each one of the overdue


class Queue:
    """Jobs that wait. Every step is O(log n): heaps, and a job that leaves is only marked.

    Attributes:
        jobs, rows, load: what waits in all; load counts evaluations.
    """

    def __init__(self, settings: BatchSettings) -> None:
        self._order, self._ageing = settings.order, settings.ageing
        self._most_debt = float(settings.max_batch_size)
        self._shares = settings.shares
        urgency = _arrival if self._order == "first_come" else attrgetter("deadline")
        self._by_class: tuple[Heap[float], ...] = tuple(Heap(urgency) for _ in Priority)
        self._rising: Heap[float] = Heap(attrgetter("rises"))
        self._next_rise = math.inf
        self._overdue: Heap[float] = Heap(_arrival)
        self._worst: Heap[tuple[float, ...]] = Heap(_badness)
        self._deadlines = tuple(Deadlines() for _ in Priority)
        self._loads = [0 for _ in Priority]
        self._passes = [0.0 for _ in Priority]
        self._now_served = 0.0
        self._credit = 0.0
        self._arrived = 0
        self.jobs = self.rows = self.load = 0

    def put(self, job: Job, now: float) -> None:
        """A new job waits."""
        self._arrived += 1
        job.order = self._arrived
        job.level = 0 if self._order == "first_come" else int(job.priority)
        job.rises = now + self._ageing
        self.jobs += 1
        self.rows += job.rows
        self._place(job, now)
        if not self._arrived % _TRIM:
            for heap in self._heaps():
                heap.trim(self.jobs)

    def hurry(self, job: Job, priority: Priority, deadline: float, now: float) -> None:
        """Another work joined: the job is as urgent as the more urgent of both."""
        if priority <= job.priority and deadline >= job.deadline:
            return
        self._count(job, -job.load)
        job.priority, job.deadline = max(job.priority, priority), min(job.deadline, deadline)
        if self._order != "first_come":
            job.level = max(job.level, int(priority))
        self._place(job, now)

    def age(self, now: float) -> None:
        """Let those rise that have waited long enough."""
        if now < self._next_rise:
            return
        while (job := self._rising.top()) is not None and job.rises <= now:
            self._count(job, -job.load)
            job.level += 1
            job.rises += self._ageing
            self._place(job, now)
        self._next_rise = job.rises if job else math.inf

    def head(self) -> Job | None:
        """The job whose rows are taken next."""
        if self._credit >= 1 and (job := self._overdue.top()) is not None:
            return job
        best: Job | None = None
        for place in _DOWNWARD:
            if not self._loads[place] or (job := self._by_class[place].top()) is None:
                continue
            if self._order != "weighted":
                return job
            if best is None or self._passes[place] < self._passes[min(best.level, _TOP)]:
                best = job
        return best

    def take(self, job: Job, rows: int) -> None:
        """So many rows of it go into a batch."""
        load = rows * job.passes
        if job.level == _OVERDUE:
            self._credit = max(self._credit - load, -self._most_debt)
        else:
            self._credit = min(self._credit + load / _OTHERS, 1.0)
        place = min(job.level, _TOP)
        self._now_served = self._passes[place]
        self._passes[place] += load / self._shares[place]
        self._count(job, -load)
        job.taken += rows
        self.rows -= rows
        if job.taken == job.rows:
            self.jobs -= 1

    def remove(self, job: Job) -> None:
        """The rest of it is not wanted any more; call it while `job.waiting` still holds."""
        self._count(job, -job.load)
        self.jobs -= 1
        self.rows -= job.rows - job.taken
        job.taken = job.rows

    def worst_first(self) -> Iterator[Job]:
        """Lowest class as given, then latest deadline, then latest arrival; those under way are left out.

        What was seen and not removed has to be handed to `keep`.
        """
        while (job := self._worst.pop()) is not None:
            if not job.taken:
                yield job

    def keep(self, job: Job) -> None:
        """It was looked at by `worst_first`, and stays."""
        self._worst.push(job)

    def ahead(self, priority: Priority, deadline: float, now: float) -> int:
        """Load that is served before a new work of this urgency, as far as it has come in."""
        if self._order == "first_come":
            return self.load
        own = self._deadlines[priority].before(deadline, now)
        if self._order == "strict":
            return own + sum(self._loads[priority + 1 :])
        shares = sum(s for s, load in zip(self._shares, self._loads, strict=True) if load)
        others = shares - (self._shares[priority] if self._loads[priority] else 0)
        return min(self.load, round(own * (1 + others / self._shares[priority])))

    def pressing(self, job: Job) -> int:
        """Load that is as urgent by class as this job, its own included."""
        if self._order != "strict":
            return self.load
        return sum(self._loads[min(job.level, _TOP) :])

    def _place(self, job: Job, now: float) -> None:
        job.entry += 1
        place, load = job.level if job.level < _TOP else _TOP, job.load
        if not self._loads[place] and self._passes[place] < self._now_served:
            self._passes[place] = self._now_served  # a class that was empty has saved nothing up
        job.slot = self._deadlines[place].add(job.deadline, load, now)
        self._loads[place] += load
        self.load += load
        self._by_class[place].push(job)
        self._worst.push(job)
        if job.level == _OVERDUE:
            self._overdue.push(job)
        elif self._order != "first_come":
            self._rising.push(job)
            if job.rises < self._next_rise:
                self._next_rise = job.rises

    def _count(self, job: Job, load: int) -> None:
        place = job.level if job.level < _TOP else _TOP
        if job.deadline < math.inf:
            self._deadlines[place].remove(job.slot, -load)
        self._loads[place] += load
        self.load += load

    def _heaps(self) -> Iterator[Heap[float] | Heap[tuple[float, ...]]]:
        yield from self._by_class
        yield self._rising
        yield self._overdue
        yield self._worst


def _arrival(job: Job) -> float:
    return 0.0  # equal keys come by arrival


def _badness(job: Job) -> tuple[float, ...]:
    return (float(job.priority), -job.deadline, float(-job.order))
