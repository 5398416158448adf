"""Whose call a work is, and where what comes of it goes: each caller on its own loop."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from threading import Lock
from typing import ClassVar
from weakref import WeakKeyDictionary, ref

import msgspec

from foretell.serve.backend import Answer, Call, Refusal

log = logging.getLogger(__name__)

Outcome = Answer | Refusal


class Reply(asyncio.Future[Answer]):
    """What a caller waits for. `step`: called at once when it is there, and not in the loop's next turn.

    That turn first reads all that has come in meanwhile: under load an answer would wait behind it.
    """

    step: "Callable[[Reply], None] | None" = None


class Caller(msgspec.Struct, eq=False):
    """`timer`: for its deadline."""

    call: Call
    loop: asyncio.AbstractEventLoop
    future: Reply
    timer: asyncio.TimerHandle | None = None

    def tell(self, outcome: Outcome) -> None:
        """On its own loop. The future is done where the caller has gone meanwhile."""
        future = self.future
        if future.done():
            return
        if isinstance(outcome, Refusal):
            future.set_exception(copy(outcome))  # each has a traceback of its own
        else:
            future.set_result(outcome)
        if (step := future.step) is not None:
            future.step = None
            try:
                step(future)
            except Exception:  # a defect of ours: the others of its batch are told all the same
                log.exception("an answer could not be handed on")


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

    It is emptied in the loop's next turn, and before that by whoever has the loop for long: where more comes
    in than can be answered, a turn takes longer than an evaluation, and answers would wait for its end.
    """

    _all: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, "Outbox"]] = WeakKeyDictionary()
    _lock: ClassVar[Lock] = Lock()

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> "Outbox":
        with cls._lock:
            made = cls._all.get(loop)
            if made is None:
                made = cls._all[loop] = Outbox(loop)
            return made

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)
        self._told: deque[Sequence[tuple[Caller, Outcome]]] = deque()

    def put(self, told: Sequence[tuple[Caller, Outcome]]) -> None:
        """From any thread. Raises RuntimeError where the loop is closed."""
        loop = self._loop()
        assert loop is not None  # its callers hold it
        self._told.append(told)
        loop.call_soon_threadsafe(self.empty)

    def empty(self) -> None:
        """On its loop: tell them."""
        while self._told:
            for caller, outcome in self._told.popleft():
                caller.tell(outcome)
