"""A gRPC server leaves without a loss.

Its own `stop` cancels the calls that arrive before their clients have heard of it. So its listening sockets
are shut first, and new connections reach another replica; then all connections end by their age, of which
gRPC tells clients in time; and when none is left, the server is stopped.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from foretell.serve.replica.syn_filter import drop_new_connections

_HANDSHAKE_S = 0.03  # for those that are under way when the door closes
_LOOK_S = 0.05
_LISTENS, _ENDED = "0A", {"06", "07"}  # of net/tcp.h


async def leave(server: Any, port: int, limit_s: float) -> None:
    """`limit_s`: what has not ended by then is cut off."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    listening = [_borrowed(fd) for fd, state in _sockets(port) if state == _LISTENS]
    if [drop_new_connections(one) for one in listening]:
        await asyncio.sleep(_HANDSHAKE_S)
    for one in listening:
        with one, suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)  # gRPC would close it only together with all else
    while loop.time() < deadline and any(True for _ in _sockets(port)):
        await asyncio.sleep(_LOOK_S)
    await server.stop(max(0.0, deadline - loop.time()))


def _borrowed(fd: int) -> socket.socket:
    return socket.socket(fileno=os.dup(fd))


def _sockets(port: int) -> Iterator[tuple[int, str]]:
    """File descriptors of this process that are sockets of a local port, and their state."""
    states = dict(_table(port))
    for name in os.listdir("/proc/self/fd") if states else ():
        with suppress(OSError):
            inode = os.readlink(f"/proc/self/fd/{name}").removeprefix("socket:[").rstrip("]")
            if inode in states:
                yield int(name), states[inode]


def _table(port: int) -> Iterator[tuple[str, str]]:
    """Inodes and states."""
    for file in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with suppress(OSError):
            for line in Path(file).read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port and fields[3] not in _ENDED:
                    yield fields[9], fields[3]
