"""Requests leave nothing to the garbage collector: it would stop an urgent one for as long as it looks."""

import asyncio
import gc
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import msgspec
import pytest
from tests.serve.models.gated import Gated, busy, call, windows

from foretell.config import ServeSettings
from foretell.serve.backend import Answer
from foretell.serve.models.registry import Registry
from foretell.serve.models.served_model import ServedModel
from foretell.serve.protocols.app import App
from foretell.serve.protocols.http import Head
from foretell.serve.security.guard import Guard

TIMES = 200  # queues let go of what has ended when it is more than what waits, and a few more


@pytest.fixture
def collector() -> Iterator[None]:
    """It looks when it is asked, and shows what it finds."""
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


async def garbage(ask: Callable[[int], Awaitable[object]]) -> Counter[str]:
    """What it finds of our classes, by name, after so many requests."""
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    for seed in range(TIMES):
        await ask(seed)
    gc.collect()
    kinds = [type(thing) for thing in gc.garbage]
    return Counter(kind.__qualname__ for kind in kinds if kind.__module__.startswith("foretell."))


@pytest.mark.usefixtures("collector")
@pytest.mark.parametrize("left_s", [math.inf, 60.0], ids=["whenever", "in time"])
@pytest.mark.parametrize("warm", [True, False], ids=["inline", "by thread"])
def test_an_answered_call_leaves_none(serve: Callable[..., ServedModel], warm: bool, left_s: float) -> None:
    model = serve(warm=warm)

    async def ask(seed: int) -> Answer:
        asked = call(windows(1, seed))
        asked.deadline = None if left_s == math.inf else time.monotonic() + left_s
        return await model.infer(asked)

    assert not asyncio.run(garbage(ask))


@pytest.mark.usefixtures("collector")
def test_a_call_that_is_refused_leaves_none(serve: Callable[..., ServedModel], engine: Gated) -> None:
    model, settings = serve(), ServeSettings()
    guard = Guard(settings.security, settings.limits, loopback=True)
    app = App(Registry([model]), guard, settings, lambda: b"")
    head = Head.of("POST", "/v2/models/weather/infer", b"", [])

    async def ask(seed: int) -> None:
        """While the engine is held up its deadline passes."""
        data = windows(1, seed).ravel().tolist()
        tensor = {"name": "windows", "shape": [1, 7, 3], "datatype": "FP64", "data": data}
        body = msgspec.json.encode({"inputs": [tensor], "parameters": {"deadline_ms": 1}})
        response, _ = await app.whole(head, body, time.monotonic())
        assert response.status == 504

    async def run() -> Counter[str]:
        first = await busy(model, engine)
        found = await garbage(ask)
        engine.open.set()
        await first
        return found

    assert not asyncio.run(run())
