"""Who is told what came of a call, and when."""

import asyncio
import gc
from threading import Thread
from weakref import ref

import numpy as np
import pytest

from foretell.serve.backend import Answer, Call, Refusal
from foretell.serve.models.callers import Caller, Outbox, Reply, tell

CALL = Call("weather", np.zeros((1, 7, 3)))
ANSWER = Answer("weather", "1", {}, np.zeros(1, np.bool_))
REFUSAL = Refusal("shed", "full", cure="come back", retry_after=1.0)


def caller() -> Caller:
    loop = asyncio.get_running_loop()
    return Caller(CALL, loop, Reply(loop=loop))


def test_one_who_steps_is_told_at_once() -> None:
    async def run() -> None:
        waiting = caller()
        steps: list[Reply] = []
        waiting.future.step = steps.append
        tell([(waiting, ANSWER)])
        assert steps == [waiting.future]
        assert waiting.future.result() is ANSWER
        assert waiting.future.step is None
        waiting.tell(REFUSAL)
        assert len(steps) == 1, "what came first holds"

    asyncio.run(run())


def test_others_await_it_as_any_future() -> None:
    async def run() -> Answer:
        waiting = caller()
        asyncio.get_running_loop().call_soon(tell, [(waiting, ANSWER)])
        return await waiting.future

    assert asyncio.run(run()) is ANSWER


def test_each_has_a_refusal_of_its_own() -> None:
    async def run() -> None:
        several = [caller() for _ in range(2)]
        tell([(waiting, REFUSAL) for waiting in several])
        told = [waiting.future.exception() for waiting in several]
        assert told[0] is not told[1]
        with pytest.raises(Refusal, match="full"):
            await several[0].future

    asyncio.run(run())


def test_from_another_thread_it_is_told_on_its_own_loop() -> None:
    async def run() -> Answer:
        waiting = caller()
        await asyncio.to_thread(tell, [(waiting, ANSWER)])
        return await waiting.future

    assert asyncio.run(run()) is ANSWER


def test_who_has_the_loop_for_long_empties_its_outbox() -> None:
    async def run() -> Answer:
        waiting = caller()
        other = Thread(target=tell, args=[[(waiting, ANSWER)]])
        other.start()
        other.join()  # and the loop stands still
        assert not waiting.future.done()
        Outbox.of(asyncio.get_running_loop()).empty()
        return waiting.future.result()

    assert asyncio.run(run()) is ANSWER


def test_an_outbox_goes_with_its_loop() -> None:
    loop = asyncio.new_event_loop()
    box = Outbox.of(loop)
    assert Outbox.of(loop) is box
    loop.close()
    gone = ref(box)
    del loop, box
    gc.collect()
    assert gone() is None
