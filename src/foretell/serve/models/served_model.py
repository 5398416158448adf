"""A model that answers calls: a forecaster, a scheduler, and the thread that evaluates."""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from threading import Condition, RLock, Thread

import numpy as np

from foretell.config import BatchSettings
from foretell.errors import InputError
from foretell.forecasting.forecaster import Forecaster
from foretell.serve.backend import Answer, Call, Priority, Refusal
from foretell.serve.models import refusals
from foretell.serve.models.callers import Caller, Outcome, Reply
from foretell.serve.models.evaluation import Part, evaluate, joined
from foretell.serve.models.failures import Failures
from foretell.serve.models.figures import Figures
from foretell.serve.models.inline import Inline
from foretell.serve.models.outbox import tell
from foretell.serve.models.question import FORECAST, Question, Questions
from foretell.serve.models.watchdog import Watchdog
from foretell.serve.scheduler.admission import passed
from foretell.serve.scheduler.cost import CostModel
from foretell.serve.scheduler.scheduler import Scheduler
from foretell.serve.scheduler.work import Batch, Job, Piece, Work

log = logging.getLogger(__name__)
_CLOSING_S = 5.0
_TRIES = 3


class ServedModel:
    """Calls may come from any loop of any thread; one batch is evaluated at a time.

    Mostly that is done by a thread of the model's own, as the engine lets go of the GIL meanwhile. What is
    quick is evaluated right where it came in, all calls together that one turn of the loop brings: handing
    them to another thread and back would take as long.

    An evaluation that takes longer than `stuck_s` will not end: its calls fail, and all others are refused,
    so that they ask another replica. Should it end after all, the model goes on.

    Attributes:
        manifest: of the model. device: `cpu` or `cuda:0`.
    """

    def __init__(
        self,
        forecaster: Forecaster,
        settings: BatchSettings,
        figures: Figures | None = None,
        *,
        stuck_s: float = 30.0,
    ) -> None:
        """`figures`: of the replica, told of every batch and of every call without an answer."""
        self.manifest, self.device = forecaster.manifest, forecaster.engine.device
        self._forecaster, self._figures = forecaster, figures or Figures()
        self._name = self.manifest.name
        self._questions = Questions(self.manifest, settings)
        self._scheduler = Scheduler(settings, CostModel(settings.max_batch_size))
        self._lock = RLock()  # guards the scheduler
        self._changed = Condition(self._lock)  # tells the thread that there is work
        self._closing = False
        self._turn_of: asyncio.AbstractEventLoop | None = None
        self._inline, self._failures = Inline(settings.max_batch_size), Failures()
        self._stuck_s = stuck_s
        self._watchdog = Watchdog(f"watchdog {self._name}", stuck_s, self._since, self._give_up)
        self._thread = Thread(target=self._work, name=f"engine {self._name}", daemon=True)
        self._thread.start()

    async def infer(self, call: Call) -> Answer:
        """See `Backend.infer`; which model and version it names is looked at by `Registry`."""
        try:
            work = self._ask(call)
            answer = await self._outcome(work, work.caller)
            if time.monotonic() > work.deadline:
                raise passed()  # its timer cannot tell so while the loop stands still
            return answer
        except Refusal as refusal:
            self._figures.refused(self._name, call.priority, refusal.reason)
            raise
        except asyncio.CancelledError:
            self._figures.refused(self._name, call.priority, "cancelled")
            raise

    def _ask(self, call: Call) -> Work:
        """It waits for a batch."""
        question = self._questions.of(call)
        loop = asyncio.get_running_loop()
        caller = Caller(call, loop, Reply(loop=loop))
        work = Work(
            rows=len(question.windows),
            arrived=time.monotonic(),
            priority=call.priority,
            deadline=math.inf if call.deadline is None else call.deadline,
            passes=question.passes,
            content=question.content,
            payload=question,
            caller=caller,
            asked=call.asked,
        )
        self._offer(work)
        return work

    def warm_up(self) -> None:
        """Evaluate each shape of batch: prepares what a first call prepares, and measures what it costs."""
        measured = {}
        for rows in self._scheduler.cost.shapes:
            piece = self._sample(rows)
            evaluate(self._forecaster, [piece])
            measured[rows] = min(self._timed(piece) for _ in range(_TRIES))
        with self._lock:
            self._scheduler.cost.seed(measured)
            self._inline.seed(measured)

    def _timed(self, piece: Piece) -> float:
        start = time.monotonic()
        evaluate(self._forecaster, [piece])
        return time.monotonic() - start

    def waiting(self) -> dict[Priority, int]:
        """Calls in flight, by class."""
        with self._lock:
            return dict(self._scheduler.waiting)

    @property
    def full(self) -> bool:
        """Whether a call of the lowest class and without a deadline is sure to be shed."""
        return self._scheduler.full

    def shed(self) -> Refusal:
        """What such a call is told, before it is read."""
        return self._scheduler.shed()

    def rows(self) -> int:
        """That wait for a batch."""
        return self._scheduler.rows

    def trouble(self) -> str:
        """What is wrong with its engine; empty when nothing is."""
        since, now = self._since(), time.monotonic()
        if self._is_stuck(now) and since is not None:
            return f"{self._name}: an evaluation has been under way for {now - since:.0f} s"
        if failing := self._failures.lasting():
            return f"{self._name}: every evaluation has failed for {failing:.0f} s"
        return ""

    def close(self) -> None:
        """Refuse what still waits and give back the engine's memory, unless it is stuck in a batch."""
        self._watchdog.end()
        with self._lock:
            self._closing = True
            self._scheduler.refuse_all(refusals.closed())
            self._tell_refused()
            self._changed.notify_all()
            patience = 0.0 if self._is_stuck(time.monotonic()) else _CLOSING_S
            idle = self._changed.wait_for(lambda: self._scheduler.running is None, patience)
        if idle:
            self._thread.join(_CLOSING_S)
            self._forecaster.close()

    def _since(self) -> float | None:
        """When the batch under way was begun."""
        batch = self._scheduler.running
        return batch.started if batch else None

    def _is_stuck(self, now: float) -> bool:
        batch = self._scheduler.running
        return batch is not None and now - batch.started >= self._stuck_s

    def _give_up(self) -> None:
        """The watchdog's: nobody is kept by an evaluation that does not end."""
        with self._lock:
            batch = self._scheduler.running
            if batch is None or not self._is_stuck(time.monotonic()):
                return
            for piece in batch.pieces:
                self._scheduler.drop(piece.job, refusals.did_not_end(self._stuck_s))
            self._scheduler.refuse_all(refusals.stuck())
            self._tell_refused()
        log.error("%s: an evaluation of %d rows does not end", self._name, batch.rows)

    def _offer(self, work: Work) -> None:
        """Hand it to the scheduler."""
        with self._lock:
            if self._closing:
                raise refusals.closed()
            if self._is_stuck(work.arrived):
                raise refusals.stuck()
            refusal = self._scheduler.offer(work, work.arrived)
            self._tell_refused()
            if refusal:
                raise refusal
            if work.job and len(work.job.works) > 1:
                self._figures.coalesced(self._name)
            if self._scheduler.running is None:
                self._soon(work.caller.loop)

    def _soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Work waits: once this turn of its loop has brought all that it will, see who evaluates it."""
        if not self._forecaster.engine.bounded:
            self._changed.notify()
        elif self._turn_of is not loop:  # another one may have been closed before its turn came
            self._turn_of = loop
            loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Calls that came together are evaluated here while they are quick: the thread would have to fight
        for the GIL with the loop that it takes them from."""
        with self._lock:
            try:
                batch = self._gathered(time.monotonic())
            except Exception:
                self._defect()
                return
        if batch is None:
            return
        self._evaluate(batch, more_here=True)
        with self._lock:
            if self._scheduler.rows and self._scheduler.running is None:
                self._soon(asyncio.get_running_loop())  # its connections have their turn first

    def _gathered(self, now: float) -> Batch | None:
        """What is to be evaluated here and now; else it has a further turn, or the thread knows of it."""
        self._turn_of = None
        scheduler = self._scheduler
        enough = scheduler.load >= scheduler.cost.paying
        if self._inline.gathers(scheduler.calls, now, enough=enough):
            self._soon(asyncio.get_running_loop())
            return None
        batch = self._next_here(now)
        if batch is None:
            self._changed.notify()
        return batch

    def _next_here(self, now: float) -> Batch | None:
        scheduler, cost = self._scheduler, self._scheduler.cost
        if scheduler.running is not None or not scheduler.rows:
            return None
        most = self._inline.rows(scheduler.calls, scheduler.load, cost.paying)
        if most < scheduler.least:
            return None
        batch = scheduler.next(now, most)
        self._tell_refused()
        return batch if isinstance(batch, Batch) else None

    async def _outcome(self, work: Work, caller: Caller) -> Answer:
        if work.deadline < math.inf:
            self._watch(work, caller)
        try:
            return await caller.future
        except asyncio.CancelledError:
            with self._lock:
                self._scheduler.cancel(work)
            raise
        finally:
            if caller.timer:
                caller.timer.cancel()

    def _watch(self, work: Work, caller: Caller) -> None:
        """Expire at the deadline. A loop's timer may come a little early: then it is set once more."""
        left = work.deadline - time.monotonic()
        if left > 0:
            caller.timer = caller.loop.call_later(left, self._watch, work, caller)
            return
        with self._lock:
            self._scheduler.expire(time.monotonic())
            self._tell_refused()

    def _work(self) -> None:
        """The thread: batch after batch, until the model is closed."""
        while (batch := self._next_batch()) is not None:
            try:
                self._evaluate(batch)
            except Exception:  # a defect of ours; without this thread all that comes would wait for ever
                log.exception("%s: the answers of a batch could not be given", self._name)

    def _next_batch(self) -> Batch | None:
        with self._lock:
            while not self._closing:
                now = time.monotonic()
                try:
                    step = self._scheduler.next(now)
                except Exception:
                    self._defect()
                    step = None
                self._tell_refused()
                if isinstance(step, Batch):
                    return step
                self._changed.wait(step.until - now if step else None)
            return None

    def _defect(self) -> None:
        """Of ours, in a decision: who waits is told so, instead of waiting for ever."""
        log.exception("%s: no batch could be chosen; what waits is refused", self._name)
        self._scheduler.refuse_all(refusals.failed())
        self._tell_refused()

    def _evaluate(self, batch: Batch, *, more_here: bool = False) -> None:
        """Evaluate it and tell everybody whose answer is complete. `more_here`: what still waits is not the
        thread's."""
        start, used = time.monotonic(), time.thread_time()
        parts = self._parts(batch.pieces)
        end, used = time.monotonic(), time.thread_time() - used
        whole = self._judge(parts, end)
        with self._lock:
            for piece, part in zip(batch.pieces, parts, strict=True):
                if isinstance(part, Refusal):
                    self._scheduler.drop(piece.job, part)
                else:
                    piece.job.results.append(part)
            self._inline.saw(batch.load, used, failed=not whole)
            # Of a batch that was tried again piece by piece the time says nothing.
            complete = self._scheduler.finished(batch, end - start if whole else 0.0, end)
            self._tell_refused()
            if self._closing or (self._scheduler.rows and not more_here):
                self._changed.notify_all()
        answered: list[tuple[Caller, Outcome]] = []
        waited: list[tuple[Priority, float]] = []
        for job in complete:
            for work, outcome in self._answers(job, batch, end - start):
                answered.append((work.caller, outcome))
                waited.append((work.priority, _queued(work, batch)))
        tell(answered)
        self._figures.batch(self._name, batch.rows, end - start, waited)

    def _parts(self, pieces: Sequence[Piece], level: int = logging.ERROR) -> Sequence[Part | Refusal]:
        """A batch that fails is tried again piece by piece, so that what is wrong with one fails alone."""
        try:
            return evaluate(self._forecaster, pieces)
        except InputError as error:
            failure = Refusal("invalid", error.message, cure=error.cure or "see the model's metadata")
        except Exception:
            log.log(level, "%s failed on a batch", self._name, exc_info=True)
            failure = refusals.failed()
        if len(pieces) == 1:
            return [failure]
        return [self._parts([piece], logging.DEBUG)[0] for piece in pieces]

    def _judge(self, parts: Sequence[Part | Refusal], now: float) -> bool:
        """Whether all of a batch succeeded. Where all of it failed: is it the engine, or what was asked?"""
        failed = [part for part in parts if isinstance(part, Refusal)]
        if len(failed) < len(parts):
            self._failures.succeeded()
        elif all(refusal.reason == "engine" for refusal in failed):
            if isinstance(self._parts([self._sample(1)], logging.DEBUG)[0], Refusal):
                self._failures.failed(now)
            else:
                self._failures.succeeded()
        return not failed

    def _sample(self, rows: int) -> Piece:
        """Windows that any network takes: all zeros."""
        windows = np.zeros((rows, self.manifest.lookback, len(self.manifest.inputs)))
        return Piece(Job.of(Work(rows, 0.0, payload=Question(windows))), 0, rows)

    def _answers(self, job: Job, batch: Batch, seconds: float) -> list[tuple[Work, Outcome]]:
        """Whatever goes wrong, each of its callers is told something."""
        try:
            part = joined(job.results)
            return [(work, self._answer(work, part, batch, seconds)) for work in job.works]
        except Exception:
            log.exception("%s: an answer could not be given", self._name)
            return [(work, refusals.failed()) for work in job.works]

    def _answer(self, work: Work, part: Part, batch: Batch, seconds: float) -> Answer:
        call: Call = work.caller.call
        outputs, steps = part.outputs, part.steps
        if steps is not None and call.horizon is not None:
            outputs = {**outputs, FORECAST: outputs[FORECAST][:, : call.horizon]}
            steps = np.minimum(steps, call.horizon)
        if call.outputs is not None:
            outputs = {name: outputs[name] for name in call.outputs}
        times = _queued(work, batch), seconds, batch.rows
        answer = Answer(self._name, self.manifest.version, outputs, part.refused, steps, *times)
        answer.whole = part.whole
        return answer

    def _tell_refused(self) -> None:
        refused = self._scheduler.refused()
        if refused:
            tell([(work.caller, refusal) for work, refusal in refused])


def _queued(work: Work, batch: Batch) -> float:
    """Seconds; a call may have joined when its answer was under way already."""
    return max(0.0, batch.started - work.arrived)
