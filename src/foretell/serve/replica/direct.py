"""A request that came in whole: answered without a task, and without the messages of ASGI.

They cost more than parsing the request, checking and batching it together.
"""

import asyncio
import logging
import re
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any, Protocol

from foretell.serve.models.callers import Reply
from foretell.serve.protocols.asgi import CallerGone
from foretell.serve.protocols.http import Answered, Header, Response

log = logging.getLogger(__name__)
_STATUS = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_CALL = re.compile(rb"/v2/models/[!-$&->@-~]+/infer")  # no escapes, no query
_MOST = 65_536  # bytes of a body


class Connected(Protocol):
    """What a connection is told of its direct request."""

    def direct_done(self, sent: bytes, close: bool) -> None:
        """The answer."""
        ...


def is_direct(method: bytes, url: bytes, headers: list[Header]) -> bool:
    """Whether it is a call that needs nothing but an answer; all others go through ASGI."""
    if method != b"POST" or not _CALL.fullmatch(url):
        return False
    length = b""
    for name, value in headers:
        if name == b"content-length":
            length = value
        elif name in {b"expect", b"transfer-encoding", b"upgrade", b"content-encoding"}:
            return False
    return length.isdigit() and len(length) < 6 and int(length) <= _MOST


class Direct:
    """Stands where uvicorn has a cycle. It runs in steps: at once, then whenever what it waits for is there.
    A coroutine that awaits nothing but futures needs no task for that.

    Attributes:
        response_complete: as a cycle has it.
    """

    __slots__ = ("_coroutine", "_waits", "connection", "headers", "response_complete")

    def __init__(self, connection: Connected, headers: list[Header]) -> None:
        self.connection = connection
        self.headers = headers  # of every answer
        self.response_complete = False
        self._waits: asyncio.Future[Any] | None = None
        self._coroutine: Coroutine[Any, Any, Answered] | None = None

    def start(self, coroutine: Coroutine[Any, Any, Answered]) -> None:
        self._coroutine = coroutine
        self._step(None)

    def answer(self, response: Response, told: list[Header]) -> None:
        """Without having begun, or when it is done."""
        parts = [_STATUS[response.status]]
        close = False
        for name, value in (*self.headers, *told):
            parts += (name, b": ", value, b"\r\n")
            close = close or name == b"connection"
        parts += (b"\r\n", response.body)
        self.response_complete = True
        self.connection.direct_done(b"".join(parts), close)

    def abandon(self) -> None:
        """The caller has gone: what it waits for is taken back."""
        if self.response_complete:
            return
        self.response_complete = True
        if self._coroutine is None:
            return  # it has not begun
        if isinstance(self._waits, Reply):
            self._waits.step = None
        elif self._waits is not None:
            self._waits.remove_done_callback(self._step)
        try:
            self._coroutine.throw(asyncio.CancelledError())
        except (asyncio.CancelledError, CallerGone):
            return
        except BaseException:
            log.exception("a request that was given up failed")

    def _step(self, waited: "asyncio.Future[Any] | None") -> None:
        assert self._coroutine is not None
        if self.response_complete:
            return  # given up in the same turn of the loop that brought what it waited for
        try:
            future = self._coroutine.send(None)
        except StopIteration as done:
            self.answer(*done.value)
        except BaseException:
            log.exception("a request could not be answered")
            self.response_complete = True
            self.connection.direct_done(b"", True)
        else:
            self._wait(future)

    def _wait(self, future: "asyncio.Future[Any] | None") -> None:
        if future is None:  # `sleep(0)`: others first
            future = asyncio.get_running_loop().create_future()
            future.set_result(None)
        future._asyncio_future_blocking = False  # as a task says that it has seen it
        self._waits = future
        if isinstance(future, Reply):
            future.step = self._step
        else:
            future.add_done_callback(self._step)
