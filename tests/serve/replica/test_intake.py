"""In which order requests begin that came in together."""

import asyncio
from itertools import count
from threading import Thread

import numpy as np
import pytest

from foretell.serve.backend import Call, Refusal
from foretell.serve.models.callers import Caller, Reply, tell
from foretell.serve.protocols.http import Answered, Head, Response
from foretell.serve.replica import intake as room
from foretell.serve.replica.direct import Direct
from foretell.serve.replica.intake import Intake

LOW, MEDIUM, HIGH = (b'{"priority":"%s"}' % word for word in (b"low", b"medium", b"high"))


class Connection:
    def direct_done(self, sent: bytes, close: bool) -> None:
        """Nobody reads it."""


class Begun:
    """What began, in its order; what was refused."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.refused: list[bytes] = []

    async def whole(self, head: Head, body: bytes, arrived: float) -> Answered:
        self.bodies.append(body)
        return Response(b""), []

    def turn_away(
        self, head: Head, body: bytes, arrived: float, refusal: Refusal | None = None
    ) -> Answered | None:
        if refusal is None:
            return None
        self.refused.append(body)
        return Response(b"", refusal.status), []


def put(intake: Intake, *bodies: bytes) -> list[Direct]:
    directs = [Direct(Connection(), []) for _ in bodies]
    for direct, body in zip(directs, bodies, strict=True):
        intake.put(direct, Head.of("POST", "/", b"", []), body)
    return directs


def test_the_urgent_begin_first() -> None:
    async def run() -> list[bytes]:
        begun = Begun()
        put(Intake(begun, asyncio.get_running_loop()), LOW, MEDIUM, HIGH, LOW)
        assert begun.bodies == [HIGH], "it waits for no turn"
        await asyncio.sleep(0)
        return begun.bodies

    assert asyncio.run(run()) == [HIGH, MEDIUM, LOW, LOW]


def test_when_the_loop_is_behind_others_are_refused_and_high_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_AGAIN", 0)
    monkeypatch.setattr(room, "_BEHIND_S", -1.0)

    async def run() -> Begun:
        begun = Begun()
        put(Intake(begun, asyncio.get_running_loop()), LOW, LOW, MEDIUM, HIGH)
        await asyncio.sleep(0)
        return begun

    begun = asyncio.run(run())
    assert begun.bodies == [HIGH, MEDIUM, LOW]
    assert begun.refused == [LOW]


def test_who_has_gone_does_not_begin() -> None:
    async def run() -> list[bytes]:
        begun = Begun()
        first, _ = put(Intake(begun, asyncio.get_running_loop()), LOW, MEDIUM)
        first.abandon()
        await asyncio.sleep(0)
        return begun.bodies

    assert asyncio.run(run()) == [MEDIUM]


def test_a_turn_ends_before_everything_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_TURN_S", -1.0)

    async def run() -> list[int]:
        begun = Begun()
        put(Intake(begun, asyncio.get_running_loop()), LOW, LOW)
        counts = []
        for _ in range(2):
            await asyncio.sleep(0)
            counts.append(len(begun.bodies))
        return counts

    assert asyncio.run(run()) == [1, 2]


def test_a_pause_of_the_whole_process_is_no_reason_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waited meanwhile, and what comes after it, is read."""
    now = [100.0]
    monkeypatch.setattr(room, "monotonic", lambda: now[0])

    async def run() -> Begun:
        begun = Begun()
        intake = Intake(begun, asyncio.get_running_loop())
        put(intake, LOW)
        now[0] += 5.0
        put(intake, LOW)
        await asyncio.sleep(0)
        return begun

    begun = asyncio.run(run())
    assert (begun.bodies, begun.refused) == ([LOW, LOW], [])


def test_as_many_callers_as_a_slow_machine_has_are_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """128 that ask again once they were answered, where a request takes 2 ms: each waits for the others."""
    ticks = count()
    monkeypatch.setattr(room, "monotonic", lambda: next(ticks) * 0.001)

    async def run() -> Begun:
        begun = Begun()
        intake = Intake(begun, asyncio.get_running_loop())
        put(intake, *[LOW] * 128)
        while (answered := len(begun.bodies)) < 1_000 and not begun.refused:
            await asyncio.sleep(0)
            put(intake, *[LOW] * (len(begun.bodies) - answered))
        return begun

    assert not asyncio.run(run()).refused


def test_nobody_waits_for_ever_while_others_are_more_urgent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is the most: each turn is over after one, and a medium one comes in each."""
    ticks = count()
    monkeypatch.setattr(room, "monotonic", lambda: next(ticks) * 0.005)

    async def run() -> Begun:
        begun = Begun()
        intake = Intake(begun, asyncio.get_running_loop())
        put(intake, LOW)
        while not begun.refused and next(ticks) < 1_000:
            put(intake, MEDIUM)
            await asyncio.sleep(0)
        return begun

    begun = asyncio.run(run())
    assert begun.refused == [LOW]
    assert set(begun.bodies) == {MEDIUM}
    assert 1.0 <= next(ticks) * 0.005 <= 1.5


def test_answers_of_other_threads_do_not_wait_until_all_is_read() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        intake = Intake(Begun(), loop)
        waiting = Caller(Call("weather", np.zeros((1, 7, 3))), loop, Reply(loop=loop))
        refusal = Refusal("shed", "full", cure="come back")
        other = Thread(target=tell, args=[[(waiting, refusal)]])
        other.start()
        other.join()
        assert not waiting.future.done()
        put(intake, LOW)
        assert isinstance(waiting.future.exception(), Refusal)

    asyncio.run(run())
