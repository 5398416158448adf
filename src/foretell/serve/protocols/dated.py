"""Answers as dated forecasts in their own units, with the names of what they are of."""

from collections.abc import Sequence
from time import monotonic
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.serve.backend import Answer
from foretell.serve.protocols.errors import describe, no_answer
from foretell.serve.protocols.oip import FORECAST


class Forecast(msgspec.Struct, omit_defaults=True):
    """Of one window, in the words of the stream's messages.

    Attributes:
        issued_at: event time of the window's newest step, where it was told. times: of the steps.
        forecast: for each target its steps, fewer than asked for where a roll-out stopped.
        native_steps: that the network gave by itself; rolled_out_steps: that came of its own forecasts.
        filled: steps of the window that were filled by policy.
        outputs: of the network, by name: all of a model of features, the further ones of others.
        error: in place of all that, where this window failed alone.
    """

    series: str | None = None
    issued_at: str | None = None
    times: list[str] | None = None
    forecast: dict[str, list[float]] | None = None
    native_steps: int | None = None
    rolled_out_steps: int = 0
    filled: int = 0
    outputs: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class Model(msgspec.Struct):
    """What forecasts are of: the same for all of an answer."""

    model: str
    version: str
    step_s: float | None
    unit: dict[str, str | None]

    @classmethod
    def of(cls, manifest: Manifest, answer: Answer) -> "Model":
        units = {column.name: column.unit for column in manifest.targets}
        return cls(answer.model, answer.version, manifest.step_s, units)


class Timings(msgspec.Struct):
    """Milliseconds, and the rows of the batch that it was part of."""

    queue_ms: float
    inference_ms: float
    total_ms: float
    batch_rows: int

    @classmethod
    def of(cls, answer: Answer, arrived: float) -> "Timings":
        queue, inference, total = (
            round(seconds * 1e3, 3) for seconds in (answer.queue_s, answer.inference_s, monotonic() - arrived)
        )
        return cls(queue, inference, total, answer.batch_rows)


def forecasts(
    manifest: Manifest,
    answer: Answer,
    series: Sequence[str | None],
    newest_us: Sequence[int | None],
    filled: Sequence[int],
) -> list[Forecast]:
    """One for each of n windows.

    Args:
        newest_us: event times of their newest steps, where they are known.
    """
    told = [Forecast(series=name, filled=n) for name, n in zip(series, filled, strict=True)]
    columns = {name: array.tolist() for name, array in answer.outputs.items()}
    if manifest.task == "forecast":
        del columns[FORECAST]
        _put_steps(told, manifest, answer, newest_us)
    for i, forecast in enumerate(told):
        forecast.issued_at = _iso(newest_us[i], 0)
        if columns:
            forecast.outputs = {name: column[i] for name, column in columns.items()}
    for i in np.flatnonzero(answer.refused).tolist():
        told[i] = Forecast(series=series[i], error=describe(no_answer()))
    return told


def _put_steps(
    told: list[Forecast], manifest: Manifest, answer: Answer, newest_us: Sequence[int | None]
) -> None:
    values = _rounded(answer.outputs[FORECAST], manifest)
    steps = [values.shape[1]] * len(told) if answer.steps is None else answer.steps.tolist()
    names = [column.name for column in manifest.targets]
    for i, forecast in enumerate(told):
        n, time = steps[i], newest_us[i]
        columns = values[i, :n].T.tolist()
        forecast.forecast = dict(zip(names, columns, strict=True))
        forecast.native_steps = min(n, manifest.horizon)
        forecast.rolled_out_steps = max(n - manifest.horizon, 0)
        if time is not None and manifest.step_s is not None:
            forecast.times = [str(_iso(time, round(manifest.step_s * 1e6 * k))) for k in range(1, n + 1)]


def _rounded(values: NDArray[np.floating], manifest: Manifest) -> NDArray[np.float64]:
    """(n, horizon, targets), to within what the network resolves in float32."""
    told = values.astype(np.float64)
    for j, column in enumerate(manifest.targets):
        decimals = column.decimals()
        if decimals is not None:
            told[:, :, j] = np.round(told[:, :, j], decimals)
    return told


def _iso(time_us: int | None, later_us: int) -> str | None:
    """ISO 8601 in UTC; seconds, or microseconds where a time has them."""
    if time_us is None:
        return None
    text = str(np.datetime64(time_us + later_us, "us"))
    return text.removesuffix(".000000") + "Z"
