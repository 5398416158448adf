"""Open Inference over HTTP with binary tensors, 64 windows a request, beside the engine alone on a core."""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, Part, Target
from benchmarks.models import model_a
from benchmarks.serve import wrk
from benchmarks.serve.door import foretell
from benchmarks.serve.sizes import Sizes
from foretell.bundle.bundle import Bundle
from foretell.config import EngineSettings
from foretell.engines.make import open_engine

ROWS = 64
CONNECTIONS = 8


def measure(sizes: Sizes) -> Part:
    """Windows a second, with the engine alone before and after each load."""
    if wrk.absent():
        return Part("tensors", skipped=wrk.ABSENT)
    served: list[float] = []
    alone: list[float] = []
    p99: list[float] = []
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as name:
        bundle = model_a(Path(name))
        with foretell(bundle, Path(name)) as door:
            asked = door.as_bytes(ROWS)
            for _ in range(sizes.repeats):
                before = _engine(bundle, sizes.seconds / 2)
                shot = wrk.load(door.port, asked, CONNECTIONS, sizes.seconds, sizes.warm_s)
                served.append(shot.rate * ROWS)
                p99.append(shot.p99_ms)
                alone.append((before + _engine(bundle, sizes.seconds / 2)) / 2)
    ratios = [ours / engine for ours, engine in zip(served, alone, strict=True)]
    return Part(
        "tensors",
        [
            Figure(f"{ROWS} windows a request: windows/s / engine alone", ratios, "ratio", Target(">=", 0.8)),
            Figure(f"{ROWS} windows a request, {CONNECTIONS} connections", served, "windows/s"),
            Figure(f"{ROWS} windows a request, {CONNECTIONS} connections: p99", p99, "ms"),
            Figure(f"engine alone, one thread, {ROWS} windows a call", alone, "windows/s"),
        ],
    )


def _engine(bundle: Bundle, seconds: float) -> float:
    """Windows/s of `Engine.run` in a loop."""
    engine = open_engine(bundle, EngineSettings())
    windows = np.random.default_rng(0).normal(size=(ROWS, *engine.input_shape)).astype(np.float32)
    calls, begin = 0, time.perf_counter()
    while (spent := time.perf_counter() - begin) < seconds:
        engine.run(windows)
        calls += 1
    engine.close()
    return calls * ROWS / spent
