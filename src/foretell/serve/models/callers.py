"""Whose call a work is, and where what comes of it goes: each caller on its own loop."""

import asyncio
import logging
from collections.abc import Sequence
from copy import copy

import msgspec

from foretell.serve.backend import Answer, Call, Refusal

log = logging.getLogger(__name__)

Outcome = Answer | Refusal


class Caller(msgspec.Struct, eq=False):
    """`timer`: for its deadline."""

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
            loop.call_soon_threadsafe(_tell_here, told)
        except RuntimeError:
            log.debug("a loop was closed before its calls were answered")


def _tell_here(outcomes: Sequence[tuple[Caller, Outcome]]) -> None:
    for caller, outcome in outcomes:
        caller.tell(outcome)
