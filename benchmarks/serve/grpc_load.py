"""Unary gRPC calls, one at a time on each connection: `python -m benchmarks.serve.grpc_load JOB`.

A process of its own, and HTTP/2 by hand: ghz is in none of the registries, h2load sends the same message each
time, which foretell would compute once, and grpc's own client takes longer for a call than a server does.
"""

import asyncio
import sys
import time
from itertools import count
from typing import cast

import msgspec
import numpy as np
import uvloop

from benchmarks.serve.apart import run_apart

METHOD = "/inference.GRPCInferenceService/ModelInfer"
MARK = b"FORETELL"  # eight bytes in a message that are another number each time
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_LARGE = 2**30
_REFILL = 2**20


class Job(msgspec.Struct):
    """`message`: serialised, with `FORETELL` in it where requests shall differ."""

    port: int
    message: bytes
    connections: int
    seconds: float
    warm_s: float


class Done(msgspec.Struct):
    """Answers a second, and how long they took. failed: calls that ended without a message."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int


def load(job: Job) -> Done:
    """Run it in a process of its own. Raises RuntimeError: a call had no answer."""
    found = run_apart("benchmarks.serve.grpc_load", job, Done, job.seconds + job.warm_s + 30)
    if found.failed:
        raise RuntimeError(f"{found.failed} calls on port {job.port} ended without a message")
    return found


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _text(value: str) -> bytes:
    return bytes((len(value),)) + value.encode()


# Fields as literals that no table keeps (RFC 7541, 6.2.2), by index where the static table has the name.
_HEAD = b"".join(
    (
        b"\x83\x86",  # :method POST, :scheme http
        b"\x04" + _text(METHOD),
        b"\x01" + _text("127.0.0.1"),
        b"\x0f\x10" + _text("application/grpc"),
        b"\x00" + _text("te") + _text("trailers"),
    )
)


class _Connection(asyncio.Protocol):
    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._buffer = bytearray()
        self._stream = -1
        self._taken = 0
        self._answered = False
        self._since = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has its own
        window = _frame(_WINDOW, 0, 0, _LARGE.to_bytes(4, "big"))
        self._transport.write(_PREFACE + _frame(_SETTINGS, 0, 0) + window)
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        self._stream += 2
        self._answered = False
        self._since = time.perf_counter()
        body = _frame(_DATA, _END_STREAM, self._stream, self._load.message())
        self._transport.write(_frame(_HEADERS, _END_HEADERS, self._stream, _HEAD) + body)

    def data_received(self, data: bytes) -> None:
        buffer, at = self._buffer, 0
        buffer += data
        while len(buffer) - at >= 9:
            end = at + 9 + int.from_bytes(buffer[at : at + 3], "big")
            if len(buffer) < end:
                break
            self._frame(buffer[at + 3], buffer[at + 4], bytes(buffer[at + 9 : end]))
            at = end
        del buffer[:at]

    def _frame(self, kind: int, flags: int, payload: bytes) -> None:
        assert self._transport is not None
        if kind == _DATA:
            self._answered = self._answered or len(payload) >= 5
            self._taken += len(payload)
            if self._taken > _REFILL:
                self._transport.write(_frame(_WINDOW, 0, 0, self._taken.to_bytes(4, "big")))
                self._taken = 0
        elif kind == _SETTINGS and not flags & _ACK:
            self._transport.write(_frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            self._transport.write(_frame(_PING, _ACK, 0, payload))
        if kind in (_RESET, _GOAWAY) or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
            self._load.took(time.perf_counter() - self._since, self._answered)
            if kind != _GOAWAY and not self._load.ended:
                self._ask()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Load:
    def __init__(self, job: Job) -> None:
        before, _, after = job.message.partition(MARK)
        length = len(job.message).to_bytes(5, "big")  # and not compressed
        self._before, self._after = length + before, after
        self._differs = MARK in job.message
        self._numbers = count()
        self._job = job
        self.ended = False
        self._taken: list[float] = []
        self._failed = 0

    def message(self) -> bytes:
        if not self._differs:
            return self._before
        return b"%s%08d%s" % (self._before, next(self._numbers), self._after)

    def took(self, seconds: float, answered: bool) -> None:
        self._taken.append(seconds)
        self._failed += not answered

    async def run(self) -> Done:
        loop = asyncio.get_running_loop()
        connections = [
            (await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._job.port))[1]
            for _ in range(self._job.connections)
        ]
        await asyncio.sleep(self._job.warm_s)
        self._taken.clear()
        begin = time.perf_counter()
        await asyncio.sleep(self._job.seconds)
        seconds, taken = time.perf_counter() - begin, self._taken.copy()
        self.ended = True
        for connection in connections:
            connection.close()
        if not taken:
            raise RuntimeError("not one answer")
        p50, p99 = (np.quantile(taken, (0.5, 0.99)) * 1e3).tolist()
        return Done(len(taken) / seconds, p50, p99, self._failed)


async def _main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(await _Load(job).run()))


if __name__ == "__main__":
    uvloop.run(_main())
