"""Kinds of callers: each asks as one kind of client does, until the load ends."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import cycle

import grpc
from tests.e2e.serve.asking import LIMIT_S, ask, ask_by_client, ask_by_grpc
from tests.e2e.serve.connection import LOST, Connection
from tests.e2e.serve.fleet import HOST
from tests.e2e.serve.ledger import End, refused
from tests.e2e.serve.load import Caller, Load
from tests.e2e.serve.mistakes import MISTAKES
from tests.e2e.serve.questions import Question
from tests.e2e.serve.ways import EVERY, TENSORS, Way

from foretell.client import Client

Make = Callable[[Load], Question]


def a_forecast(load: Load) -> Question:
    return load.forecasts.make()


def a_spin(load: Load) -> Question:
    """Of some milliseconds."""
    return load.spins.make(value=5.0)


def steady(make: Make = a_forecast, ways: Sequence[Way] = EVERY, pause_s: float = 0.0) -> Caller:
    """One connection, in every way by turns."""

    async def call(load: Load) -> None:
        async with Connection(HOST, load.port) as connection:
            for way in cycle(ways):
                if load.ending:
                    return
                await ask(load.ledger, connection, way, make(load))
                await asyncio.sleep(pause_s)

    return call


def fleeting(make: Make = a_forecast, ways: Sequence[Way] = EVERY, pause_s: float = 0.0) -> Caller:
    """A connection for each request."""

    async def call(load: Load) -> None:
        for way in cycle(ways):
            if load.ending:
                return
            async with Connection(HOST, load.port) as connection:
                await ask(load.ledger, connection, way, make(load))
            await asyncio.sleep(pause_s)

    return call


def patient(make: Make = a_forecast, pause_s: float = 0.0) -> Caller:
    """foretell's own client, which tries again."""

    async def call(load: Load) -> None:
        async with Client(f"http://{HOST}:{load.port}", retries=40, timeout=LIMIT_S) as client:
            while not load.ending:
                await ask_by_client(load.ledger, client, make(load))
                await asyncio.sleep(pause_s)

    return call


def over_grpc(make: Make = a_forecast, pause_s: float = 0.0, tries: int = 1) -> Caller:
    """One channel."""

    async def call(load: Load) -> None:
        async with grpc.aio.insecure_channel(f"{HOST}:{load.grpc_port}") as channel:
            while not load.ending:
                await ask_by_grpc(load.ledger, channel, make(load), tries)
                await asyncio.sleep(pause_s)

    return call


def leaving(make: Make = a_spin, ways: Sequence[Way] = TENSORS, pause_s: float = 0.0) -> Caller:
    """Goes away before the answer is there."""

    async def call(load: Load) -> None:
        for way in cycle(ways):
            if load.ending:
                return
            question = make(load)
            load.ledger.begin(question)
            async with Connection(HOST, load.port) as connection:
                request = way.request(question)
                await connection.send(request.raw)
                await asyncio.sleep(0.01)
            load.ledger.end(question, way.name, End.LEFT)
            await asyncio.sleep(pause_s)

    return call


def mistaken(pause_s: float = 0.0) -> Caller:
    """Asks for what must be refused, each mistake by turns."""

    async def call(load: Load) -> None:
        connection = Connection(HOST, load.port)
        for mistake in cycle(MISTAKES):
            if load.ending:
                connection.close()
                return
            question = load.forecasts.make()
            load.ledger.begin(question)
            try:
                end, reason = refused(await mistake.ask(connection, question))
            except LOST:
                end, reason = End.LOST, mistake.name
                connection.close()
            if end is End.REFUSED and reason not in (mistake.code, mistake.leaving):
                end, reason = End.WRONG, f"{reason} instead of {mistake.code}"
            load.ledger.end(question, f"mistake: {mistake.name}", end, reason)
            await asyncio.sleep(pause_s)

    return call
