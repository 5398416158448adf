"""The engine beside bare ONNX Runtime, called in a loop on the same arrays, turn by turn."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort

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
_TURN_S = 0.005


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
                    Figure(
                        f"{name}: engine / bare ONNX Runtime", ratios, "ratio", ONE if batch == 1 else MANY
                    )
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
    found: list[list[float]] = [[], []]
    for _ in range(sizes.engine_repeats + 1):
        for who, seconds in enumerate(_by_turns(calls, sizes.engine_s)):
            found[who].append(batch / seconds)
    return found[0][1:], found[1][1:]  # the first was to warm up


def _by_turns(calls: list[Callable[[], object]], seconds: float) -> list[float]:
    """Seconds a call of each, in turns so short that what else the machine does meets all alike.

    They are seconds of this thread on a core, in which both do all their work.
    """
    spent, made = [0.0] * len(calls), [0] * len(calls)
    while min(spent) < seconds:
        for who, call in enumerate(calls):
            begin, end = time.thread_time(), time.perf_counter() + _TURN_S
            while time.perf_counter() < end:
                call()
                made[who] += 1
            spent[who] += time.thread_time() - begin
    return [total / count for total, count in zip(spent, made, strict=True)]
