"""HTTP on a socket that the replicas of a node share: accept, watch the connections, leave without a loss."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from foretell.config import LimitSettings
from foretell.serve.protocols.asgi import Receive, Scope, Send
from foretell.serve.replica.connection import Connection
from foretell.serve.replica.heads import Heads
from foretell.serve.replica.intake import Intake
from foretell.serve.replica.syn_filter import drop_new_connections

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)
_BACKLOG = 2048
_AT_ONCE = 64  # connections accepted before others get their turn
_SWEEP_S = 0.5
_NO_FILES_S = 0.5  # pause after the process ran out of file descriptors
_FRESH_S = 1.0  # while leaving: for the first request of a connection that has just come
_HANDSHAKE_S = 0.03  # for those that are under way when the door closes
_CLOSE = (b"connection", b"close")


def shared_socket(host: str, port: int) -> socket.socket:
    """A listening socket whose port other processes of this user may share. Raises `OSError`."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    shared = socket.socket(family, kind, protocol)
    try:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
        shared.setblocking(False)
        shared.bind(address)
        shared.listen(_BACKLOG)
    except BaseException:
        shared.close()
        raise
    return shared


class Listener:
    """Used on its loop only. Its requests run as tasks of that loop.

    Attributes:
        port: the one that it listens on, also when a free one was asked for.
    """

    def __init__(
        self,
        app: ASGIApp,
        shared: socket.socket,
        limits: LimitSettings,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port: int = shared.getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self._socket = shared
        self._limits = limits
        self._tls = tls
        self._state = ServerState()
        self._adopting: set[asyncio.Task[None]] = set()
        self._leaving = False
        self._config = uvicorn.Config(
            app,
            interface="asgi3",  # a bound method would be taken for ASGI 2
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=limits.idle,  # type: ignore[arg-type]  # seconds; a float does as well
        )
        self._config.load()
        answering: Any = app if hasattr(app, "whole") else None
        self._intake = None if answering is None else Intake(answering, self._loop)
        self._heads = Heads()
        self._set_headers()
        self._sweeper = self._loop.create_task(self._sweep())
        self._loop.add_reader(shared.fileno(), self._accept)

    @property
    def ongoing(self) -> int:
        """Requests under way."""
        return len(self._state.tasks)

    async def leave(self, linger_s: float, limit_s: float, *, at_once: bool = False) -> None:
        """Stop without a loss: ask clients to go, close the door, finish what is in flight.

        Args:
            linger_s: while it passes, answers carry `Connection: close`, and who is there may go on asking.
            limit_s: what has not ended by then is cut off.
            at_once: the door is closed before it lingers, not after.
        """
        deadline = self._loop.time() + limit_s
        self._leaving = True
        self._set_headers()
        if not at_once:
            await asyncio.sleep(linger_s)
        if drop_new_connections(self._socket):
            await asyncio.sleep(_HANDSHAKE_S)
        self._close()
        if at_once:
            await asyncio.sleep(linger_s)
        fresh_until = self._loop.time() + _FRESH_S
        # Those that were taken last are no connections yet.
        while (self._adopting or self._connections()) and self._loop.time() < deadline:
            for connection in self._connections():
                connection.leave(fresh=self._loop.time() < fresh_until)
            await asyncio.sleep(0.01)
        self._sweeper.cancel()
        for connection in self._connections():
            connection.transport.abort()

    def _connections(self) -> list[Connection]:
        return [c for c in self._state.connections if isinstance(c, Connection)]

    def _accept(self, most: int = _AT_ONCE) -> int:
        """Take what waits; how many."""
        for taken in range(most):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return taken
            except OSError as error:
                log.warning("no connection can be accepted: %s", error)
                self._loop.remove_reader(self._socket.fileno())
                self._loop.call_later(_NO_FILES_S, self._listen_again)
                return 0
            connection.setblocking(False)
            task = self._loop.create_task(self._adopt(connection))
            self._adopting.add(task)
            task.add_done_callback(self._adopting.discard)
        return most

    def _listen_again(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket.fileno(), self._accept)

    async def _adopt(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make_connection,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=self._limits.slow if self._tls else None,
            )
        except (OSError, TimeoutError):  # it went away, or is no TLS
            connection.close()

    def _make_connection(self) -> Connection:
        return Connection(self._config, self._state, self._limits, self._intake, self._heads)

    def _close(self) -> None:
        """Take all that waits, and close in the same breath: what comes in between would be reset."""
        self._loop.remove_reader(self._socket.fileno())
        while self._accept() == _AT_ONCE:
            pass
        self._socket.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._set_headers()
            now = self._loop.time()
            for connection in self._connections():
                connection.look(now)

    def _set_headers(self) -> None:
        # In place: requests that began before hold the same list.
        date = (b"date", formatdate(time.time(), usegmt=True).encode())
        self._state.default_headers[:] = [date, _CLOSE] if self._leaving else [date]
