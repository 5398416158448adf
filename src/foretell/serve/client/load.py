"""A load on a running server, and what it did to it: the pure counting, and the loops that ask."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from foretell.errors import ForetellError
from foretell.serve.backend import Priority, Refusal
from foretell.serve.client.client import Client

_VARIETY = 8  # blocks of windows, made before the clock runs
_APART = 1e-6  # added to one value, once a turn: no two requests are equal, so none shares another's answer
_MOST_WAITING = 10_000  # requests of an open loop under way; more are counted as not sent
_GRACE_S = 10.0  # after the end, for what is still under way


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked.

    Attributes:
        model: its name. rows: windows a request. seconds: for how long. deadline_ms: of each request.
        priorities: taken in turns. connections: open at once.
        rate: requests a second, whether answered or not (open loop); unset: each connection asks again when
            it was answered (closed loop).
    """

    model: str
    rows: int
    seconds: float
    connections: int
    priorities: tuple[Priority, ...]
    deadline_ms: float | None = None
    rate: float | None = None


@dataclass(slots=True)
class Tally:
    """What became of the requests of one priority. `latencies`: seconds, of those that were answered."""

    latencies: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)

    def quantiles_ms(self) -> dict[str, float | None]:
        """p50, p90, p99 and max in milliseconds; `None` where nothing was answered."""
        if not self.latencies:
            return dict.fromkeys(("p50_ms", "p90_ms", "p99_ms", "max_ms"))
        values = np.quantile(self.latencies, (0.5, 0.9, 0.99, 1.0)) * 1e3
        names = ("p50_ms", "p90_ms", "p99_ms", "max_ms")
        return {name: round(float(v), 3) for name, v in zip(names, values, strict=True)}


@dataclass(frozen=True, slots=True)
class Result:
    """`seconds`: from the first request to the last answer."""

    plan: Plan
    seconds: float
    tallies: dict[Priority, Tally]


class Load:
    """One plan at work."""

    def __init__(self, client: Client, plan: Plan, shape: Sequence[int]) -> None:
        """`client`: without retries, so that each refusal is seen. `shape`: of a window."""
        self._client, self._plan = client, plan
        rng = np.random.default_rng(0)
        self._windows: list[NDArray[np.float64]] = [
            rng.normal(size=(plan.rows, *shape)) for _ in range(_VARIETY)
        ]
        self._tallies = {priority: Tally() for priority in plan.priorities}
        self._turn = itertools.count()

    async def run(self) -> Result:
        """Returns within the plan's time and a few seconds, whatever the server does."""
        start = perf_counter()
        loop = self._closed(start) if self._plan.rate is None else self._open(start, self._plan.rate)
        await loop
        return Result(self._plan, perf_counter() - start, self._tallies)

    async def _closed(self, start: float) -> None:
        async def one() -> None:
            while (now := perf_counter()) < start + self._plan.seconds:
                await self._ask(now)

        await self._finish({asyncio.create_task(one()) for _ in range(self._plan.connections)})

    async def _open(self, start: float, rate: float) -> None:
        """Latency counts from when a request was due: a server that stalls cannot slow its examiner."""
        under_way: set[asyncio.Task[None]] = set()
        for number in range(max(1, int(rate * self._plan.seconds))):
            due = start + number / rate
            if (wait := due - perf_counter()) > 0:
                await asyncio.sleep(wait)
            if len(under_way) >= _MOST_WAITING:
                self._tallies[self._next()[0]].outcomes["not_sent"] += 1
                continue
            task = asyncio.create_task(self._ask(due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await self._finish(under_way)

    async def _finish(self, tasks: set[asyncio.Task[None]]) -> None:
        if not tasks:
            return
        left = self._plan.seconds if self._plan.rate is None else 0.0
        done, late = await asyncio.wait(tasks, timeout=left + _GRACE_S)
        for task in late:
            task.cancel()
        for task in done:
            task.result()
        await asyncio.gather(*late, return_exceptions=True)

    def _next(self) -> tuple[Priority, NDArray[np.float64]]:
        turn = next(self._turn)
        windows = self._windows[turn % _VARIETY].copy()
        windows[0, 0, 0] += turn * _APART
        return self._plan.priorities[turn % len(self._plan.priorities)], windows

    async def _ask(self, since: float) -> None:
        priority, windows = self._next()
        tally = self._tallies[priority]
        try:
            await self._client.infer(
                self._plan.model, windows, priority=priority, deadline_ms=self._plan.deadline_ms
            )
        except Refusal as refusal:
            tally.outcomes[refusal.reason] += 1
            # What is refused at once would be asked again at once: a loop must leave the server its time.
            await asyncio.sleep(0.001)
        except ForetellError as error:
            tally.outcomes[error.code] += 1
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            tally.outcomes["no_answer"] += 1
            raise
        else:
            tally.outcomes["ok"] += 1
            tally.latencies.append(perf_counter() - since)
