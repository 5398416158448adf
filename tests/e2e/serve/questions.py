"""Windows that nobody asked before, and what has to come back: the forecaster's word, without a server."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell.forecasting.forecaster import Forecaster
from foretell.serve.backend import Priority

Outputs = Mapping[str, NDArray[np.floating]]
Windows = NDArray[np.float64]
FORECAST = "forecast"
SPIN, SPIN_SHAPE = "spin", (10, 60)
_PART = 1e-5  # of an output's range: how far an answer may be off
_BLOCK = 64
_numbers = count()


@dataclass(frozen=True, slots=True)
class Question:
    """Attributes:
    windows: (n, …) as the model's network reads them, own units.
    expected: outputs by name, each (n, …), by the version that answers; "" stands for any version.
    tolerance: in the units of the outputs.
    """

    number: int
    model: str
    windows: Windows
    expected: Mapping[str, Outputs]
    tolerance: float = _PART
    priority: Priority = Priority.LOW
    deadline_ms: float | None = None

    def wrong(self, version: str, outputs: Outputs) -> str:
        """What is wrong with an answer; empty when nothing is."""
        expected = self.expected.get(version) or self.expected.get("")
        if expected is None:
            return f"version {version!r} was never served"
        if outputs.keys() != expected.keys():
            return f"outputs {sorted(outputs)}, expected {sorted(expected)}"
        for name, values in expected.items():
            if outputs[name].shape != values.shape:
                return f"{name} of shape {outputs[name].shape}, expected {values.shape}"
            off = float(np.abs(outputs[name] - values).max())
            if not off <= self.tolerance:
                return f"{name} is off by {off:g}"
        return ""


class Forecasts:
    """Questions for a forecast model, whichever of its versions will answer. Used by one thread."""

    def __init__(self, bundles: Sequence[Path], seed: int = 0) -> None:
        """`bundles`: the versions."""
        self._forecasters = [Forecaster.open(bundle) for bundle in bundles]
        manifest = self._forecasters[0].manifest
        self.model = manifest.name
        self._shape = manifest.lookback, len(manifest.inputs)
        low, high = manifest.targets[0].bounds() or (0.0, 0.0)
        self._tolerance = _PART * (high - low)
        self._rng = np.random.default_rng(seed)
        self._ready: Iterator[tuple[Windows, Mapping[str, NDArray[np.floating]]]] = iter(())

    def make(
        self, rows: int = 1, priority: Priority = Priority.LOW, deadline_ms: float | None = None
    ) -> Question:
        """One of so many windows."""
        parts = [self._window() for _ in range(rows)]
        expected = {
            version: {FORECAST: np.stack([values[version] for _, values in parts])} for version in parts[0][1]
        }
        windows = np.stack([window for window, _ in parts])
        return Question(next(_numbers), self.model, windows, expected, self._tolerance, priority, deadline_ms)

    def _window(self) -> tuple[Windows, Mapping[str, NDArray[np.floating]]]:
        """The next one, and its forecast by version. They are worked out many at a time."""
        for ready in self._ready:
            return ready
        windows = self._rng.uniform(20.0, 80.0, (_BLOCK, *self._shape))
        told = {f.manifest.version: f.predict(windows).values for f in self._forecasters}
        self._ready = iter([(w, {v: told[v][i] for v in told}) for i, w in enumerate(windows)])
        return self._window()


class Spins:
    """Questions for the model that takes as long as its windows say (`tests.serve.on_ray.spinning`)."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def make(
        self,
        value: float = 0.0,
        rows: int = 1,
        priority: Priority = Priority.LOW,
        deadline_ms: float | None = None,
    ) -> Question:
        """`value`: milliseconds that it takes, or so."""
        windows = self._rng.uniform(-1.0, 0.0, (rows, *SPIN_SHAPE))
        if value > 0:
            windows[0, 0, 0] = value
        expected = {"mean": windows.mean(axis=(1, 2))[:, None], "top": windows.max(axis=2)}
        tolerance = _PART * max(1.0, value)
        return Question(next(_numbers), SPIN, windows, {"": expected}, tolerance, priority, deadline_ms)
