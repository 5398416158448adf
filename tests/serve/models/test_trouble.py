"""Engines that hang, break or turn slow: nobody waits for them, and the model says what is wrong."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from tests.serve.models.gated import Gated, busy, call, in_flight, refused, until, windows

from foretell.serve.backend import Answer, Priority, Refusal
from foretell.serve.models import failures
from foretell.serve.models.figures import Figures
from foretell.serve.models.served_model import ServedModel
from foretell.telemetry import serve_metrics

Serve = Callable[..., ServedModel]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def quick(serve: Serve, figures: Figures | None = None) -> ServedModel:
    """One that is thought to be quick, however busy this machine is."""
    model = serve(figures, warm=True)
    model._scheduler.cost.seed({1: 1e-4})
    model._inline.seed({1: 1e-4})
    return model


def test_nobody_waits_behind_an_evaluation_that_does_not_end(serve: Serve, engine: Gated) -> None:
    model = serve(stuck_s=0.3)

    async def ask() -> tuple[list[Refusal], float, Refusal]:
        began = time.monotonic()
        first = await busy(model, engine)
        behind = [asyncio.create_task(model.infer(call(windows(2, seed)))) for seed in range(3)]
        told = [await refused(task) for task in (first, *behind)]
        waited = time.monotonic() - began
        return told, waited, await refused(asyncio.ensure_future(model.infer(call(1))))

    (inside, *behind), waited, late = asyncio.run(ask())
    assert 0.3 <= waited < 3.0
    assert (inside.status, inside.reason, inside.retry_after) == (500, "engine", None)
    for refusal in (*behind, late):
        assert (refusal.status, refusal.reason, refusal.retry_after) == (503, "not_ready", 1.0)
    assert "an evaluation has been under way for" in model.trouble()
    began = time.monotonic()
    model.close()
    assert time.monotonic() - began < 1.0, "closing waits for nothing"


def test_a_part_of_a_large_call_that_hangs_costs_all_of_it(serve: Serve, engine: Gated) -> None:
    model = serve(stuck_s=0.2, max_batch_size=2)

    async def ask() -> Refusal:
        engine.open.clear()
        return await refused(asyncio.ensure_future(model.infer(call(windows(7, 3)))))

    assert asyncio.run(ask()).reason == "engine"
    assert model.rows() == 0


def test_one_that_ends_after_all_is_well_again(serve: Serve, engine: Gated) -> None:
    model = serve(stuck_s=0.2)

    async def ask() -> Answer:
        first = await busy(model, engine)
        await refused(first)
        engine.open.set()
        await until(lambda: not model.trouble())
        return await model.infer(call(windows(3, 8)))

    assert asyncio.run(ask()).outputs["forecast"].shape == (3, 7, 1)


def test_what_may_hang_is_not_evaluated_on_the_loop(serve: Serve, engine: Gated) -> None:
    for bounded in (True, False):
        engine.bounded = bounded
        model = quick(serve)
        asyncio.run(model.infer(call(1)))
        assert (threading.current_thread().name in engine.threads) == bounded


def test_a_long_roll_out_is_not_evaluated_on_the_loop(serve: Serve, engine: Gated) -> None:
    model = quick(serve)
    asyncio.run(model.infer(call(1, horizon=7 * 40)))
    assert threading.current_thread().name not in engine.threads


def test_a_late_answer_is_none_whoever_evaluated_it(serve: Serve, engine: Gated) -> None:
    for bounded in (True, False):
        engine.bounded, engine.slow = bounded, 0.0
        figures = Figures()
        model = quick(serve, figures)
        engine.slow = 0.08
        due = time.monotonic() + 0.02
        asked = call(1, deadline=due, priority=Priority.HIGH)
        with pytest.raises(Refusal) as caught:
            asyncio.run(model.infer(asked))
        assert caught.value.reason == "deadline_passed"
        misses = figures.snapshot({}, {}).by_label(serve_metrics.DEADLINE_MISSES)
        assert misses == {"weather,high,deadline_passed": 1}


def test_after_a_slow_surprise_the_loop_is_spared(serve: Serve, engine: Gated) -> None:
    model, here = quick(serve), threading.current_thread().name

    async def ask() -> None:
        await model.infer(call(windows(1, 1)))
        engine.slow = 0.05
        for seed in range(5):
            await model.infer(call(windows(1, seed)))
        engine.slow = 0.0
        async with asyncio.timeout(5):  # what is quick again is trusted again
            while engine.threads[-1] != here:
                await asyncio.sleep(0.001)
                await model.infer(call(windows(1, len(engine.threads))))

    asyncio.run(ask())
    assert engine.threads[:2] == [here] * 2
    assert here not in engine.threads[2:10]


def test_an_engine_that_fails_on_everything_is_in_trouble(
    serve: Serve, engine: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "_LASTING_S", 0.2)
    model = serve()
    engine.broken = True

    async def ask() -> None:
        began = time.monotonic()
        refusal = await refused(asyncio.ensure_future(model.infer(call(1))))
        assert refusal.reason == "engine"
        assert not model.trouble(), "once may be chance"
        while time.monotonic() < began + 0.25:
            await refused(asyncio.ensure_future(model.infer(call(windows(2, 3)))))
        assert "every evaluation has failed" in model.trouble()
        engine.broken = False
        await model.infer(call(1))
        assert not model.trouble()

    asyncio.run(ask())


def test_calls_that_no_engine_could_answer_are_no_trouble(
    serve: Serve, engine: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One client that sends such calls, and no others, must not take replica after replica down."""
    monkeypatch.setattr(failures, "_LASTING_S", 0.0)
    model, bad = serve(), windows(1)
    bad[0, 0, 0] = 666

    async def ask() -> None:
        for _ in range(5):
            assert (await refused(asyncio.ensure_future(model.infer(call(bad))))).reason == "engine"

    asyncio.run(ask())
    assert model._failures._first is None
    assert engine.batches.count(1) == 10, "each time a window of zeros was tried"


def test_what_failed_says_nothing_of_what_a_batch_costs(serve: Serve, engine: Gated) -> None:
    model = serve(warm=True)
    before = model._scheduler.cost.seconds(1)
    engine.broken, engine.slow = True, 0.01
    for seed in range(6):
        asyncio.run(swallow(model, seed))
    assert model._scheduler.cost.seconds(1) == before


async def swallow(model: ServedModel, seed: int) -> None:
    await refused(asyncio.ensure_future(model.infer(call(windows(1, seed)))))


def test_an_answer_that_cannot_be_made_is_told(
    serve: Serve, engine: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    model = serve()
    monkeypatch.setattr("foretell.serve.models.served_model.joined", fails)
    assert asyncio.run(told(model)).reason == "engine"
    monkeypatch.undo()
    assert asyncio.run(model.infer(call(2))).batch_rows == 2, "and the next is answered"


async def told(model: ServedModel) -> Refusal:
    return await refused(asyncio.ensure_future(model.infer(call(1))))


def test_closing_waits_for_an_evaluation_on_another_loop(serve: Serve, engine: Gated) -> None:
    model = serve(warm=True)
    closed = threading.Event()
    model._forecaster.close = closed.set  # type: ignore[method-assign]
    engine.open.clear()
    engine.entered.clear()
    asking = threading.Thread(target=lambda: asyncio.run(told(model)))
    asking.start()
    assert engine.entered.wait(5)
    closing = threading.Thread(target=model.close)
    closing.start()
    assert not closed.wait(0.1), "the engine is still in use"
    engine.open.set()
    closing.join(5)
    asking.join(5)
    assert closed.is_set()


def test_whatever_happens_each_call_comes_to_one_end(serve: Serve, engine: Gated) -> None:
    """Three loops ask, give up and set deadlines at random, and the model is closed in the middle of it."""
    figures = Figures()
    model = serve(figures, warm=True, max_queue_rows=40, max_batch_size=8)
    engine.slow = 0.0005
    ends: list[str] = []

    async def one(rng: np.random.Generator) -> None:
        patience = [None, 0.001, 0.02][rng.integers(3)]
        deadline = None if patience is None else time.monotonic() + patience
        asked = call(windows(int(rng.integers(1, 12)), int(rng.integers(4))), deadline=deadline)
        try:
            async with asyncio.timeout([None, 0.0, 0.002][rng.integers(3)]):
                await model.infer(asked)
            ends.append("ok")
        except Refusal as refusal:
            ends.append(refusal.reason)
        except TimeoutError:
            ends.append("cancelled")

    async def many(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(40):
            await asyncio.gather(*(one(rng) for _ in range(int(rng.integers(1, 6)))))

    asked = [threading.Thread(target=lambda seed=seed: asyncio.run(many(seed))) for seed in range(3)]
    for thread in asked:
        thread.start()
    deadline = time.monotonic() + 8
    while len(ends) < 150 and time.monotonic() < deadline:
        time.sleep(0.001)
    model.close()
    for thread in asked:
        thread.join(9)
    assert not any(thread.is_alive() for thread in asked), "somebody still waits"
    assert {"ok", "cancelled", "not_ready"} <= set(ends)
    assert in_flight(model) == model.rows() == 0
