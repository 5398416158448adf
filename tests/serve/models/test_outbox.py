"""How answers of other threads reach the loops of their callers."""

import asyncio
import gc
from collections.abc import Sequence
from itertools import count, pairwise
from threading import Thread
from unittest.mock import patch
from weakref import ref

import numpy as np
import pytest

from foretell.serve.backend import Answer, Call, Priority
from foretell.serve.models import outbox as room
from foretell.serve.models.callers import Caller, Reply
from foretell.serve.models.outbox import Outbox, tell

ANSWER = Answer("weather", "1", {}, np.zeros(1, np.bool_))


def caller(priority: Priority = Priority.LOW) -> Caller:
    loop = asyncio.get_running_loop()
    return Caller(Call("weather", np.zeros((1, 7, 3)), priority=priority), loop, Reply(loop=loop))


def from_a_thread(callers: Sequence[Caller]) -> None:
    """The loop stands still meanwhile."""
    other = Thread(target=tell, args=[[(waiting, ANSWER) for waiting in callers]])
    other.start()
    other.join()


def test_from_another_thread_it_is_told_on_its_own_loop() -> None:
    async def run() -> Answer:
        waiting = caller()
        await asyncio.to_thread(tell, [(waiting, ANSWER)])
        return await waiting.future

    assert asyncio.run(run()) is ANSWER


def test_who_has_the_loop_for_long_empties_it() -> None:
    async def run() -> Answer:
        waiting = caller()
        from_a_thread([waiting])
        assert not waiting.future.done()
        Outbox.of(asyncio.get_running_loop()).tell(0.0)
        return waiting.future.result()

    assert asyncio.run(run()) is ANSWER


def test_in_a_hurry_only_urgent_answers_go_out_between() -> None:
    async def run() -> None:
        low, high = caller(), caller(Priority.HIGH)
        box = Outbox.of(asyncio.get_running_loop())
        box.hurry = 1.0
        from_a_thread([low, high])
        box.tell(0.5)
        assert (low.future.done(), high.future.done()) == (False, True)
        box.tell(1.0)
        assert low.future.done()

    asyncio.run(run())


def test_a_turn_ends_before_everybody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets have their turn between, and nobody is left; the urgent are told all in one."""
    ticks = count()
    monkeypatch.setattr(room, "monotonic", lambda: next(ticks) * 0.003)

    async def run() -> list[int]:
        callers = [caller() for _ in range(6)] + [caller(Priority.HIGH) for _ in range(5)]
        from_a_thread(callers)
        told = [0]
        while told[-1] < len(callers):
            await asyncio.sleep(0)
            told.append(sum(waiting.future.done() for waiting in callers))
        return told

    told = asyncio.run(run())
    assert [after for before, after in pairwise(told) if after > before] == [5, 7, 9, 11]


def test_in_a_hurry_turns_are_short() -> None:
    async def run() -> None:
        box = Outbox.of(asyncio.get_running_loop())
        box.hurry = 10.0
        assert box.turn(9.0) - 9.0 == pytest.approx((box.turn(10.0) - 10.0) / 2)

    asyncio.run(run())


def test_it_asks_for_one_turn_however_much_is_put() -> None:
    async def run() -> int:
        loop = asyncio.get_running_loop()
        with patch.object(loop, "call_soon_threadsafe", wraps=loop.call_soon_threadsafe) as asked:
            for _ in range(3):
                from_a_thread([caller()])
        return asked.call_count

    assert asyncio.run(run()) == 1


def test_it_goes_with_its_loop() -> None:
    loop = asyncio.new_event_loop()
    box = Outbox.of(loop)
    assert Outbox.of(loop) is box
    loop.close()
    gone = ref(box)
    del loop, box
    gc.collect()
    assert gone() is None
