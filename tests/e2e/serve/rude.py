"""Clients that send slowly, stop halfway, or never take their answers."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from tests.e2e.serve.asking import LIMIT_S
from tests.e2e.serve.connection import Connection, head
from tests.e2e.serve.fleet import HOST

BEGUN = head("POST", "/v2/models/weather/infer", {"content-length": "1000"})


async def be_rude(port: int) -> None:
    """All of them at once; returns when the other side has had enough of each."""

    async def each(rude: Callable[[Connection], Awaitable[None]]) -> None:
        async with Connection(HOST, port) as connection:
            await connection.open()
            await rude(connection)

    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(never_read(port), *map(each, (trickle, stall, stop_halfway)))


async def trickle(connection: Connection) -> None:
    """Headers byte by byte."""
    for byte in BEGUN:
        try:
            await connection.send(bytes([byte]))
        except ConnectionError:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it could send its headers for as long as it liked")


async def stall(connection: Connection) -> None:
    """Headers, and only the beginning of a body."""
    await connection.send(BEGUN + b"{")
    reply = await connection.reply()
    assert (reply.status, reply.json["code"]) == (408, "request_timeout")
    assert await connection.ended() == b""


async def stop_halfway(connection: Connection) -> None:
    """The same, and then its side of the connection is closed."""
    await connection.send(BEGUN + b"{")
    connection.half_close()
    assert await connection.ended() == b""


async def never_read(port: int) -> None:
    """Asks for pages and takes none."""
    loop = asyncio.get_running_loop()
    with socket.socket() as asking, contextlib.suppress(ConnectionError):
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asking.setblocking(False)
        await loop.sock_connect(asking, (HOST, port))
        while True:
            await loop.sock_sendall(asking, head("GET", "/openapi.json", {}) * 10)
