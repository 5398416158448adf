"""Where a worker's time goes: its methods timed from outside, each second counted for the innermost step."""

import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from foretell.forecasting.forecaster import Forecaster
from foretell.rows.decoder import RowDecoder
from foretell.stream.worker import transaction
from foretell.stream.worker.courier import Courier
from foretell.stream.worker.intake import Intake
from foretell.stream.worker.pipeline import Pipeline
from foretell.stream.worker.series import SeriesTable
from foretell.stream.worker.transaction import ExactlyOnce
from foretell.stream.worker.worker import Worker
from foretell.windows.windows import Windows

# What is timed, and as which step. The first line is the loop: what no other line claims is `other`.
_STEPS: tuple[tuple[Any, str, str], ...] = (
    (Worker, "_turn", "other"),
    (Intake, "poll", "poll"),
    (RowDecoder, "decode", "decode"),
    (SeriesTable, "ids", "windows"),
    (Windows, "update", "windows"),
    (Forecaster, "predict", "inference"),
    (Pipeline, "_encode", "encode"),
    (Pipeline, "_record", "changelog"),
    (Courier, "settle", "wait for delivery"),
    (transaction, "produce_all", "produce"),
    (ExactlyOnce, "send", "commit"),
)
BESIDE = ("encode", "produce", "commit")  # they run in the courier's thread, beside the loop
LIBRDKAFKA = "librdkafka's threads"


class Step(msgspec.Struct):
    """Attributes: `share` of the loop's wall time, `cpu` of the process's CPU time."""

    share: float
    cpu: float


class Stopwatch:
    """Times every worker of this process; what one step calls of another is the other's."""

    def __init__(self) -> None:
        self._wall: dict[str, float] = {}
        self._cpu: dict[str, float] = {}
        self._thread = threading.local()

    def watch(self) -> None:
        """From now on."""
        for owner, name, step in _STEPS:
            setattr(owner, name, self._timed(getattr(owner, name), step))

    def steps(self, cpu_s: float) -> dict[str, Step]:
        """Most costly first. `cpu_s`: of the whole process; what no step has used is librdkafka's."""
        if not self._wall:
            return {}
        loop = sum(seconds for step, seconds in self._wall.items() if step not in BESIDE)
        found = {step: Step(self._wall[step] / loop, self._cpu[step] / cpu_s) for step in self._wall}
        found[LIBRDKAFKA] = Step(0.0, 1 - sum(self._cpu.values()) / cpu_s)
        return dict(sorted(found.items(), key=lambda item: -max(item[1].share, item[1].cpu)))

    def _timed(self, function: Callable[..., Any], step: str) -> Callable[..., Any]:
        self._wall[step] = self._cpu[step] = 0.0

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            inner = self._thread.__dict__.setdefault("inner", [])  # of the steps under way in this thread
            inner.append((0.0, 0.0))
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
                inner_wall, inner_cpu = inner.pop()
                self._wall[step] += wall - inner_wall
                self._cpu[step] += cpu - inner_cpu
                if inner:
                    inner[-1] = inner[-1][0] + wall, inner[-1][1] + cpu

        return timed


def told(steps: dict[str, Step]) -> str:
    """For a person: what the loop does all the time, what runs beside it, and whose the CPU is."""
    loop = [f"{name} {step.share:.0%}" for name, step in steps.items() if name not in (*BESIDE, LIBRDKAFKA)]
    beside = [f"{name} {step.share:.0%}" for name, step in steps.items() if name in BESIDE]
    by_cpu = sorted(steps.items(), key=lambda item: -item[1].cpu)
    cpu = [f"{name} {step.cpu:.0%}" for name, step in by_cpu if step.cpu >= 0.01]
    return f"the loop: {', '.join(loop)}; beside it: {', '.join(beside)}; CPU: {', '.join(cpu)}"
