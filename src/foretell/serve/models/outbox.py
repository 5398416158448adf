"""The way of what came of calls to their callers' loops, the urgent first."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from threading import Lock
from time import monotonic
from typing import ClassVar
from weakref import WeakKeyDictionary, ref

from foretell.serve.backend import Priority
from foretell.serve.models.callers import Caller, Outcome

log = logging.getLogger(__name__)
_TURN_S = 0.004  # of a loop, for what is not urgent; half of it in a hurry


def tell(outcomes: Sequence[tuple[Caller, Outcome]]) -> None:
    """From any thread; callers of one loop are told at once, as waking it costs most."""
    try:
        here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    elsewhere: dict[asyncio.AbstractEventLoop, list[tuple[Caller, Outcome]]] = {}
    for caller, outcome in outcomes:
        if caller.loop is here:
            caller.tell(outcome)
        else:
            elsewhere.setdefault(caller.loop, []).append((caller, outcome))
    for loop, told in elsewhere.items():
        try:
            Outbox.of(loop).put(told)
        except RuntimeError:
            log.debug("a loop was closed before its calls were answered")


class Outbox:
    """Of a loop: what other threads have for its callers.

    It is emptied in the loop's next turns, and before that by whoever has the loop for long: where more comes
    in than can be answered, a turn takes longer than an evaluation, and answers would wait for its end. In a
    hurry only urgent answers go out between: all others share the turns with what comes in, so that urgent
    calls are not left unread.

    Attributes:
        hurry: until then, as `time.monotonic` has it, urgent calls have the loop first; whoever reads them
            says so.
    """

    _all: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, "Outbox"]] = WeakKeyDictionary()
    _made: ClassVar[Lock] = Lock()

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> "Outbox":
        with cls._made:
            made = cls._all.get(loop)
            if made is None:
                made = cls._all[loop] = Outbox(loop)
            return made

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)
        self._high: deque[tuple[Caller, Outcome]] = deque()
        self._others: deque[tuple[Caller, Outcome]] = deque()
        self._has_turn, self._lock = False, Lock()
        self.hurry = 0.0

    def put(self, told: Sequence[tuple[Caller, Outcome]]) -> None:
        """From any thread. Raises RuntimeError where the loop is closed."""
        for caller, outcome in told:
            of_class = self._high if caller.call.priority is Priority.HIGH else self._others
            of_class.append((caller, outcome))
        self._ask_for_turn()

    def turn(self, now: float) -> float:
        """When a turn that begins now is over, for what is not urgent."""
        return now + (_TURN_S / 2 if now < self.hurry else _TURN_S)

    def tell(self, now: float) -> None:
        """On its loop: all answers that are there, or in a hurry the urgent ones."""
        while self._high or (self._others and now >= self.hurry):
            self._tell_one()

    def _tell_one(self) -> None:
        caller, outcome = (self._high or self._others).popleft()
        caller.tell(outcome)

    def _empty(self) -> None:
        """A turn of it."""
        with self._lock:
            self._has_turn = False
        end = self.turn(monotonic())
        while self._high or self._others:
            self._tell_one()
            if monotonic() > end and not self._high:
                self._ask_for_turn()
                return

    def _ask_for_turn(self) -> None:
        """One, however often: each takes its time of the loop."""
        with self._lock:
            if self._has_turn:
                return
            self._has_turn = True
        loop = self._loop()
        assert loop is not None  # its callers hold it
        loop.call_soon_threadsafe(self._empty)
