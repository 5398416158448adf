"""Whose call a work is, and where what comes of it goes: each caller on its own loop."""

import asyncio
import logging
from collections.abc import Callable
from copy import copy

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
