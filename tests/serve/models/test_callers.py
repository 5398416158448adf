"""Who is told what came of a call, and when."""

import asyncio

import numpy as np
import pytest

from foretell.serve.backend import Answer, Call, Refusal
from foretell.serve.models.callers import Caller, Reply
from foretell.serve.models.outbox import tell

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
