"""The engine beside bare ONNX Runtime, called in a loop on the same arrays, turn by turn."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from benchmarks.figures import Figure, Part, Target
from benchmarks.models import model_a, model_b
from benchmarks.sizes import Sizes
from foretell.bundle.bundle import Bundle
from foretell.config import EngineSettings
from foretell.engines.engine import Engine
from foretell.engines.make import open_engine

BATCHES = (1, 32, 128, 512)
ONE = Target(">=", 0.6)
MANY = Target(">=", 0.9)


def measure(sizes: Sizes) -> Part:
    """Ratios and windows/s for both models."""
    part = Part("engine")
    rates: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as folder:
        for label, make in (("A", model_a), ("B", model_b)):
            bundle = make(Path(folder))
            engine, bare = open_engine(bundle, EngineSettings()), bare_session(bundle)
            part.details[f"chunk of model {label}"] = engine.chunk
            for batch in BATCHES:
                ours, theirs = _beside(engine, bare, batch, sizes)
                ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
                name = f"model {label}, batch {batch}"
                part.figures.append(
                    Figure(f"{name}: engine / bare ONNX Runtime", ratios, "ratio", ONE if batch == 1 else MANY)
                )
                rates.append(Figure(f"{name}: engine", ours, "windows/s"))
                rates.append(Figure(f"{name}: bare ONNX Runtime", theirs, "windows/s"))
    part.figures += rates
    return part


def bare_session(bundle: Bundle) -> ort.InferenceSession:
    """ONNX Runtime as one would use it by hand, on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(bundle.model_bytes(), options, ["CPUExecutionProvider"])


def rate(call: Callable[[], object], windows: int, seconds: float) -> float:
    """Windows a second of a call that evaluates so many."""
    calls, begin = 0, time.perf_counter()
    end = begin + seconds
    while (now := time.perf_counter()) < end or not calls:
        call()
        calls += 1
    now = time.perf_counter()
    return calls * windows / (now - begin)


def windows_for(bundle: Bundle, count: int) -> NDArray[np.float32]:
    """Random windows, scaled units."""
    shape = (count, *bundle.manifest.input_shape)
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def _beside(
    engine: Engine, bare: ort.InferenceSession, batch: int, sizes: Sizes
) -> tuple[list[float], list[float]]:
    """Rates of both, repeat by repeat; who goes first changes with every repeat."""
    windows = np.random.default_rng(batch).normal(size=(batch, *engine.input_shape)).astype(np.float32)
    name, outputs = bare.get_inputs()[0].name, [output.name for output in bare.get_outputs()]
    calls: list[Callable[[], object]] = [
        lambda: engine.run(windows),
        lambda: bare.run(outputs, {name: windows}),
    ]
    for call in calls:
        rate(call, batch, sizes.engine_s)
    found: list[list[float]] = [[], []]
    for repeat in range(sizes.engine_repeats):
        for who in (0, 1) if repeat % 2 else (1, 0):
            found[who].append(rate(calls[who], batch, sizes.engine_s))
    return found[0], found[1]
