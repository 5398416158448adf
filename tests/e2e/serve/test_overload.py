"""Twice what the fleet can bear, for some seconds. No figures, those are the machine's: who is told no."""

import asyncio
import time
from dataclasses import replace

import pytest
from tests.e2e.serve.asking import ask
from tests.e2e.serve.connection import Connection
from tests.e2e.serve.fleet import HOST, Fleet
from tests.e2e.serve.ledger import End, Ledger
from tests.e2e.serve.questions import Question, Spins
from tests.e2e.serve.ways import AS_BYTES

from foretell.serve.backend import Priority

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

TAKES = 40.0  # milliseconds or so, for a batch
ROWS = 4  # a quarter of one
AT_ONCE = 150  # none of them urgent; then the rate of twice what it can bear, for so many seconds
SECONDS = 3.0
DEADLINE_MS = 2_000.0


def test_the_urgent_are_shed_last_and_all_are_told(fleet: Fleet) -> None:
    ledger, spins = Ledger(), Spins(9)

    async def ask_alone(question: Question) -> None:
        way = replace(AS_BYTES, name=question.priority.name)
        async with Connection(HOST, fleet.port) as connection:
            await ask(ledger, connection, way, question)

    async def offer() -> None:
        rate = 2 * await capacity(fleet, spins)
        async with asyncio.TaskGroup() as asking:
            for number in range(AT_ONCE + int(rate * SECONDS)):
                high = number >= AT_ONCE and number % 5 == 0
                deadline_ms = DEADLINE_MS if high else None
                priority = Priority.HIGH if high else Priority.LOW
                asking.create_task(ask_alone(spins.make(TAKES, ROWS, priority, deadline_ms)))
                if number >= AT_ONCE:
                    await asyncio.sleep(1 / rate)

    asyncio.run(offer())
    print(f"\n{ledger}")
    ledger.settle(End.RIGHT, End.REFUSED)
    assert ledger.count(End.RIGHT, way="HIGH")
    low, high = (shed_part(ledger, way) for way in ("LOW", "HIGH"))
    assert low >= high  # a machine may be too slow to ask for more than it bears: then both are 0
    assert ledger.count(End.REFUSED, way="LOW", reason="shed") == ledger.count(End.REFUSED, way="LOW")


def shed_part(ledger: Ledger, way: str) -> float:
    return ledger.count(End.REFUSED, way=way, reason="shed") / ledger.count(way=way)


async def capacity(fleet: Fleet, spins: Spins) -> float:
    """Requests a second, roughly: of callers each of whom waits for its answer."""
    ledger, start = Ledger(), time.monotonic()

    async def call() -> None:
        async with Connection(HOST, fleet.port) as connection:
            while time.monotonic() < start + 0.5:
                await ask(ledger, connection, AS_BYTES, spins.make(TAKES, ROWS))

    await asyncio.gather(*(call() for _ in range(16)))
    ledger.settle(End.RIGHT)
    return ledger.count() / (time.monotonic() - start)
