"""A replica's own listener: HTTP and gRPC on the node's shared ports, on a loop in a thread of its own."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import uvloop

from foretell.config import LimitSettings
from foretell.errors import ConfigError
from foretell.serve.loop_thread import run_until_stopped
from foretell.serve.protocols.asgi import Message, Receive, Scope, Send
from foretell.serve.replica.grpc_leave import leave as leave_grpc
from foretell.serve.replica.listener import ASGIApp, Listener, shared_socket

T = TypeVar("T")
LINGER_S = 0.5  # while a lane asks its clients to go
_OPEN_S = 10.0
_STOP_S = 1.0
_HUNG_S = 3.0  # a loop that does nothing for so long will not end its connections either


@dataclass(frozen=True)
class GrpcDoor:
    """`make` gives a server with its services, that shares its port; it is called on the lane's loop."""

    port: int
    make: Callable[[], grpc.aio.Server]
    credentials: grpc.ServerCredentials | None = None


class Lane:
    """Made and closed from any thread; all requests run on its one loop, also those of another loop.

    Attributes:
        port, grpc_port: once it is open; also when free ones were asked for.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        limits: LimitSettings | None = None,
        tls: ssl.SSLContext | None = None,
        grpc: GrpcDoor | None = None,
    ) -> None:
        self._app = app
        self._host = host
        self._limits = limits or LimitSettings()
        self._tls = tls
        self._grpc = grpc
        self._listener: Listener | None = None
        self._grpc_server: Any = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._ended = False
        self.port = port
        self.grpc_port = grpc.port if grpc else 0
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=run_until_stopped, args=[self._loop], name="lane", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether it takes connections."""
        return self._listener is not None

    @property
    def ongoing(self) -> int:
        """HTTP requests under way."""
        return self._listener.ongoing if self._listener else 0

    def open(self) -> None:
        """Start to listen.

        Raises:
            ConfigError: a port cannot be had.
        """
        self.submit(self._open()).result(_OPEN_S)

    def drain(self, limit_s: float = 30.0, linger_s: float = LINGER_S) -> None:
        """Stop without a loss, and end the loop; returns when all is answered, or cut off after `limit_s`."""
        self._ended = True
        if not self._thread.is_alive():
            return
        try:
            if self._is_awake():
                self.submit(self._leave(linger_s, limit_s)).result(linger_s + limit_s + _STOP_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_S)  # an evaluation that never ends may have the loop

    def shut(self, limit_s: float = 30.0) -> "Future[None]":
        """As `drain`, but the loop goes on, and `open` opens the door again.

        New connections go to another replica at once, and it lingers only for those who are there.
        """
        return self.submit(self._leave(LINGER_S, limit_s, at_once=True))

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run something on the lane's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Another loop's request, answered by the same application on the lane's own loop."""
        there = asyncio.get_running_loop()

        async def receive_there() -> Message:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_call(receive), there))

        async def send_there(message: Message) -> None:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_call(send, message), there))

        await asyncio.wrap_future(self.submit(_call(self._app, scope, receive_there, send_there)))

    async def _open(self) -> None:
        if self._ended:  # Serve may still ask after the health of one that goes
            return
        try:
            shared = shared_socket(self._host, self.port)
        except OSError as error:
            raise _no_port(self._host, self.port, str(error.strerror or error)) from None
        if self._grpc is not None:
            try:
                await self._open_grpc(self._grpc)
            except BaseException:
                shared.close()
                raise
        self._listener = Listener(self._app, shared, self._limits, self._tls)
        self.port = self._listener.port

    async def _open_grpc(self, door: GrpcDoor) -> None:
        server = door.make()
        port = self.grpc_port  # of the first time, where a free one was asked for
        address = f"[{self._host}]:{port}" if ":" in self._host else f"{self._host}:{port}"
        try:
            if door.credentials is None:
                self.grpc_port = server.add_insecure_port(address)
            else:
                self.grpc_port = server.add_secure_port(address, door.credentials)
        except RuntimeError as error:
            raise _no_port(self._host, port, str(error)) from None
        await server.start()
        self._grpc_server = server

    async def _leave(self, linger_s: float, limit_s: float, *, at_once: bool = False) -> None:
        listener, self._listener = self._listener, None
        server, self._grpc_server = self._grpc_server, None
        if listener is not None:
            self._go(listener.leave(linger_s, limit_s, at_once=at_once))
        if server is not None:
            self._go(leave_grpc(server, self.grpc_port, limit_s))
        await asyncio.gather(*self._leaving)  # also those that began to leave before

    def _go(self, leaving: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(leaving)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _is_awake(self) -> bool:
        try:
            self.submit(asyncio.sleep(0)).result(_HUNG_S)
        except TimeoutError:
            return False
        return True


async def _call(function: Callable[..., Any], *args: Any) -> Any:
    return await function(*args)


def _no_port(host: str, port: int, reason: str) -> ConfigError:
    return ConfigError(
        f"cannot listen on {host}:{port}: {reason}",
        cure="give another --port or --grpc-port, or 0 for a free one",
    )
