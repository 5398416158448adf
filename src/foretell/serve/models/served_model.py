"""A model that answers calls: a forecaster, a scheduler, and the thread that evaluates."""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from threading import Condition, Thread

import numpy as np

from foretell.config import BatchSettings
from foretell.errors import InputError
from foretell.forecasting.forecaster import Forecaster
from foretell.serve.backend import Answer, Call, Priority, Refusal
from foretell.serve.models.evaluation import Part, evaluate, joined
from foretell.serve.models.figures import Figures
from foretell.serve.models.question import FORECAST, Question, Questions
from foretell.serve.scheduler.cost import CostModel
from foretell.serve.scheduler.scheduler import Scheduler
from foretell.serve.scheduler.work import Batch, Job, Piece, Work

log = logging.getLogger(__name__)
_INLINE_S = 0.0003  # a loop may stand still for so long
_CLOSING_S = 5.0
_TRIES = 3

Outcome = Answer | Refusal


@dataclass(slots=True, eq=False)
class _Caller:
    """Whose call a work is, and where the answer goes."""

    call: Call
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Answer]"
    timer: asyncio.TimerHandle | None = None

    def tell(self, outcome: Outcome) -> None:
        """On its own loop. The future is done where the caller has gone meanwhile."""
        if self.future.done():
            return
        if isinstance(outcome, Refusal):
            self.future.set_exception(copy(outcome))  # each has a traceback of its own
        else:
            self.future.set_result(outcome)


class ServedModel:
    """Calls may come from any loop of any thread; one batch is evaluated at a time.

    Mostly that is done by a thread of the model's own, as the engine lets go of the GIL meanwhile. A call
    that comes alone and is quick is evaluated right where it came in: handing it to another thread and back
    would take as long as the evaluation itself.

    Attributes:
        manifest: of the model. device: `cpu` or `cuda:0`.
    """

    def __init__(
        self, forecaster: Forecaster, settings: BatchSettings, figures: Figures | None = None
    ) -> None:
        """`figures`: of the replica, told of every batch and of every call without an answer."""
        self.manifest, self.device = forecaster.manifest, forecaster.engine.device
        self._forecaster, self._figures = forecaster, figures or Figures()
        self._name = self.manifest.name
        self._questions = Questions(self.manifest, settings)
        self._scheduler = Scheduler(settings, CostModel(settings.max_batch_size))
        self._changed = Condition()  # guards the scheduler, and tells the thread that there is work
        self._closing = False
        self._thread = Thread(target=self._work, name=f"engine {self._name}", daemon=True)
        self._thread.start()

    async def infer(self, call: Call) -> Answer:
        """See `Backend.infer`; which model and version it names is looked at by `Registry`."""
        try:
            return await self._infer(call)
        except Refusal as refusal:
            self._figures.refused(self._name, call.priority, refusal.reason)
            raise
        except asyncio.CancelledError:
            self._figures.refused(self._name, call.priority, "cancelled")
            raise

    async def _infer(self, call: Call) -> Answer:
        question = self._questions.of(call)
        loop = asyncio.get_running_loop()
        caller = _Caller(call, loop, loop.create_future())
        work = Work(
            rows=len(question.windows),
            arrived=time.monotonic(),
            priority=call.priority,
            deadline=math.inf if call.deadline is None else call.deadline,
            passes=question.passes,
            content=question.content,
            payload=question,
            caller=caller,
        )
        batch = self._offer(work)
        if batch:
            self._evaluate(batch)
        if caller.future.done():
            return caller.future.result()
        return await self._outcome(work, caller)

    def warm_up(self) -> None:
        """Evaluate each shape of batch: prepares what a first call prepares, and measures what it costs."""
        measured = {}
        for rows in self._scheduler.cost.shapes:
            windows = np.zeros((rows, self.manifest.lookback, len(self.manifest.inputs)))
            piece = Piece(Job.of(Work(rows, 0.0, payload=Question(windows))), 0, rows)
            evaluate(self._forecaster, [piece])
            measured[rows] = min(self._timed(piece) for _ in range(_TRIES))
        with self._changed:
            self._scheduler.cost.seed(measured)

    def _timed(self, piece: Piece) -> float:
        start = time.monotonic()
        evaluate(self._forecaster, [piece])
        return time.monotonic() - start

    def waiting(self) -> dict[Priority, int]:
        """Calls in flight, by class."""
        with self._changed:
            return dict(self._scheduler.waiting)

    def rows(self) -> int:
        """That wait for a batch."""
        return self._scheduler.rows

    def stuck_for(self) -> float:
        """Seconds since the batch under way was begun; 0 when there is none."""
        batch = self._scheduler.running
        return time.monotonic() - batch.started if batch else 0.0

    def close(self) -> None:
        """Refuse what still waits and give back the engine's memory, unless it is stuck in a batch."""
        with self._changed:
            self._closing = True
            self._scheduler.refuse_all(_closed())
            self._tell_refused()
            self._changed.notify_all()
        self._thread.join(_CLOSING_S)
        if not self._thread.is_alive():
            self._forecaster.close()

    def _offer(self, work: Work) -> Batch | None:
        """Hand it to the scheduler; a batch is given where it is to be evaluated right here."""
        with self._changed:
            if self._closing:
                raise _closed()
            refusal = self._scheduler.offer(work, work.arrived)
            self._tell_refused()
            if refusal:
                raise refusal
            if work.job and len(work.job.works) > 1:
                self._figures.coalesced(self._name)
            batch = self._alone(work)
            if batch is None and self._scheduler.running is None:
                self._changed.notify()
            return batch

    def _alone(self, work: Work) -> Batch | None:
        """The batch of this work, if nothing else is in flight, nor likely to come while it is evaluated."""
        scheduler = self._scheduler
        if self.device != "cpu" or not scheduler.cost.known:
            return None  # a GPU may hang, and a loop must not hang with it
        if scheduler.running is not None or scheduler.rows != work.rows:
            return None
        seconds = scheduler.cost.at_most(work.load)
        if seconds > _INLINE_S or scheduler.usual_gap() < 2 * seconds:
            return None
        batch = scheduler.next(work.arrived)
        return batch if isinstance(batch, Batch) else None

    async def _outcome(self, work: Work, caller: _Caller) -> Answer:
        if work.deadline < math.inf:
            self._watch(work, caller)
        try:
            return await caller.future
        except asyncio.CancelledError:
            with self._changed:
                self._scheduler.cancel(work)
            raise
        finally:
            if caller.timer:
                caller.timer.cancel()

    def _watch(self, work: Work, caller: _Caller) -> None:
        """Expire at the deadline. A loop's timer may come a little early: then it is set once more."""
        left = work.deadline - time.monotonic()
        if left > 0:
            caller.timer = caller.loop.call_later(left, self._watch, work, caller)
            return
        with self._changed:
            self._scheduler.expire(time.monotonic())
            self._tell_refused()

    def _work(self) -> None:
        """The thread: batch after batch, until the model is closed."""
        while (batch := self._next_batch()) is not None:
            self._evaluate(batch)

    def _next_batch(self) -> Batch | None:
        with self._changed:
            while not self._closing:
                now = time.monotonic()
                step = self._scheduler.next(now)
                self._tell_refused()
                if isinstance(step, Batch):
                    return step
                self._changed.wait(step.until - now if step else None)
            return None

    def _evaluate(self, batch: Batch) -> None:
        """Evaluate it and tell everybody whose answer is complete."""
        start = time.monotonic()
        parts = self._parts(batch.pieces)
        end = time.monotonic()
        with self._changed:
            for piece, part in zip(batch.pieces, parts, strict=True):
                if isinstance(part, Refusal):
                    self._scheduler.drop(piece.job, part)
                else:
                    piece.job.results.append(part)
            complete = self._scheduler.finished(batch, end - start, end)
            self._tell_refused()
            if self._scheduler.rows:
                self._changed.notify()
        answered: list[tuple[_Caller, Outcome]] = []
        waited: list[tuple[Priority, float]] = []
        for job in complete:
            part = joined(job.results)
            for work in job.works:
                # A call may have joined when its answer was under way already.
                queued = max(0.0, batch.started - work.arrived)
                answer = self._answer(work.caller.call, part)
                answer.queue_s, answer.inference_s, answer.batch_rows = queued, end - start, batch.rows
                answered.append((work.caller, answer))
                waited.append((work.priority, queued))
        _tell(answered)
        self._figures.batch(self._name, batch.rows, end - start, waited)

    def _parts(self, pieces: Sequence[Piece]) -> Sequence[Part | Refusal]:
        """A batch that fails is tried again piece by piece, so that what is wrong with one fails alone."""
        try:
            return evaluate(self._forecaster, pieces)
        except InputError as error:
            failure = Refusal("invalid", error.message, cure=error.cure or "see the model's metadata")
        except Exception:
            log.exception("%s failed on a batch", self._name)
            failure = Refusal(
                "engine", "the model's runtime failed on this call", cure="try again; the log says more"
            )
        return [failure] if len(pieces) == 1 else [self._parts([piece])[0] for piece in pieces]

    def _answer(self, call: Call, part: Part) -> Answer:
        outputs, steps = part.outputs, part.steps
        if steps is not None:
            horizon = call.horizon or self.manifest.horizon
            outputs = {**outputs, FORECAST: outputs[FORECAST][:, :horizon]}
            steps = np.minimum(steps, horizon)
        if call.outputs is not None:
            outputs = {name: outputs[name] for name in call.outputs}
        return Answer(self._name, self.manifest.version, outputs, part.refused, steps)

    def _tell_refused(self) -> None:
        refused = self._scheduler.refused()
        if refused:
            _tell([(work.caller, refusal) for work, refusal in refused])


def _tell(outcomes: Sequence[tuple[_Caller, Outcome]]) -> None:
    """Each caller on its own loop; those of one loop at once, as waking it costs most."""
    try:
        here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    elsewhere: dict[asyncio.AbstractEventLoop, list[tuple[_Caller, Outcome]]] = {}
    for caller, outcome in outcomes:
        if caller.loop is here:
            caller.tell(outcome)
        else:
            elsewhere.setdefault(caller.loop, []).append((caller, outcome))
    for loop, told in elsewhere.items():
        try:
            loop.call_soon_threadsafe(_tell_here, told)
        except RuntimeError:
            log.debug("a loop was closed before its calls were answered")


def _tell_here(outcomes: Sequence[tuple[_Caller, Outcome]]) -> None:
    for caller, outcome in outcomes:
        caller.tell(outcome)


def _closed() -> Refusal:
    return Refusal(
        "not_ready", "the model is being taken down", cure="try again: another replica will answer"
    )
