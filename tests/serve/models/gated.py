"""A model behind an engine that a test holds in its hand, and calls for it."""

import asyncio
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from foretell.engines.engine import Evaluated
from foretell.errors import EngineError
from foretell.forecasting.forecaster import Forecaster
from foretell.serve.backend import Answer, Call, Refusal
from foretell.serve.models.served_model import ServedModel

Windows = NDArray[np.float64]


class Gated:
    """An engine that evaluates when it is let, and fails on windows whose first number is 666.

    Attributes:
        open, entered: it waits for the one, and sets the other. batches, threads: rows, and who ran them.
        broken: it fails on everything. slow: seconds that it takes.
    """

    name, chunk, input_shape, device = "gated", 1024, (7, 3), "cpu"

    def __init__(self, inner: Forecaster) -> None:
        self.bounded = True
        self.broken = False
        self.output_shapes: dict[str, tuple[int, ...]] = {"forecast": (7,)}
        self._inner = inner.engine
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.batches: list[int] = []
        self.threads: list[str] = []
        self.slow = 0.0

    def run(self, windows: NDArray[np.float32]) -> Evaluated:
        self.entered.set()
        assert self.open.wait(8)
        self.batches.append(len(windows))
        self.threads.append(threading.current_thread().name)
        end = time.monotonic() + self.slow
        while time.monotonic() < end:
            pass
        if self.broken or (np.abs(windows[:, 0, 0] - (666 - 50) / 20) < 1e-3).any():
            raise EngineError("secret/path: the runtime failed")
        return self._inner.run(windows)

    def close(self) -> None:
        self._inner.close()


def windows(n: int, seed: int = 1) -> Windows:
    return np.random.default_rng(seed).normal(50.0, 20.0, (n, 7, 3))


def call(given: Windows | int, **more: object) -> Call:
    given = windows(given) if isinstance(given, int) else given
    return Call("weather", given, **more)  # type: ignore[arg-type]


async def busy(model: ServedModel, engine: Gated) -> "asyncio.Task[Answer]":
    """A call that the engine is held up by."""
    engine.open.clear()
    engine.entered.clear()
    task = asyncio.create_task(model.infer(call(windows(1, seed=999))))
    await asyncio.to_thread(engine.entered.wait, 5)
    return task


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.001)


def in_flight(model: ServedModel) -> int:
    return sum(model.waiting().values())


async def refused(awaitable: "asyncio.Future[Answer]") -> Refusal:
    with pytest.raises(Refusal) as caught:
        await awaitable
    return caught.value
