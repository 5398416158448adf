"""The heart: what is evaluated next, and with what.

    refusal = scheduler.offer(work, now)        a caller asks
    batch = scheduler.next(now)                 the engine is free
    jobs = scheduler.finished(batch, s, now)    it took s seconds
    scheduler.refused()                         who has to be told no since last time

Time is passed in; nothing here waits, and every decision is O(log n).
"""

import math
import sys
from dataclasses import dataclass

from foretell.config import BatchSettings
from foretell.serve.backend import Priority, Refusal
from foretell.serve.scheduler.admission import Admission, passed, unreachable
from foretell.serve.scheduler.arrivals import Arrivals, DrainRate
from foretell.serve.scheduler.coalesce import Coalescer
from foretell.serve.scheduler.cost import CostModel
from foretell.serve.scheduler.expiry import Expiry
from foretell.serve.scheduler.patience import Patience
from foretell.serve.scheduler.queue import Queue
from foretell.serve.scheduler.work import Batch, Job, Piece, State, Work

_TRY = 16  # batches
_SHARE = 1 / 5  # of the time that callers usually give: a batch takes no longer
_MOST = 1 / 3  # nor so much where throughput wants it, unless a row alone takes half of it


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done before `until`, unless work comes in."""

    until: float


class Scheduler:
    """Of one model on one engine.

    Attributes:
        waiting: works of each class that wait for an answer, also for the batch under way.
        running: the batch under way.
    """

    def __init__(self, settings: BatchSettings, cost: CostModel) -> None:
        self._settings, self.cost = settings, cost
        self._queue, self._coalescer, self._expiry = Queue(settings), Coalescer(), Expiry()
        self._arrivals, self._drain, self._patience = Arrivals(), DrainRate(), Patience()
        self._admission = Admission(settings, self._queue, cost, self._drain)
        self._refused: list[tuple[Work, Refusal]] = []
        self._filling: float | None = None
        self._emptied = -math.inf  # when the last batch ended, where nothing was left to do
        self._batches = 1
        self._works: dict[Work, None] = {}
        self.waiting = dict.fromkeys(Priority, 0)
        self.running: Batch | None = None

    @property
    def rows(self) -> int:
        """That wait for a batch."""
        return self._queue.rows

    @property
    def load(self) -> int:
        """Evaluations that wait: a row that is rolled out takes several."""
        return self._queue.load

    @property
    def calls(self) -> int:
        """In flight."""
        return len(self._works)

    @property
    def least(self) -> int:
        """Evaluations that the next batch has at least: a row that is rolled out is not divided."""
        job = self._queue.head()
        return job.passes if job else 1

    def offer(self, work: Work, now: float) -> Refusal | None:
        """A caller asks: `None` when the work is taken, and its answer or refusal will come."""
        self._arrivals.saw(now)
        self._patience.saw(work.deadline - (work.arrived if work.asked is None else work.asked), now)
        self._advance(now)
        if work.deadline <= now:
            return self._turn_away(work, passed())
        job = self._coalescer.find(work)
        refusal = self._admit_to(job, work, now) if job else self._admit(work, now)
        if refusal:
            return self._turn_away(work, refusal)
        self._works[work] = None
        self.waiting[work.priority] += 1
        self._expiry.add(work, len(self._works))
        return None

    def next(self, now: float, most: int | None = None) -> Batch | Wait | None:
        """The engine is free: what it shall do, how long it may wait, or `None`: nothing waits.

        `most`: evaluations in a batch on the loop that reads and answers; unset: it goes on meanwhile.
        """
        self._advance(now)
        if self.running is not None or not self._queue.rows:
            return None
        until = self._worth_waiting(now)
        if until > now:
            return Wait(until)
        self._filling = None
        batch = self._fill(now, self._pipelined(now) if most is None else most)
        if not batch.pieces:
            return None
        self._drain.began(now)
        self.running = batch
        self._batches += 1
        return batch

    def finished(self, batch: Batch, seconds: float, now: float) -> list[Job]:
        """The batch came back after so many seconds: the jobs that are complete, whose works are answered."""
        self._emptied = -math.inf if self._queue.rows else now
        self.running = None
        self.cost.observe(batch.load, seconds)
        self._admission.learned()
        self._drain.saw(batch.rows, now)
        complete = []
        for piece in batch.pieces:
            job = piece.job
            job.done += piece.stop - piece.start
            if job.done == job.rows and job.works:
                complete.append(job)
                self._coalescer.ended(job)
                for work in job.works:
                    self._leave(work, State.ANSWERED)
                    work.job = None  # a circle of the two would be left to the garbage collector
        return complete

    def drop(self, job: Job, refusal: Refusal) -> None:
        """The engine failed on it, or it is shed: its works are refused, and no more of it is evaluated."""
        for work in list(job.works):
            self._refuse(work, refusal)

    def cancel(self, work: Work) -> None:
        """Its caller has gone. A work that has ended already stays as it is."""
        if work.state is State.WAITING:
            self._let_go(work, State.CANCELLED)

    def expire(self, now: float) -> None:
        """Refuse those whose deadline has passed, also those under way: nobody waits past it."""
        for work in self._expiry.due(now):
            self._refuse(work, passed())

    def refuse_all(self, refusal: Refusal) -> None:
        """All works that are in flight."""
        for work in list(self._works):
            self._refuse(work, refusal)

    def refused(self) -> list[tuple[Work, Refusal]]:
        """Works that were taken and will have no answer, since this was last asked: expired, shed, failed."""
        refused, self._refused = self._refused, []
        return refused

    @property
    def full(self) -> bool:
        """Whether a work of the lowest class and without a deadline has no room. From another thread, too."""
        return self._admission.full

    def shed(self) -> Refusal:
        """What such a work is told."""
        return self._admission.shed()

    def retry_after(self) -> float:
        """Seconds until what waits now is likely to be gone."""
        return self._admission.retry_after()

    def _advance(self, now: float) -> None:
        self.expire(now)
        self._queue.age(now)

    def _admit(self, work: Work, now: float) -> Refusal | None:
        if work.deadline < math.inf:
            refusal = self._admission.unreachable(work, now, self._free(now))
            if refusal:
                return refusal
        room = self._admission.make_room(work)
        if isinstance(room, Refusal):
            return room
        if room:
            full = self._admission.shed()
            for worse in room:
                self.drop(worse, full)
        job = Job.of(work)
        self._queue.put(job, now)
        self._coalescer.started(job)
        return None

    def _admit_to(self, job: Job, work: Work, now: float) -> Refusal | None:
        """Join a job in flight; one that waits becomes as urgent as the newcomer."""
        if not job.waiting and self._free(now) > work.deadline:
            return unreachable(work.deadline - now, self._free(now) - now)
        job.join(work)
        if job.waiting:
            self._queue.hurry(job, work.priority, work.deadline, now)
        return None

    def _free(self, now: float) -> float:
        """When the engine is, by the estimate."""
        batch = self.running
        return now if batch is None else max(now, batch.started + self.cost.seconds(batch.load))

    def _most_load(self, now: float) -> int:
        """Rows past which more do not pay. Now and then twice or half as many: untried is unknown.

        Whoever comes in while a batch is under way waits for its end: where callers have deadlines, it is
        short, as far as throughput allows; and not long, whatever is thought of large batches, which may not
        have been measured since the machine was quicker.
        """
        paying, turn = self.cost.paying, self._batches % _TRY
        if turn == 0:
            paying *= 2
        elif turn == _TRY // 2:
            paying = max(1, paying // 2)
        patience = self._patience.usual(now)
        if patience < math.inf:
            most = max(_MOST * patience, 2 * self.cost.seconds(1))
            fair = min(self.cost.fair, self.cost.within(most))
            paying = min(paying, max(self.cost.within(_SHARE * patience), fair))
        return min(self._settings.max_batch_size, paying)

    def _worth_waiting(self, now: float) -> float:
        """Until when a batch should fill although the engine is free; `now`, or earlier: take it at once.

        Waiting pays only while the next row is expected so soon that those who wait lose less by it than the
        engine time that it saves by coming along. That holds in a burst on an engine with a large fixed cost.
        It never holds for an idle server or a single connection: their next row comes after an answer, and
        an answer takes longer than what a row can save.
        """
        load, gap = self._queue.load, self._arrivals.gap
        if load >= self._most_load(now) or load * gap >= self.cost.saved(load):
            return now
        if self._filling is None:
            self._filling = now
        return min(
            self._arrivals.last + 2 * gap,
            self._filling + self._settings.batch_wait_timeout_s,
            self._expiry.earliest() - self.cost.at_most(load + 1),
        )

    def _pipelined(self, now: float) -> int:
        """Half of what waits, where the last batch held everybody, and the engine then stood still until they
        asked again: one half is answered and read while the other is evaluated. Else there is no limit."""
        load, pause = self._queue.load, now - self._emptied
        if not 2 <= load <= self._most_load(now) or pause >= self.cost.seconds(load):
            return sys.maxsize
        half = (load + 1) // 2
        more = 2 * self.cost.seconds(half) - self.cost.seconds(load)
        return half if more < pause else sys.maxsize

    def _fill(self, now: float, most: int) -> Batch:
        """Take the most urgent rows while more of them pay.

        A batch stays smaller where a less urgent row would make a more urgent one late. Among equally urgent
        ones it does not: whoever cannot be in time in a batch of them is refused instead. Else an overload of
        urgent calls would be met with ever smaller batches, at a time when throughput is all that helps.
        """
        batch, most, earliest, urgent = Batch(now), min(most, self._most_load(now)), math.inf, 0
        while batch.load < most and (job := self._queue.head()) is not None:
            if job.deadline < math.inf:
                pressing = min(most, batch.load + self._queue.pressing(job))
                urgent = urgent or pressing
                self._drop_hopeless(job, max(pressing, batch.load + job.load), now)
                if not job.works:
                    continue
            room = (most - batch.load) // job.passes
            if batch.pieces and not room:
                break
            rows = min(job.rows - job.taken, max(room, 1))
            load = batch.load + rows * job.passes
            if earliest < math.inf and load > urgent and now + self.cost.at_most(load) > earliest:
                break
            batch.add(Piece(job, job.taken, job.taken + rows))
            self._queue.take(job, rows)
            earliest = min(earliest, job.deadline)
        return batch

    def _drop_hopeless(self, job: Job, load: int, now: float) -> None:
        for work in list(job.works):
            if refusal := self._admission.hopeless(work, load, now):
                self._refuse(work, refusal)

    def _turn_away(self, work: Work, refusal: Refusal) -> Refusal:
        work.state = State.REFUSED
        return refusal

    def _refuse(self, work: Work, refusal: Refusal) -> None:
        self._let_go(work, State.REFUSED)
        self._refused.append((work, refusal))

    def _let_go(self, work: Work, state: State) -> None:
        """A work ends without an answer; a job that nobody waits for any more gives up its place."""
        job = work.job
        assert job is not None
        if len(job.works) == 1:
            if job.waiting:
                self._queue.remove(job)
            self._coalescer.ended(job)
        del job.works[work]
        self._leave(work, state)

    def _leave(self, work: Work, state: State) -> None:
        work.state = state
        del self._works[work]
        self.waiting[work.priority] -= 1
