"""The place of one worker: it is filled again when its worker dies, stalls or falls silent."""

import contextlib
import logging
import os
import signal
import time
from typing import Any

import ray
from ray.exceptions import RayError

from foretell.stream.supervision.actor import Outcome, WorkerActor
from foretell.stream.worker.worker import WorkerStatus

log = logging.getLogger(__name__)
_STEADY_S = 10.0  # a worker that ran this long starts a new count of failures
_AT_ONCE = 2  # replacements without a pause
_LONGEST_S = 30.0


class WorkerSlot:
    """Worker `index`. All methods are for one thread.

    Attributes:
        status: the last that it told, `None` before the first.
        heard: when it told it, or was started (`time.monotonic`).
        failures: one after another, without a steady run between them.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.status: WorkerStatus | None = None
        self.heard = 0.0
        self.failures = 0
        self._started = 0.0
        self._due = 0.0
        self._actor: Any = None
        self._running: Any = None
        self._asked: Any = None

    @property
    def filled(self) -> bool:
        return self._actor is not None

    def fill(self, plan: Any, gpu_share: float) -> bool:
        """Start a worker, unless one is there or the last failure is too fresh. `plan`: in Ray's store."""
        if self.filled or time.monotonic() < self._due:
            return False
        options = {
            "num_cpus": 1,
            "num_gpus": gpu_share,
            "max_restarts": 0,
            "concurrency_groups": {"control": 2},
        }
        self._actor = ray.remote(**options)(WorkerActor).remote(plan, self.index)
        self._running = self._actor.run.remote()
        self._asked, self.status = None, None
        self._started = self.heard = time.monotonic()
        return True

    def ended(self) -> Outcome | None:
        """How the worker ended, when it has; the slot is empty then."""
        if not self.filled or not ray.wait([self._running], timeout=0)[0]:
            return None
        try:
            outcome: Outcome = ray.get(self._running)
        except RayError as error:
            outcome = Outcome("died", _first_line(error))
        self._vacate(failed=bool(outcome.code))
        return outcome

    def listen(self) -> WorkerStatus | None:
        """A new status, when one has come; asks for the next."""
        if not self.filled:
            return None
        if self._asked is None:
            self._asked = self._actor.status.remote()
        if not ray.wait([self._asked], timeout=0)[0]:
            return None
        asked, self._asked = self._asked, None
        with contextlib.suppress(RayError):  # its end is told by `ended`
            self.status, self.heard = ray.get(asked), time.monotonic()
            return self.status
        return None

    def send(self, order: str, *arguments: object) -> None:
        """Call a control method, without waiting for it."""
        if self.filled:
            getattr(self._actor, order).remote(*arguments)

    def lose(self) -> None:
        """The cluster is gone, and the worker with it."""
        self._vacate(failed=False)

    def kill(self) -> None:
        """End the worker at once. Whatever it had under way is fenced by its replacement."""
        if not self.filled:
            return
        with contextlib.suppress(RayError):
            ray.kill(self._actor)
        if self.status is not None and self.status.node == os.uname().nodename:
            # A stopped process does not hear Ray.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.status.pid, signal.SIGKILL)
        self._vacate(failed=True)

    def _vacate(self, *, failed: bool) -> None:
        now = time.monotonic()
        self._actor = self._running = self._asked = None
        if failed:
            self.failures = self.failures + 1 if now - self._started < _STEADY_S else 1
            late = self.failures - _AT_ONCE
            self._due = now + (min(_LONGEST_S, 0.5 * 2.0**late) if late > 0 else 0.0)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
