"""HTTP/1.1 as it is on the wire: a request at a time, nothing asked twice, and rude where a test wants it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

LOST = (ConnectionError, asyncio.IncompleteReadError)


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers`: by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def replica(self) -> str:
        """Which one answered: request ids begin with a word that each has for itself."""
        return self.headers["x-request-id"].partition("-")[0]


class Connection:
    """Opened by `open`, by the first request, or by the next one after the server closed it in order."""

    def __init__(self, host: str, port: int) -> None:
        self._place = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(*self._place)
        return self

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Raises `LOST`: the connection went before the answer was there."""
        await self.send(head(method, path, {"content-length": str(len(body)), **(headers or {})}) + body)
        return await self.reply(bodiless=method == "HEAD")

    async def send(self, data: bytes) -> None:
        """Any bytes."""
        if self._writer is None or self._writer.is_closing():
            await self.open()
        assert self._writer is not None
        self._writer.write(data)
        await self._writer.drain()

    async def reply(self, *, bodiless: bool = False) -> Reply:
        assert self._reader is not None
        told = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = told.decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = 0 if bodiless else int(headers.get("content-length", 0))
        body = await self._reader.readexactly(size)
        if headers.get("connection") == "close":
            self.close()
        return Reply(int(first.split(" ")[1]), headers, body)

    def half_close(self) -> None:
        """Nothing more will be sent; an answer may still come."""
        assert self._writer is not None
        self._writer.write_eof()

    async def ended(self) -> bytes:
        """Wait until the other side closes it: all that it still sent."""
        assert self._reader is not None
        try:
            return await self._reader.read()
        except ConnectionError:
            return b""

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Of a request, with the empty line behind it."""
    lines = [f"{method} {path} HTTP/1.1", "host: test", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
