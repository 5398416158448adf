"""The golden sample: windows such as the model was trained on, and what the source answers to them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.golden import Golden
from foretell.errors import ImportFailed
from foretell.importers.columns import Columns
from foretell.importers.network import Network
from foretell.importers.reconcile import Window
from foretell.importers.recorded import Recorded

Windows = NDArray[np.float32]
TOLERANCE = 1e-5
_WINDOWS = 48
_FLOAT32_ERROR = 16 * float(np.finfo(np.float32).eps)
_MOST = 0.05


@dataclass(frozen=True)
class Evidence:
    """The sample, and the tolerance that float32 allows for it, as a share of each output's range."""

    golden: Golden
    tolerance: float


def draw(window: Window, inputs: Columns) -> Windows:
    """(k, *input shape) in the network's units, spread as the scaler says; the same on every machine."""
    rng = np.random.Generator(np.random.PCG64(20130101))
    own = np.empty((_WINDOWS, window.lookback, len(inputs.columns)))
    for index, column in enumerate(inputs.columns):
        if column.low is not None and column.high is not None:
            own[:, :, index] = rng.uniform(column.low, column.high, own.shape[:2])
        else:
            center, spread = column.center or 0.0, column.spread or 1.0
            own[:, :, index] = center + spread * rng.standard_normal(own.shape[:2])
    return _as_read(own, window, inputs)


def to_network(recorded: Recorded, window: Window, inputs: Columns, targets: Columns) -> Recorded:
    """From own units to what the network reads and gives."""
    forecasts = recorded.forecasts
    if targets.scaling is not None:
        by_target = forecasts.reshape(len(forecasts), -1, len(targets.columns))
        forecasts = targets.scaling.apply(by_target).reshape(forecasts.shape)
    return replace(
        recorded, windows=_as_read(recorded.windows, window, inputs).astype(np.float64), forecasts=forecasts
    )


def _as_read(own: NDArray[np.float64], window: Window, inputs: Columns) -> Windows:
    scaled = inputs.scaling.apply(own) if inputs.scaling else own
    return (scaled if window.layout == "time_first" else scaled.transpose(0, 2, 1)).astype(np.float32)


def evidence(network: Network, windows: Windows, recorded: Recorded | None) -> Evidence:
    """Ask the reference; answers that the source's own software recorded stand above it.

    Raises:
        ImportFailed: answers are not finite, or the recorded ones are not this model's.
    """
    if recorded is not None:
        windows = np.concatenate([recorded.windows.astype(np.float32), windows])
    answers = {
        output.name: np.array(answer)
        for output, answer in zip(network.outputs, network.reference(windows), strict=True)
    }
    for name, answer in answers.items():
        if not np.isfinite(answer).all():
            raise ImportFailed(f"{network.file}: answers of {name} to ordinary windows are not finite")
    tolerance = min(max([TOLERANCE, *(_float32_share(answer) for answer in answers.values())]), _MOST)
    if recorded is not None:
        _take_recorded(answers[network.outputs[0].name], recorded, tolerance, network.file)
    return Evidence(Golden(windows, {n: a.astype(np.float32) for n, a in answers.items()}), tolerance)


def _take_recorded(answer: NDArray[np.float64], recorded: Recorded, tolerance: float, file: str) -> None:
    ours = answer[: len(recorded.windows)]
    theirs = recorded.forecasts
    share = float(np.abs(ours - theirs).max()) / (float(np.ptp(theirs)) or 1.0)
    if share > tolerance:
        raise ImportFailed(
            f"{recorded.file}: its forecasts differ from what {file} computes by {share:.2g} of their range",
            cure=f"if it is of another model, or in other units than the scalers', take {recorded.file} away",
        )
    ours[:] = theirs


def _float32_share(answer: NDArray[np.float64]) -> float:
    """How far float32 alone may carry, as a share of the range: a saturated output hardly moves."""
    reach = float(np.ptp(answer)) or float(np.abs(answer).max()) or 1.0
    return _FLOAT32_ERROR * float(np.abs(answer).max()) / reach
