"""In which order requests begin that came in together."""

import asyncio
from threading import Thread

import numpy as np
import pytest

from foretell.serve.backend import Call, Refusal
from foretell.serve.models.callers import Caller, Reply
from foretell.serve.models.outbox import tell
from foretell.serve.protocols.http import Answered, Head, Response
from foretell.serve.replica import intake as room
from foretell.serve.replica.direct import Direct
from foretell.serve.replica.intake import Intake

LOW, MEDIUM, HIGH = (b'{"priority":"%s"}' % word for word in (b"low", b"medium", b"high"))


class Connection:
    def direct_done(self, sent: bytes, close: bool) -> None:
        """Nobody reads it."""


class Clock:
    """Goes on when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(room, "monotonic", clock)
    return clock


class Begun:
    """What began, in its order; what was refused, and how long it had waited."""

    def __init__(self, clock: Clock | None = None, *, takes: float = 0.0) -> None:
        """`takes`: seconds, to begin or refuse one."""
        self.bodies: list[bytes] = []
        self.refused: list[bytes] = []
        self.waited: list[float] = []
        self._clock, self._takes = clock or Clock(), takes

    async def whole(self, head: Head, body: bytes, arrived: float) -> Answered:
        self._clock.now += self._takes
        self.bodies.append(body)
        return Response(b""), []

    def turn_away(
        self, head: Head, body: bytes, arrived: float, refusal: Refusal | None = None
    ) -> Answered | None:
        if refusal is None:
            return None
        self.waited.append(self._clock.now - arrived)
        self._clock.now += self._takes
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


def test_where_more_comes_in_than_can_begin_the_late_are_refused_and_high_is_not(clock: Clock) -> None:
    """Eight come in while two can begin: what waited half a second is told so."""

    async def run() -> Begun:
        begun = Begun(clock, takes=0.002)
        intake = Intake(begun, asyncio.get_running_loop())
        for _ in range(200):
            refused = len(begun.refused)
            put(intake, *[LOW] * 8, HIGH)
            assert begun.bodies[-1] == HIGH, "it waits for no turn"
            assert len(begun.refused) == refused, "nobody is refused while sockets are read"
            await asyncio.sleep(0)
        return begun

    begun = asyncio.run(run())
    assert set(begun.refused) == {LOW}
    assert begun.bodies.count(HIGH) == 200
    assert begun.bodies.count(LOW) >= 400, "others begin all the same"
    assert min(begun.waited) > 0.5


def test_a_flood_of_refusals_leaves_the_sockets_their_turn(clock: Clock) -> None:
    """1,000 have waited too long: they are not all told in one turn."""

    async def run() -> int:
        begun = Begun(clock, takes=0.001)
        put(Intake(begun, asyncio.get_running_loop()), *[LOW] * 1_000)
        while not begun.refused:
            assert clock.now < 110.0
            clock.now += 0.1
            await asyncio.sleep(0)
        return len(begun.refused)

    assert asyncio.run(run()) == 4


def test_who_has_gone_does_not_begin() -> None:
    async def run() -> list[bytes]:
        begun = Begun()
        first, _ = put(Intake(begun, asyncio.get_running_loop()), LOW, MEDIUM)
        first.abandon()
        await asyncio.sleep(0)
        return begun.bodies

    assert asyncio.run(run()) == [MEDIUM]


def test_a_turn_ends_before_everything_has_begun(clock: Clock) -> None:
    async def run() -> list[int]:
        begun = Begun(clock, takes=0.003)
        put(Intake(begun, asyncio.get_running_loop()), *[LOW] * 6)
        counts = []
        for _ in range(3):
            await asyncio.sleep(0)
            counts.append(len(begun.bodies))
        return counts

    assert asyncio.run(run()) == [2, 4, 6]


def test_a_pause_of_the_whole_process_is_no_reason_to_refuse(clock: Clock) -> None:
    """What waited meanwhile, and what comes after it, is read."""

    async def run() -> Begun:
        begun = Begun(clock, takes=0.001)
        intake = Intake(begun, asyncio.get_running_loop())
        put(intake, *[LOW] * 20)
        clock.now += 5.0
        put(intake, *[LOW] * 10)
        while len(begun.bodies) < 30 and not begun.refused:
            await asyncio.sleep(0)
        return begun

    assert not asyncio.run(run()).refused


def test_as_many_callers_as_a_slow_machine_has_are_all_read(clock: Clock) -> None:
    """128 that ask again once they were answered, where a request takes 2 ms: each waits for the others."""

    async def run() -> Begun:
        begun = Begun(clock, takes=0.002)
        intake = Intake(begun, asyncio.get_running_loop())
        put(intake, *[LOW] * 128)
        while (answered := len(begun.bodies)) < 1_000 and not begun.refused:
            await asyncio.sleep(0)
            put(intake, *[LOW] * (len(begun.bodies) - answered))
        return begun

    assert not asyncio.run(run()).refused


def test_nobody_waits_for_ever_while_others_are_more_urgent(clock: Clock) -> None:
    """Half a second is the most: a medium one comes in while another begins."""

    async def run() -> Begun:
        begun = Begun(clock, takes=0.005)
        intake = Intake(begun, asyncio.get_running_loop())
        put(intake, LOW, MEDIUM)
        while not begun.refused:
            assert clock.now < 110.0
            put(intake, MEDIUM)
            await asyncio.sleep(0)
        return begun

    begun = asyncio.run(run())
    assert begun.refused == [LOW]
    assert set(begun.bodies) == {MEDIUM}
    assert 0.5 < begun.waited[0] < 0.52


def test_in_a_hurry_answers_to_others_wait_for_a_turn_of_their_own() -> None:
    """They would take the time in which urgent calls are read."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        begun = Begun()
        intake = Intake(begun, loop)
        waiting = Caller(Call("weather", np.zeros((1, 7, 3))), loop, Reply(loop=loop))
        put(intake, HIGH)
        _from_a_thread(waiting)
        put(intake, LOW, HIGH)
        assert not waiting.future.done()
        with pytest.raises(Refusal):
            await waiting.future

    asyncio.run(run())


def test_answers_of_other_threads_do_not_wait_until_all_is_read() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        intake = Intake(Begun(), loop)
        waiting = Caller(Call("weather", np.zeros((1, 7, 3))), loop, Reply(loop=loop))
        _from_a_thread(waiting)
        assert not waiting.future.done()
        put(intake, LOW)
        assert isinstance(waiting.future.exception(), Refusal)

    asyncio.run(run())


def _from_a_thread(waiting: Caller) -> None:
    refusal = Refusal("shed", "full", cure="come back")
    other = Thread(target=tell, args=[[(waiting, refusal)]])
    other.start()
    other.join()
