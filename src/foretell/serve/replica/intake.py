"""Requests that came in whole and have not begun: the urgent first, and an end to it when there are too many.

A loop that gets more than it can do would begin what it reads in the order of its sockets, and urgent calls
would wait in them unseen. To read a request costs a small part of what it costs to answer it. So all that
came is read, and what is urgent begins at once; the others begin by class after it, for a few milliseconds,
then the sockets have their turn again. Refusing takes its time, too: it is done in these milliseconds, not
while sockets are read.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from time import monotonic
from typing import Any, Protocol

import msgspec

from foretell.serve.backend import Priority, Refusal
from foretell.serve.models.outbox import Outbox
from foretell.serve.protocols.http import Answered, Head
from foretell.serve.protocols.peek import urgency
from foretell.serve.replica.direct import Direct

_AGAIN = 8  # turns in a row that left some: a pause of the whole process is no reason to refuse
_ENOUGH_S = 0.5  # longer nobody waits
_HURRY_S = 1.0  # after an urgent call more of them are expected


class Answering(Protocol):
    """What answers them; see `App`."""

    def whole(self, head: Head, body: bytes, arrived: float) -> Coroutine[Any, Any, Answered]: ...

    def turn_away(
        self, head: Head, body: bytes, arrived: float, refusal: Refusal | None = None
    ) -> Answered | None: ...


class _Waiting(msgspec.Struct):
    direct: Direct
    head: Head
    body: bytes
    arrived: float


class Intake:
    """Of one listener, on its loop."""

    def __init__(self, app: Answering, loop: asyncio.AbstractEventLoop) -> None:
        self._app, self._loop = app, loop
        self._outbox = Outbox.of(loop)
        self._classes: tuple[deque[_Waiting], ...] = (deque(), deque())  # low, medium
        self._turn = False
        self._left = 0  # turns in a row that left some

    def put(self, direct: Direct, head: Head, body: bytes) -> None:
        """What is high begins at once, all others in the next turn of the loop."""
        now, priority = monotonic(), urgency(body)
        item, high = _Waiting(direct, head, body, now), priority is Priority.HIGH
        if high:
            self._outbox.hurry = now + _HURRY_S
        self._outbox.tell(now)
        if high:
            self._read(item)
            return
        self._classes[priority].append(item)
        if not self._turn:
            self._turn = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        now = monotonic()
        end = self._outbox.turn(now)
        while (item := self._next()) is not None:
            self._start(item)
            self._outbox.tell(now)
            now = monotonic()
            if now > end:
                self._left += 1
                if self._left > _AGAIN:
                    self._give_up(now)
                self._loop.call_soon(self._begin)
                return
        self._turn, self._left = False, 0

    def _start(self, item: _Waiting, refusal: Refusal | None = None) -> None:
        if item.direct.response_complete:
            return  # its caller has gone
        away = self._app.turn_away(item.head, item.body, item.arrived, refusal)
        if away is None:
            self._read(item)
        else:
            item.direct.answer(*away)

    def _read(self, item: _Waiting) -> None:
        item.direct.start(self._app.whole(item.head, item.body, item.arrived))

    def _next(self) -> _Waiting | None:
        for waiting in reversed(self._classes):
            if waiting:
                return waiting.popleft()
        return None

    def _give_up(self, now: float) -> None:
        """Those who waited long are refused: those that come after them would wait as long."""
        for waiting in self._classes:
            while waiting and now - waiting[0].arrived > _ENOUGH_S:
                self._start(waiting.popleft(), _behind())
                if monotonic() > self._outbox.turn(now):
                    return


def _behind() -> Refusal:
    return Refusal(
        "shed",
        "more requests come in than this replica can read",
        cure="come back after Retry-After, put more windows in a request, or add replicas",
        retry_after=_ENOUGH_S,
    )
