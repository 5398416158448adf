"""What goes wrong under load: each request has its right answer, a clear refusal, or a lost connection."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.e2e.processes import wait_until
from tests.e2e.serve.asking import LIMIT_S, ask
from tests.e2e.serve.callers import a_spin, fleeting, over_grpc, patient, steady
from tests.e2e.serve.conftest import Models
from tests.e2e.serve.connection import Connection
from tests.e2e.serve.fleet import HOST, Fleet
from tests.e2e.serve.ledger import End, Ledger
from tests.e2e.serve.load import Load
from tests.e2e.serve.one_replica import OneReplica
from tests.e2e.serve.questions import Question, Spins
from tests.e2e.serve.rude import be_rude
from tests.e2e.serve.ways import AS_BYTES, TENSORS

from foretell.serve.backend import Priority

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

BLOCK = 700.0  # milliseconds or so, in which much can be sent
FULL, PART = 64, 16  # rows that may wait; rows of a request
QUEUE_ROWS = 'foretell_serve_queue_rows{model="spin"}'
CANCELLED = 'foretell_serve_cancelled_total{model="spin",priority="low"}'
SHEDS = 'foretell_serve_sheds_total{model="spin",priority="low"}'
EVALUATED = 'foretell_serve_batch_rows_sum{model="spin"}'


def ports(fleet: Fleet) -> tuple[int, int]:
    return fleet.port, fleet.grpc_port


def more(load: Load, count: int = 100) -> None:
    """Wait for so many further answers."""
    before = load.answered
    wait_until(lambda: load.answered >= before + count, 120.0, f"{count} answers\n{load.ledger}")


def test_a_killed_replica_costs_only_what_it_held(fleet: Fleet, models: Models) -> None:
    plain = [steady(), steady(), steady(a_spin, TENSORS), steady(a_spin, TENSORS), fleeting()]
    retrying = [patient(), patient(a_spin), over_grpc(tries=50)]
    with (
        Load(ports(fleet), [models.weather], plain) as load,
        Load(ports(fleet), [models.weather], retrying, seed=1) as again,
    ):
        more(load)
        more(again)
        victim = min(fleet.pids())
        os.kill(victim, signal.SIGKILL)
        fleet.wait_for(2, without={victim})
        lost = load.ledger.count(End.LOST)
        more(load)
        more(again)
    again.ledger.settle(End.RIGHT)
    load.ledger.settle(End.RIGHT, End.LOST)
    assert load.ledger.count(End.LOST) == lost, "nothing is lost once it has gone"
    # Its connections end some milliseconds before its listener does: who is quick comes to its door again.
    assert lost <= 2 * len(plain)


def test_a_hanging_inference_costs_its_batch_and_the_replica(fleet: Fleet, models: Models) -> None:
    """Those in it are told that it failed; others who ask for that model there are sent elsewhere at once."""

    def in_time(load: Load) -> Question:
        return load.spins.make(value=5.0, deadline_ms=1_000)

    before = fleet.pids()
    plain = [steady(), steady(in_time, TENSORS), steady(a_spin, TENSORS)]
    retrying = [patient(), patient(a_spin), over_grpc(tries=50)]
    with (
        Load(ports(fleet), [models.weather], plain) as load,
        Load(ports(fleet), [models.weather], retrying, seed=1) as again,
    ):
        more(again)
        assert asyncio.run(ask_once(fleet, 1e9)) is End.REFUSED
        wait_until(lambda: len(fleet.pids() - before) == 1, 120.0, "another replica")
        fleet.wait_for(2)
        more(load)
        more(again)
    assert len(fleet.pids() & before) == 1
    load.ledger.settle(End.RIGHT, End.LOST, End.REFUSED)
    whys = ("engine", "not_ready", "deadline_passed", "deadline_unreachable")
    assert load.ledger.count(End.REFUSED) == sum(load.ledger.count(End.REFUSED, reason=why) for why in whys)
    # What may have been the cause is not asked again: it would take one replica after another.
    again.ledger.settle(End.RIGHT, End.REFUSED)
    assert again.ledger.count(End.REFUSED) == again.ledger.count(End.REFUSED, reason="engine") <= 1


async def ask_once(fleet: Fleet, value: float) -> End:
    async with Connection(HOST, fleet.port) as connection:
        return await ask(Ledger(), connection, AS_BYTES, Spins(99).make(value), limit_s=2 * LIMIT_S)


def test_a_full_queue_sheds_the_lowest_and_answers_the_high(fleet: Fleet) -> None:
    ledger, spins = Ledger(), Spins(7)
    held: list[int] = []

    async def fill() -> None:
        async with OneReplica(fleet.port, 9) as replica:
            block, *free = replica.connections
            sheds = (await replica.figures()).get(SHEDS, 0)
            async with asyncio.TaskGroup() as asking:

                def begin(priority: Priority) -> None:
                    question = spins.make(rows=PART, priority=priority)
                    asking.create_task(ask(ledger, free.pop(), AS_BYTES, question))

                held.append(await hold(asking, ledger, replica, block, spins))
                for _ in range(FULL // PART + 2):
                    begin(Priority.LOW)
                await replica.until(lambda f: f[QUEUE_ROWS] == FULL and f.get(SHEDS, 0) == sheds + 2)
                for _ in range(2):
                    begin(Priority.HIGH)
                await replica.until(lambda f: f.get(SHEDS, 0) == sheds + 4)
                assert (await replica.figures())[QUEUE_ROWS] == FULL

    asyncio.run(fill())
    ledger.settle(End.RIGHT, End.REFUSED)
    assert ledger.count(End.REFUSED) == ledger.count(End.REFUSED, reason="shed") == 4
    assert ledger.count(End.RIGHT) == held[0] + 2 + 2


async def hold(
    asking: asyncio.TaskGroup, ledger: Ledger, replica: OneReplica, connection: Connection, spins: Spins
) -> int:
    """Its engine is busy for a while: what comes now waits. Returns how often it had to ask for that."""
    depth = 'foretell_serve_queue_depth{model="spin",priority="high"}'

    async def is_busy(block: asyncio.Task[End]) -> bool:
        await replica.until(lambda f: block.done() or (f[depth] == 1 and f[QUEUE_ROWS] == 0))
        return not block.done()

    # Where all before it was quick, a first one is evaluated on the loop, and over before anybody can see it.
    for asked in (1, 2):
        question = spins.make(BLOCK, priority=Priority.HIGH)
        if await is_busy(asking.create_task(ask(ledger, connection, AS_BYTES, question))):
            return asked
    pytest.fail("the engine cannot be kept busy")


def test_who_goes_away_is_counted_and_not_computed(fleet: Fleet) -> None:
    ledger, spins = Ledger(), Spins(8)

    async def leave() -> None:
        async with OneReplica(fleet.port, 6) as replica:
            block, *leavers = replica.connections
            async with asyncio.TaskGroup() as asking:
                await hold(asking, ledger, replica, block, spins)
                before = await replica.figures()
                for connection in leavers:
                    await connection.send(AS_BYTES.request(spins.make()).raw)
                await replica.until(lambda f: f[QUEUE_ROWS] == len(leavers))
                for connection in leavers[1:]:
                    connection.close()
                leavers[0].half_close()  # nobody who still listens does so
                gone = before.get(CANCELLED, 0) + len(leavers)
                await replica.until(lambda f: f[QUEUE_ROWS] == 0 and f[CANCELLED] == gone)
            assert (await replica.figures())[EVALUATED] == before.get(EVALUATED, 0) + 1

    asyncio.run(leave())
    ledger.settle(End.RIGHT)


def test_slow_and_half_closed_connections_hold_nobody_up(fleet: Fleet, models: Models) -> None:
    files = open_files(fleet)
    with Load(ports(fleet), [models.weather], [steady(), fleeting(), over_grpc()]) as load:
        more(load)
        before = load.answered
        asyncio.run(be_rude(fleet.port))
        assert load.answered > before
    load.ledger.settle(End.RIGHT)
    wait_until(lambda: open_files(fleet) <= files + 2, 30.0, "the end of all connections")


def open_files(fleet: Fleet) -> int:
    return sum(len(os.listdir(Path("/proc", str(pid), "fd"))) for pid in fleet.pids())


def test_replicas_come_and_go_under_load(fleet: Fleet, models: Models) -> None:
    callers = [steady(), steady(a_spin, TENSORS), fleeting(), patient(), *(over_grpc() for _ in range(4))]
    with Load(ports(fleet), [models.weather], callers) as load:
        more(load)
        fleet.call("scale_deployment", 3)
        fleet.wait_for(3)
        more(load)
        fleet.call("scale_deployment", 2)
        fleet.wait_for(2)
        more(load)
    load.ledger.settle(End.RIGHT)
