"""Requests at fixed times, whether those before were answered or not: `python -m benchmarks.serve.offer JOB`.

A process of its own. Bare bytes over kept connections: it leaves the machine to the server. Each request asks
something else, so that no two share an answer. It prints what became of each class as JSON.
"""

import asyncio
import re
import sys
import time
from collections import Counter, deque
from itertools import count
from typing import cast

import msgspec
import numpy as np
import uvloop

from benchmarks.serve.apart import run_apart

LOST = "lost"  # its connection ended, or none could be had
_CODE = b'"code":"'
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_GRACE_S = 15.0  # after the last request, for answers that are still to come
_TICK_S = 0.001  # what is due is sent so often: a timer for each request would cost as much as sending it
MARK = b"FORETELL"  # eight bytes in a request that are another number each time


class Job(msgspec.Struct):
    """What to ask.

    Attributes:
        requests: by class; `FORETELL` in one stands for eight bytes that differ from request to request.
        rate: a second. 0: as many as `callers` get, each asking again once it was answered.
        share: of the requests that are `high`; the others are `low`.
        connections: opened before the first request is due, as a new one costs a server more than a request.
        within_ms: an answer to `high` that comes later, as its caller sees it, is late.
    """

    port: int
    requests: dict[str, bytes]
    seconds: float
    rate: float = 0.0
    callers: int = 0
    share: float = 0.0
    within_ms: float = 0.0
    connections: int = 1_500


class Tally(msgspec.Struct):
    """Of a class: requests sent, answers by status, those with 200 in time, and why others were refused."""

    sent: int = 0
    statuses: dict[str, int] = {}
    in_time: int = 0
    reasons: dict[str, int] = {}
    p50_ms: float | None = None
    p99_ms: float | None = None

    @property
    def answered(self) -> int:
        return sum(count for status, count in self.statuses.items() if status != LOST)

    @property
    def ok(self) -> int:
        return self.statuses.get("200", 0)


class Done(msgspec.Struct):
    """What came of it, and how far the load itself can be trusted.

    Attributes:
        seconds: from the first request to the last.
        behind_ms: how late one was sent at most; behind_p99_ms: 99 of 100 were not later.
        cpu: of a core, that the load took from the server.
    """

    seconds: float
    classes: dict[str, Tally]
    behind_ms: float
    behind_p99_ms: float
    cpu: float


def offered(job: Job) -> Done:
    """Run it in a process of its own."""
    return run_apart("benchmarks.serve.offer", job, Done, job.seconds + 3 * _GRACE_S)


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self.due = 0.0
        self.kind = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has its own

    def ask(self, kind: str, request: bytes, due: float) -> None:
        assert self._transport is not None
        self.kind, self.due = kind, due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        told = _LENGTH.search(self._buffer, 0, end)
        assert told is not None
        if len(self._buffer) < end + 4 + int(told[1]):
            return
        buffer, self._buffer = self._buffer, b""
        status = buffer[9:12].decode()
        reason = "" if status == "200" else _reason(buffer)
        self._load.answered(self, status, reason, stays=not _CLOSE.search(buffer, 0, end))

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Load:
    def __init__(self, job: Job) -> None:
        self._job, self._loop = job, asyncio.get_running_loop()
        self._free: deque[_Connection] = deque()
        self._open: set[_Connection] = set()
        self._tallies = {kind: Tally(statuses=Counter(), reasons=Counter()) for kind in job.requests}
        self._latencies: dict[str, list[float]] = {kind: [] for kind in job.requests}
        self._parts = {kind: request.partition(MARK)[::2] for kind, request in job.requests.items()}
        self._numbers = count(1)
        self._under_way = 0
        self._ending = False
        self._behind = [0.0]
        self._waiting: dict[str, deque[float]] = {
            kind: deque() for kind in ("high", "low")
        }  # for a connection

    async def run(self) -> Done:
        for _ in range(self._job.connections if self._job.rate else self._job.callers):
            await self._connect()
        begin, used = time.perf_counter(), time.process_time()
        if self._job.rate:
            await self._open_loop(begin)
        else:
            for _ in range(self._job.callers):
                self._send("low", begin)
            await asyncio.sleep(self._job.seconds)
        seconds, used = time.perf_counter() - begin, time.process_time() - used
        self._ending = True
        limit = time.perf_counter() + _GRACE_S
        while self._under_way and time.perf_counter() < limit:
            await asyncio.sleep(0.01)
        for kind, values in self._latencies.items():
            if values:
                quantiles = np.quantile(values, (0.5, 0.99)) * 1e3
                self._tallies[kind].p50_ms, self._tallies[kind].p99_ms = quantiles.tolist()
        for connection in list(self._open):
            connection.close()
        behind = float(np.quantile(self._behind, 0.99))
        return Done(seconds, self._tallies, max(self._behind) * 1e3, behind * 1e3, used / seconds)

    async def _open_loop(self, begin: float) -> None:
        """What is due is sent together, up to `_TICK_S` late, which its latency includes."""
        high = np.random.default_rng(0).random(int(self._job.rate * self._job.seconds)) < self._job.share
        for number in range(len(high)):
            due = begin + number / self._job.rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(max(wait, _TICK_S))
            self._behind.append(time.perf_counter() - due)
            self._send("high" if high[number] else "low", due)
            if number % 32 == 0:
                await asyncio.sleep(0)  # answers have their turn, also where sending is late

    def _send(self, kind: str, due: float) -> None:
        self._tallies[kind].sent += 1
        self._under_way += 1
        if self._free:
            self._ask(self._free.pop(), kind, due)
        else:
            self._waiting[kind].append(due)

    async def _connect(self) -> None:
        _, connection = await self._loop.create_connection(
            lambda: _Connection(self), "127.0.0.1", self._job.port
        )
        self._open.add(connection)
        self._free.append(connection)

    def _ask(self, connection: _Connection, kind: str, due: float) -> None:
        before, after = self._parts[kind]
        # Eight digits; read as two FP32 they are two very small numbers.
        connection.ask(kind, b"%s%08d%s" % (before, next(self._numbers) % 100_000_000, after), due)

    def _over(self, kind: str, status: str) -> None:
        statuses = self._tallies[kind].statuses
        statuses[status] = statuses.get(status, 0) + 1
        self._under_way -= 1

    def answered(self, connection: _Connection, status: str, reason: str, *, stays: bool) -> None:
        kind, now = connection.kind, time.perf_counter()
        late = now - connection.due
        connection.kind = ""
        self._over(kind, status)
        if status == "200":
            self._latencies[kind].append(late)
            self._tallies[kind].in_time += kind != "high" or late * 1e3 <= self._job.within_ms
        else:
            reasons = self._tallies[kind].reasons
            reasons[reason] = reasons.get(reason, 0) + 1
        if stays:
            self._free.append(connection)
            for waiting, dues in self._waiting.items():
                if dues and self._free:
                    self._ask(self._free.pop(), waiting, dues.popleft())
        if not (self._job.rate or self._ending):
            self._send(kind, now)

    def lost(self, connection: _Connection) -> None:
        self._open.discard(connection)
        if connection.kind:
            self._over(connection.kind, LOST)
        elif connection in self._free:
            self._free.remove(connection)


def _reason(body: bytes) -> str:
    """The code of a refusal."""
    at = body.find(_CODE)
    return body[at + len(_CODE) : body.find(b'"', at + len(_CODE))].decode() if at >= 0 else "unknown"


async def _main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(await _Load(job).run()))


if __name__ == "__main__":
    uvloop.run(_main())
