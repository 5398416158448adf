"""Forecasts beyond the model's horizon: its own forecasts fed back as inputs, while they stay in range."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.errors import InputError
from foretell.rows.derived import CALENDAR, calendar

Native = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.bool_]]]


class RollOut:
    """Extends windows by what was forecast, and forecasts again.

    An input that bears a target's name takes the forecast, one of the calendar takes its value at the time of
    the step, and any other is held. An item stops before the first step at which an input that takes a
    forecast leaves the range that the model has seen (`Column.bounds`): from there on it would answer to
    inputs that it does not know. Native steps always stand.
    """

    def __init__(self, manifest: Manifest, native: Native) -> None:
        """`native`: (n, lookback, features) → (n, native horizon, targets) own units, (n,) refused."""
        self._native = native
        self._lookback, self._horizon = manifest.lookback, manifest.horizon
        self._step_us = None if manifest.step_s is None else round(manifest.step_s * 1e6)
        inputs = [column.name for column in manifest.inputs]
        fed = [(inputs.index(t.name), i) for i, t in enumerate(manifest.targets) if t.name in inputs]
        self._fed_inputs, self._fed_targets = [i for i, _ in fed], [t for _, t in fed]
        bounds = [manifest.inputs[i].bounds() or (-np.inf, np.inf) for i in self._fed_inputs]
        self._low, self._high = np.array(bounds, np.float64).reshape(-1, 2).T
        self._calendar = [
            (i, rule.derive)
            for i, name in enumerate(inputs)
            if (rule := manifest.adapter.features.get(name)) and rule.derive in CALENDAR
        ]

    def extend(
        self,
        windows: NDArray[np.float64],
        native: NDArray[np.float64],
        refused: NDArray[np.bool_],
        horizon: int,
        newest_us: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """From native forecasts (n, native horizon, targets) to `horizon` steps.

        Returns:
            values (n, horizon, targets), NaN where an item stopped; steps (n,).
        """
        newest_us = self._times(newest_us)
        n, block, targets = native.shape
        values = np.full((n, horizon, targets), np.nan)
        values[:, :block] = native
        steps = np.where(refused, 0, block).astype(np.int64)
        going = np.flatnonzero(~refused & (self._steps_in_range(native) == block))
        for done in range(block, horizon, block):
            if not len(going):
                break
            times = None if newest_us is None else newest_us[going]
            windows_now = self._slide(windows[going], values[going, :done], times)
            answers, bad = self._native(windows_now)
            in_range = np.where(bad, 0, self._steps_in_range(answers))
            taken = np.minimum(in_range, horizon - done)
            steps[going] += taken
            more = answers[:, : horizon - done]
            more[np.arange(more.shape[1]) >= taken[:, None]] = np.nan
            values[going, done : done + block] = more
            going = going[in_range == block]
        return values, steps

    def _times(self, newest_us: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
        if not self._calendar:
            return None
        if newest_us is None or self._step_us is None:
            raise InputError(
                "a horizon beyond the model's own needs the time of each window: "
                f"feature {self._calendar[0][1]} is of the calendar",
                cure=f"give times and a model with a step, or at most {self._horizon} steps",
            )
        return newest_us

    def _steps_in_range(self, forecasts: NDArray[np.float64]) -> NDArray[np.int64]:
        """(n, steps, targets) → (n,), steps before the first that leaves the range."""
        fed = forecasts[:, :, self._fed_targets]
        inside = ((fed >= self._low) & (fed <= self._high)).all(axis=2)
        steps: NDArray[np.int64] = np.logical_and.accumulate(inside, axis=1).sum(axis=1)
        return steps

    def _slide(
        self,
        windows: NDArray[np.float64],
        forecasts: NDArray[np.float64],
        newest_us: NDArray[np.int64] | None,
    ) -> NDArray[np.float64]:
        """The windows whose newest step is the last of `forecasts` (n, done, targets)."""
        done = forecasts.shape[1]
        ahead = np.repeat(windows[:, -1:], done, axis=1)
        ahead[:, :, self._fed_inputs] = forecasts[:, :, self._fed_targets]
        if newest_us is not None and self._step_us is not None:
            times = newest_us[:, None] + self._step_us * np.arange(1, done + 1)
            for column, name in self._calendar:
                ahead[:, :, column] = calendar(name, times)
        return np.concatenate([windows, ahead], axis=1)[:, -self._lookback :]
