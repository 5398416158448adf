"""What every peer's program serves: windows in their own units in, forecasts in their own units out.

The same ONNX model, scaling and options for all of them. It stands on NumPy and ONNX Runtime alone: each
peer has an environment of its own.
"""

import os
from collections.abc import Sequence

import numpy as np
import onnxruntime as ort

MODEL = "BENCH_MODEL"  # names the ONNX file, for processes that a server starts by itself
_CENTER, _SPREAD = 50.0, 20.0  # of every column, as in `benchmarks.models`
Window = Sequence[Sequence[float]]


class Network:
    """ONNX Runtime on one thread, as is recommended where several processes share cores."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(os.environ[MODEL], options, ["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def forecast(self, windows: Sequence[Window]) -> list[list[float]]:
        """A batch: n windows (lookback, features) → n forecasts (horizon)."""
        scaled = ((np.array(windows) - _CENTER) / _SPREAD).astype(np.float32)
        forecasts = self._session.run(None, {self._input: scaled})[0] * _SPREAD + _CENTER
        numbers: list[list[float]] = forecasts.tolist()
        return numbers
