"""Connections that all lead to the same replica, whose figures can therefore be read."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.e2e.serve.connection import Connection
from tests.e2e.serve.fleet import HOST

_LIMIT_S = 30.0


class OneReplica:
    """Use it as a context.

    Attributes:
        connections: as many as were asked for.
    """

    def __init__(self, port: int, connections: int) -> None:
        self._port, self._count = port, connections + 1
        self._watch = Connection(HOST, port)
        self.connections: list[Connection] = []

    async def __aenter__(self) -> Self:
        """The kernel deals connections out: ask for more until enough have come to the same replica."""
        found: dict[str, list[Connection]] = {}
        while max(map(len, found.values()), default=0) < self._count:
            connection = Connection(HOST, self._port)
            reply = await connection.ask("GET", "/v2/health/live")
            found.setdefault(reply.replica, []).append(connection)
        most = max(found.values(), key=len)
        self._watch, *self.connections = most
        for connection in (c for those in found.values() if those is not most for c in those):
            connection.close()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in (self._watch, *self.connections):
            connection.close()

    async def figures(self) -> dict[str, float]:
        """Its page of metrics, by name and labels as they stand there."""
        page = (await self._watch.ask("GET", "/metrics")).body.decode()
        lines = (line.rpartition(" ") for line in page.splitlines() if line[:1] not in ("", "#"))
        return {name: float(value) for name, _, value in lines}

    async def until(self, condition: Callable[[dict[str, float]], bool]) -> None:
        """Wait until its figures are so."""
        async with asyncio.timeout(_LIMIT_S):
            while not condition(await self.figures()):
                await asyncio.sleep(0.01)
