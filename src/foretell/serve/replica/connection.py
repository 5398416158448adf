"""A client's connection over HTTP: requests are read within bounds, and answered in their order."""

import asyncio
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from foretell.config import LimitSettings
from foretell.serve.protocols.http import Head
from foretell.serve.replica.direct import Direct, is_direct
from foretell.serve.replica.heads import Heads
from foretell.serve.replica.intake import Intake

_PIPELINED = 64  # requests that a client may send before it was answered


class Connection(HttpToolsProtocol):
    """uvicorn's own, with bounds on how long and how large a request may grow before it is there."""

    def __init__(
        self,
        config: uvicorn.Config,
        state: ServerState,
        limits: LimitSettings,
        intake: Intake | None,
        heads: Heads,
    ) -> None:
        super().__init__(config, state, {})
        self._limits = limits
        self._coming_since: float | None = None  # a request has begun and is not complete
        self._stuck_since: float | None = None  # the client takes nothing of its answer
        self._head = 0  # bytes of a request whose headers are not complete
        self._in_head = True
        self._part_ended = False  # a head or a body, in what was received last
        self._cycles: list[RequestResponseCycle] = []  # that are not answered yet
        self._intake = intake
        self._direct: Direct | None = None  # its body is coming in, or it waits for its answer
        self._body: list[bytes] | None = None
        self._idle_since: float | None = None
        self._heads, self._whole = heads, b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # uvicorn arms it after an answer only: a client that never says a word would stay for ever.
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        self._part_ended = False
        idle_since, self._idle_since = self._idle_since, None
        # Only bytes that begin where a request begins: the rest of a head is no head of its own.
        begins = self._is_between()
        known = self._heads.find(data) if begins else None
        if known is not None:
            self._unset_keepalive_if_required()
            self._run_direct(*known)
            return
        self._read(data, data if begins else b"")
        if self._is_free() and not self._part_ended:
            self._idle_since = idle_since or self.loop.time()  # line ends between requests are no request

    def _is_between(self) -> bool:
        """Whether nothing has come of a further request, and nothing is to be answered before it."""
        if self._intake is None or self._head or not self._is_free():
            return False
        return not (self.flow.write_paused or self.transport.is_closing())

    def _is_free(self) -> bool:
        """Whether no request has begun to come in, and none is under way."""
        answered = self.cycle is None or self.cycle.response_complete
        return answered and self._in_head and self._coming_since is None

    def _read(self, data: bytes, whole: bytes) -> None:
        """`whole`: the same, where it may be a whole request."""
        self._whole = whole
        super().data_received(data)
        self._whole = b""
        if self._body is not None:
            self._through_asgi()  # the rest of the body may be long in coming
        if self._in_head and not self._part_ended:  # else most of it may have been a body
            self._head += len(data)
            if self._head > self._limits.header_bytes and not self.transport.is_closing():
                self.send_400_response("The headers are larger than the limit.")

    def on_message_begin(self) -> None:
        self._coming_since = self.loop.time()
        # The scope of ASGI is made when it is known to be wanted: see `_begin_cycle`.
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def connection_lost(self, exc: Exception | None) -> None:
        direct, self._direct, self._body = self._direct, None, None
        if direct is not None:
            self._forget(direct)
        super().connection_lost(exc)
        if direct is not None:
            direct.abandon()
        # uvicorn tells the request that came last only, which need not be the one that is under way.
        for cycle in self._cycles:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()

    def on_headers_complete(self) -> None:
        self._in_head, self._part_ended = False, True
        if self._is_direct():
            self._body = []
            return
        self._begin_cycle()

    def on_body(self, body: bytes) -> None:
        if self._body is None:
            super().on_body(body)
        else:
            self._body.append(body)

    def _is_direct(self) -> bool:
        if self._intake is None or self.flow.write_paused or not self.parser.should_keep_alive():
            return False
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        return self.parser.get_http_version() == "1.1" and is_direct(
            self.parser.get_method(), self.url, self.headers
        )

    def _through_asgi(self) -> None:
        parts, self._body = self._body, None
        if self.transport.is_closing():
            return
        self._begin_cycle()
        for part in parts or ():
            super().on_body(part)

    def _run_direct(self, head: Head, body: bytes) -> None:
        assert self._intake is not None
        self._direct = direct = Direct(self, self.server_state.default_headers)
        stands_for: Any = direct  # uvicorn has cycles and tasks there
        self.cycle = stands_for
        self.tasks.add(stands_for)
        self._intake.put(direct, head, body)

    def direct_done(self, sent: bytes, close: bool) -> None:
        """See `Connected`."""
        assert self._direct is not None
        self._forget(self._direct)
        if self.transport.is_closing():
            return
        self.transport.write(sent)
        if close or not sent:
            self.transport.close()
        elif self.pipeline:
            self.on_response_complete()
        else:
            self._idle_since = self.loop.time()

    def _forget(self, direct: Direct) -> None:
        stands_for: Any = direct
        self.tasks.discard(stands_for)
        self._direct = None
        if self.cycle is stands_for:  # else others wait behind it
            self.cycle = cast(Any, None)

    def _begin_cycle(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()  # makes a scope, with headers of its own
        self.headers += headers
        self.url, self.expect_100_continue = url, expects
        super().on_headers_complete()
        self._cycles = [cycle for cycle in (*self._cycles, self.cycle) if not cycle.response_complete]
        if len(self.pipeline) > _PIPELINED:
            # Each answer makes room for a further piece of what was sent, with thousands of requests in it.
            self.transport.abort()
            raise ConnectionAbortedError  # ends the parser's way through the piece

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def on_message_complete(self) -> None:
        self._coming_since, self._in_head, self._head, self._part_ended = None, True, 0, True
        if self._body is None:
            super().on_message_complete()
            return
        body, self._body = b"".join(self._body), None
        head = Head.of("POST", self.url.decode("ascii"), b"", self.headers)
        self._heads.keep(self._whole, head, len(body))
        self._run_direct(head, body)

    def look(self, now: float) -> None:
        """End it where the client is too slow to send, or to take."""
        slow = self._limits.slow
        if self._idle_since is not None and now - self._idle_since > self._limits.idle:
            self.transport.close()
        if self._coming_since is not None and now - self._coming_since > slow:
            self.transport.close()
        if not (self.transport.is_closing() or self.flow.write_paused):
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since > slow:
            self.transport.abort()

    def leave(self, *, fresh: bool) -> None:
        """Close it if nothing is under way; `fresh`: one that has asked nothing yet may still do so."""
        if self._coming_since is not None:
            return
        if self.cycle is None:
            if not fresh or self._idle_since is not None:
                self.transport.close()
        elif self.cycle.response_complete:
            self.transport.close()
