"""The adaptive batcher beside fixed sizes and waits, found by sweep, for a light model and a heavy one."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import uvloop

from benchmarks.figures import Figure, Part, Target
from benchmarks.models import model_a, model_b
from benchmarks.serve.sizes import Sizes
from foretell.bundle.bundle import Bundle
from foretell.config import BatchSettings
from foretell.forecasting.forecaster import Forecaster
from foretell.serve.backend import Call
from foretell.serve.models.served_model import ServedModel
from foretell.serve.scheduler.scheduler import Scheduler

ADAPTIVE = "adaptive"
GOAL = Target(">=", 0.95)
_VARIETY = 512


class Fixed(Scheduler):
    """As most servers batch: a batch is closed when it is full, or when its first row has waited so long."""

    def _most_load(self, now: float) -> int:
        return self._settings.max_batch_size

    def _worth_waiting(self, now: float) -> float:
        if self._queue.load >= self._settings.max_batch_size:
            return now
        if self._filling is None:
            self._filling = now
        return self._filling + self._settings.batch_wait_timeout_s


def measure(sizes: Sizes) -> Part:
    """Answers a second by model, callers and policy; they take turns, so that all meet the same machine."""
    part = Part("batching")
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as name:
        for label, make in (("A", model_a), ("B", model_b)):
            part.figures += _sweep(label, make(Path(name)), sizes, part)
    part.figures.sort(key=lambda figure: figure.target is None)
    return part


def _sweep(label: str, bundle: Bundle, sizes: Sizes, part: Part) -> list[Figure]:
    policies = _policies(bundle, sizes)
    figures: list[Figure] = []
    for callers in sizes.callers:
        rates: dict[str, list[float]] = {name: [] for name in policies}
        for turn in range(sizes.turns + 1):
            for name, model in policies.items():
                rate = uvloop.run(_turn(model, bundle, callers, sizes.turn_s))
                if turn:  # the first was to warm up
                    rates[name].append(rate)
        best = max((name for name in rates if name != ADAPTIVE), key=lambda name: median(rates[name]))
        ratios = [mine / other for mine, other in zip(rates[ADAPTIVE], rates[best], strict=True)]
        what = f"model {label}, {callers} caller{'s' if callers > 1 else ''}"
        figures += [
            Figure(f"{what}: adaptive / best fixed", ratios, "ratio", GOAL, f"best: {best}"),
            Figure(f"{what}: adaptive", rates[ADAPTIVE], "answers/s"),
            Figure(f"{what}: {best}", rates[best], "answers/s"),
        ]
        part.details[what] = {name: median(values) for name, values in rates.items()}
    for model in policies.values():
        model.close()
    return figures


def _policies(bundle: Bundle, sizes: Sizes) -> dict[str, ServedModel]:
    models = {ADAPTIVE: _model(bundle, BatchSettings(), Scheduler)}
    for rows in sizes.batch_sizes:
        for wait_ms in sizes.waits_ms if rows > 1 else (0.0,):
            settings = BatchSettings(max_batch_size=rows, batch_wait_timeout_s=wait_ms / 1e3)
            models[f"{rows} rows, {wait_ms:g} ms"] = _model(bundle, settings, Fixed)
    return models


def _model(bundle: Bundle, settings: BatchSettings, scheduler: Callable[..., Scheduler]) -> ServedModel:
    model = ServedModel(Forecaster.of(bundle), settings)
    # The model is the same for all: only who decides is another.
    model._scheduler = scheduler(settings, model._scheduler.cost)
    model.warm_up()
    return model


async def _turn(model: ServedModel, bundle: Bundle, callers: int, seconds: float) -> float:
    """Answers/s of so many callers, each asking again as soon as it was answered."""
    windows = np.random.default_rng(callers).uniform(30, 70, (_VARIETY, 1, *bundle.manifest.input_shape))
    answers, begin = 0, time.perf_counter()

    async def ask(number: int) -> None:
        nonlocal answers
        while time.perf_counter() < begin + seconds:
            await model.infer(Call(bundle.manifest.name, windows[number % _VARIETY]))
            number += callers
            answers += 1

    await asyncio.gather(*(ask(number) for number in range(callers)))
    return answers / (time.perf_counter() - begin)
