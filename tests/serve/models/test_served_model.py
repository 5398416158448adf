"""A model behind its queue: the right answers to the right callers, whatever happens meanwhile."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.serve.models.gated import Gated, busy, call, in_flight, refused, until, windows

from foretell.config import BatchSettings
from foretell.forecasting.forecaster import Forecaster
from foretell.rows.adapter import Adapter, FeatureRule
from foretell.serve.backend import Answer, Call, Priority, Refusal
from foretell.serve.models.figures import Figures
from foretell.serve.models.served_model import ServedModel
from foretell.telemetry import serve_metrics

MakeBundle = Callable[..., Path]


@pytest.mark.parametrize("warm", [True, False], ids=["inline", "by thread"])
def test_everybody_gets_his_own_answer(
    serve: Callable[..., ServedModel], forecaster: Forecaster, warm: bool
) -> None:
    model = serve(warm=warm, max_batch_size=16)
    asked = [windows(1 + seed % 5, seed) for seed in range(200)]

    async def ask() -> list[Answer]:
        alone = await model.infer(call(asked[0]))
        return [alone, *await asyncio.gather(*(model.infer(call(w)) for w in asked[1:]))]

    for given, answer in zip(asked, asyncio.run(ask()), strict=True):
        expected = forecaster.predict(given).values
        assert answer.outputs["forecast"].shape == expected.shape
        assert np.abs(answer.outputs["forecast"] - expected).max() <= 1e-4
        assert answer.queue_s >= 0.0
        assert answer.inference_s > 0.0
        assert answer.batch_rows >= 1


def test_calls_from_several_loops_of_several_threads(model: ServedModel, forecaster: Forecaster) -> None:
    answers: dict[int, list[Answer]] = {}

    async def ask(seed: int) -> list[Answer]:
        return [await model.infer(call(windows(2, seed * 100 + i))) for i in range(30)]

    def loop(seed: int) -> None:
        answers[seed] = asyncio.run(ask(seed))

    threads = [threading.Thread(target=loop, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(8)
    for seed in range(3):
        for i, answer in enumerate(answers[seed]):
            expected = forecaster.predict(windows(2, seed * 100 + i)).values
            assert np.abs(answer.outputs["forecast"] - expected).max() <= 1e-4


def test_a_call_that_is_cancelled_before_its_turn_leaves_nothing_behind(
    serve: Callable[..., ServedModel], forecaster: Forecaster, caplog: pytest.LogCaptureFixture
) -> None:
    model = serve(max_batch_size=16)

    async def ask() -> Answer:
        together = [asyncio.create_task(model.infer(call(windows(1, seed)))) for seed in range(2)]
        await asyncio.sleep(0)
        for task in together:
            task.cancel()
        await asyncio.gather(*together, return_exceptions=True)
        return await model.infer(call(windows(1, 7)))

    answer = asyncio.run(ask())
    assert np.abs(answer.outputs["forecast"] - forecaster.predict(windows(1, 7)).values).max() <= 1e-4
    assert not caplog.records


def test_a_loop_that_is_closed_before_its_turn_keeps_nobody(
    serve: Callable[..., ServedModel], forecaster: Forecaster
) -> None:
    model = serve(max_batch_size=16)

    def ask(seed: int) -> Answer:
        return asyncio.run(asyncio.wait_for(model.infer(call(windows(1, seed))), 5))

    async def leave() -> None:
        for seed in range(3):
            asyncio.create_task(model.infer(call(windows(1, seed))))  # noqa: RUF006
        await asyncio.sleep(0)

    asyncio.run(leave())
    assert np.abs(ask(9).outputs["forecast"] - forecaster.predict(windows(1, 9)).values).max() <= 1e-4


def test_what_comes_while_the_engine_is_busy_goes_together(model: ServedModel, engine: Gated) -> None:
    async def ask() -> list[Answer]:
        first = await busy(model, engine)
        rest = [asyncio.create_task(model.infer(call(windows(2, seed)))) for seed in range(10)]
        await until(lambda: in_flight(model) == 11)
        engine.open.set()
        return [await first, *await asyncio.gather(*rest)]

    answers = asyncio.run(ask())
    assert engine.batches == [1, 20]
    assert [answer.batch_rows for answer in answers] == [1] + [20] * 10


def test_a_large_call_goes_in_parts_and_comes_back_whole(
    serve: Callable[..., ServedModel], engine: Gated, forecaster: Forecaster
) -> None:
    given = windows(50)
    given[33] = np.nan
    answer = asyncio.run(serve(max_batch_size=16).infer(call(given)))
    assert max(engine.batches) <= 16
    expected = forecaster.predict(given)
    assert answer.refused.tolist() == expected.refused.tolist()
    assert answer.steps is not None
    assert answer.steps.tolist() == expected.steps.tolist()
    assert np.nanmax(np.abs(answer.outputs["forecast"] - expected.values)) <= 1e-4


def test_urgent_calls_go_first(serve: Callable[..., ServedModel], engine: Gated) -> None:
    model, order = serve(max_batch_size=1), []

    async def one(priority: Priority, seed: int) -> None:
        await model.infer(call(windows(1, seed), priority=priority))
        order.append(priority)

    async def ask() -> None:
        first = await busy(model, engine)
        tasks = [asyncio.create_task(one(priority, priority)) for priority in Priority]
        await until(lambda: in_flight(model) == 4)
        engine.open.set()
        await asyncio.gather(first, *tasks)

    asyncio.run(ask())
    assert order == [Priority.HIGH, Priority.MEDIUM, Priority.LOW]


def test_equal_calls_are_evaluated_once(serve: Callable[..., ServedModel], engine: Gated) -> None:
    figures = Figures()
    model = serve(figures)

    async def ask() -> list[Answer]:
        first = await busy(model, engine)
        same = [asyncio.create_task(model.infer(call(windows(3)))) for _ in range(5)]
        shorter = asyncio.create_task(model.infer(call(3, horizon=2)))
        await until(lambda: in_flight(model) == 7)
        engine.open.set()
        await first
        return await asyncio.gather(*same, shorter)

    answers = asyncio.run(ask())
    assert engine.batches == [1, 3]
    whole = answers[0].outputs["forecast"]
    assert all(np.array_equal(answer.outputs["forecast"], whole) for answer in answers[:5])
    assert np.array_equal(answers[5].outputs["forecast"], whole[:, :2])
    assert answers[5].steps is not None
    assert answers[5].steps.tolist() == [2] * 3
    assert figures.snapshot({}, {}).total(serve_metrics.COALESCED) == 5


def test_calls_that_round_alike_share_where_a_resolution_says_so(
    serve: Callable[..., ServedModel], engine: Gated
) -> None:
    model = serve(resolution={"temperature": 1.0, "wind_speed": 1.0, "dewpoint": 1.0})
    given = np.full((1, 7, 3), 50.0)

    async def ask() -> None:
        first = await busy(model, engine)
        near = [asyncio.create_task(model.infer(call(given + off))) for off in (0.0, 0.4, -0.4, 0.6)]
        await until(lambda: in_flight(model) == 5)
        engine.open.set()
        await asyncio.gather(first, *near)

    asyncio.run(ask())
    assert engine.batches == [1, 2]


def test_a_cancelled_call_is_not_evaluated(serve: Callable[..., ServedModel], engine: Gated) -> None:
    figures = Figures()
    model = serve(figures)

    async def ask() -> None:
        first = await busy(model, engine)
        gone = asyncio.create_task(model.infer(call(windows(4, 7))))
        stays = asyncio.create_task(model.infer(call(windows(2, 8))))
        await until(lambda: in_flight(model) == 3)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        engine.open.set()
        await asyncio.gather(first, stays)

    asyncio.run(ask())
    assert engine.batches == [1, 2]
    assert figures.snapshot({}, {}).by_label(serve_metrics.CANCELLED) == {"weather,low": 1}


def test_a_deadline_passes_while_the_engine_is_stuck(model: ServedModel, engine: Gated) -> None:
    async def ask() -> tuple[Refusal, float]:
        start = time.monotonic()
        first = await busy(model, engine)
        late = asyncio.create_task(model.infer(call(windows(1, 5), deadline=start + 0.2)))
        refusal = await refused(late)
        waited = time.monotonic() - start
        engine.open.set()
        await first
        return refusal, waited

    refusal, waited = asyncio.run(ask())
    assert refusal.reason == "deadline_passed"
    assert 0.2 <= waited < 2.0
    assert engine.batches == [1]
    assert not model.trouble()


def test_one_under_way_is_told_at_its_deadline_too(model: ServedModel, engine: Gated) -> None:
    async def ask() -> Refusal:
        engine.open.clear()
        return await refused(asyncio.ensure_future(model.infer(call(1, deadline=time.monotonic() + 0.1))))

    assert asyncio.run(ask()).reason == "deadline_passed"


def test_what_cannot_be_in_time_is_refused_before_it_waits(
    serve: Callable[..., ServedModel], engine: Gated
) -> None:
    engine.bounded = False  # nothing is evaluated inline
    model = serve(warm=True)

    async def ask() -> Refusal:
        first = await busy(model, engine)
        soon = time.monotonic() + 1e-5
        refusal = await refused(asyncio.ensure_future(model.infer(call(400, deadline=soon))))
        engine.open.set()
        await first
        return refusal

    refusal = asyncio.run(ask())
    assert refusal.status == 504
    assert engine.batches == [1]


def test_a_full_queue_sheds_the_lowest_first(serve: Callable[..., ServedModel], engine: Gated) -> None:
    model = serve(max_queue_rows=10, max_batch_size=10)

    async def ask() -> list[Answer | BaseException]:
        first = await busy(model, engine)
        classes = [Priority.MEDIUM, Priority.LOW, Priority.HIGH, Priority.LOW]
        tasks = []
        for seed, priority in enumerate(classes):
            tasks.append(asyncio.create_task(model.infer(call(windows(5, seed), priority=priority))))
            await asyncio.sleep(0)
        await until(lambda: tasks[1].done() and tasks[3].done())
        engine.open.set()
        return await asyncio.gather(first, *tasks, return_exceptions=True)

    _, medium, low, high, newest = asyncio.run(ask())
    assert isinstance(medium, Answer)
    assert isinstance(high, Answer)
    for shed in (low, newest):
        assert isinstance(shed, Refusal)
        assert shed.status == 429
        assert shed.retry_after is not None
        assert 0 < shed.retry_after <= 60


def test_one_that_the_runtime_fails_on_fails_alone(
    model: ServedModel, engine: Gated, caplog: pytest.LogCaptureFixture
) -> None:
    bad = windows(1)
    bad[0, 0, 0] = 666

    async def ask() -> list[Answer | BaseException]:
        first = await busy(model, engine)
        tasks = [asyncio.create_task(model.infer(call(w))) for w in (windows(2, 3), bad, windows(3, 4))]
        await until(lambda: in_flight(model) == 4)
        engine.open.set()
        await first
        return await asyncio.gather(*tasks, return_exceptions=True)

    with caplog.at_level(logging.CRITICAL):
        good, failed, other = asyncio.run(ask())
    assert isinstance(good, Answer)
    assert isinstance(other, Answer)
    assert isinstance(failed, Refusal)
    assert failed.reason == "engine"
    assert "secret" not in str(failed)
    assert engine.batches == [1, 6, 2, 1, 3]
    assert not model.trouble()


def test_a_roll_out_and_native_forecasts_share_a_batch(
    model: ServedModel, engine: Gated, forecaster: Forecaster
) -> None:
    async def ask() -> list[Answer]:
        first = await busy(model, engine)
        horizons = (None, 3, 20, 20, 9)
        tasks = [
            asyncio.create_task(model.infer(call(windows(2, i), horizon=h))) for i, h in enumerate(horizons)
        ]
        await until(lambda: in_flight(model) == 6)
        engine.open.set()
        await first
        return await asyncio.gather(*tasks)

    for i, (answer, horizon) in enumerate(zip(asyncio.run(ask()), (7, 3, 20, 20, 9), strict=True)):
        expected = forecaster.predict(windows(2, i), horizon)
        assert answer.outputs["forecast"].shape == (2, horizon, 1)
        assert answer.outputs["forecast"] == pytest.approx(expected.values, abs=1e-3, nan_ok=True)
        assert answer.steps is not None
        assert answer.steps.tolist() == expected.steps.tolist()


def test_a_roll_out_that_lacks_times_is_invalid_and_alone(tmp_path: Path, make_bundle: MakeBundle) -> None:
    features = ("temperature", "hour")
    adapter = Adapter(features={"hour": FeatureRule(derive="hour_sin")})
    path = make_bundle(tmp_path / "calendar", features=features, adapter=adapter)
    model = ServedModel(Forecaster.open(path), BatchSettings())
    given = np.full((1, 7, 2), 50.0)

    async def ask() -> tuple[Refusal, Answer]:
        with_times = Call("weather", given, horizon=9, newest_us=np.zeros(1, np.int64))
        without = Call("weather", given, horizon=9)
        tasks = [asyncio.create_task(model.infer(c)) for c in (without, with_times)]
        return await refused(tasks[0]), await tasks[1]

    refusal, answer = asyncio.run(ask())
    assert refusal.status == 422
    assert answer.outputs["forecast"].shape == (1, 9, 1)
    model.close()


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (call(np.zeros((2, 6, 3))), "windows"),
        (call(np.zeros((0, 7, 3))), "windows"),
        (call(np.zeros((7, 3))), "windows"),
        (call(1, horizon=0), "horizon"),
        (call(1, horizon=10**9), "horizon"),
        (call(1, outputs=["forecast", "mood"]), "outputs[1]"),
        (call(2, horizon=9, newest_us=np.zeros(1, np.int64)), "newest_us"),
    ],
)
def test_what_does_not_fit_the_model_is_invalid(model: ServedModel, wrong: Call, path: str) -> None:
    with pytest.raises(Refusal) as caught:
        asyncio.run(model.infer(wrong))
    assert caught.value.status == 422
    assert caught.value.path == path


def test_closing_refuses_what_waits(model: ServedModel, engine: Gated) -> None:
    async def ask() -> list[Refusal]:
        first = await busy(model, engine)
        waiting = asyncio.create_task(model.infer(call(windows(1, 3))))
        await until(lambda: in_flight(model) == 2)
        closing = asyncio.create_task(asyncio.to_thread(model.close))
        refusals = [await refused(first), await refused(waiting)]
        engine.open.set()
        await closing
        return [*refusals, await refused(asyncio.ensure_future(model.infer(call(1))))]

    assert [refusal.reason for refusal in asyncio.run(ask())] == ["not_ready"] * 3


def test_figures_tell_of_batches_and_waits(serve: Callable[..., ServedModel]) -> None:
    figures = Figures()
    model = serve(figures)

    async def ask() -> None:
        for seed in range(3):
            await model.infer(call(windows(4, seed), priority=Priority.HIGH))
        # Callers are told first, and then it is counted.
        await until(lambda: figures.snapshot({}, {}).buckets(serve_metrics.BATCH_ROWS)["weather"].sum == 12)

    asyncio.run(ask())
    snapshot = figures.snapshot({"weather,low": 2}, {"weather": 3})
    assert snapshot.buckets(serve_metrics.INFERENCE)["weather"].counts.sum() == 3
    assert snapshot.buckets(serve_metrics.QUEUE_TIME)["high"].counts.sum() == 3
    assert snapshot.by_label(serve_metrics.QUEUE) == {"weather,low": 2}


@pytest.mark.parametrize("warm", [True, False], ids=["inline", "by thread"])
def test_a_defect_in_a_decision_is_told_and_the_next_call_is_answered(
    serve: Callable[..., ServedModel], warm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = serve(warm=warm)
    choose, failures = model._scheduler.next, [StopIteration, StopIteration]

    def fail_once(*args: Any) -> object:
        if failures:
            raise failures.pop()
        return choose(*args)

    monkeypatch.setattr(model._scheduler, "next", fail_once)

    async def ask() -> None:
        for _ in range(2):
            with pytest.raises(Refusal, match="runtime failed"):
                await asyncio.wait_for(model.infer(call(windows(1))), 5)
        await asyncio.wait_for(model.infer(call(windows(1))), 5)

    asyncio.run(ask())
