"""A call made ready: checked against the model, in the forecaster's layout, with all that sets it apart."""

from collections.abc import Hashable

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.config import BatchSettings
from foretell.serve.backend import Call, Refusal
from foretell.serve.scheduler.coalesce import Likeness

FORECAST = "forecast"
_MOST_PASSES = 64  # evaluations a row: a bound on what one call can ask for


class Question(msgspec.Struct):
    """What is to be computed.

    Attributes:
        windows: (n, lookback, features) own units.
        rolled: steps, where they are more than the model's own; else 0. Fewer are cut from the answer.
        newest_us: (n,) event times, for a roll-out.
        passes: evaluations a row.
        content: what the answer depends on.
    """

    windows: NDArray[np.float64]
    rolled: int = 0
    newest_us: NDArray[np.int64] | None = None
    passes: int = 1
    content: Hashable = None


class Questions:
    """Of one model."""

    def __init__(self, manifest: Manifest, settings: BatchSettings) -> None:
        self._manifest, self._shape = manifest, manifest.input_shape
        self._channels_first = manifest.layout == "channels_first"
        names = [column.name for column in manifest.inputs]
        self._likeness = Likeness(names, settings.resolution, channels_first=self._channels_first)
        outputs = [output.name for output in manifest.outputs]
        self._outputs = [FORECAST, *outputs[1:]] if manifest.task == FORECAST else outputs

    def of(self, call: Call) -> Question:
        """Raises `Refusal`, invalid, with the path of the field."""
        shape, name = self._shape, self._manifest.name
        if call.windows.ndim != 3 or call.windows.shape[1:] != shape or not len(call.windows):
            raise _invalid(
                f"windows of shape {call.windows.shape}; {name} reads (n, {shape[0]}, {shape[1]}), n from 1",
                "windows",
            )
        for i, name in enumerate(call.outputs or ()):
            if name not in self._outputs:
                raise _invalid(f"no output `{name}`: there are {', '.join(self._outputs)}", f"outputs[{i}]")
        content = self._likeness.of(call.windows)
        windows = call.windows.transpose(0, 2, 1) if self._channels_first else call.windows
        rolled = self._rolled(call.horizon)
        if not rolled:
            return Question(windows, content=content)
        if call.newest_us is not None and call.newest_us.shape != (len(windows),):
            raise _invalid(f"{len(call.newest_us)} times for {len(windows)} windows", "newest_us")
        times = None if call.newest_us is None else call.newest_us.tobytes()
        passes = -(-rolled // self._manifest.horizon)
        return Question(windows, rolled, call.newest_us, passes, (content, rolled, times))

    def _rolled(self, horizon: int | None) -> int:
        """The steps to compute where they are more than the model's own."""
        if horizon is None:
            return 0
        if self._manifest.task != FORECAST:
            raise _invalid(f"{self._manifest.name} gives features, no forecast of so many steps", "horizon")
        most = self._manifest.horizon * _MOST_PASSES
        if not 1 <= horizon <= most:
            raise _invalid(
                f"a horizon of {horizon} steps; {self._manifest.name} gives 1 to {most}", "horizon"
            )
        return horizon if horizon > self._manifest.horizon else 0


def _invalid(message: str, path: str) -> Refusal:
    return Refusal("invalid", message, cure="ask for the model's metadata to see what it takes", path=path)
