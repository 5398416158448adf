"""Own units in, own units out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from foretell.bundle.bundle import open_bundle
from foretell.forecasting.forecaster import Forecaster

MakeBundle = Callable[..., Path]


def own_windows(
    n: int, lookback: int = 7, features: int = 3
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(5).normal(50.0, 20.0, (n, lookback, features))


def test_golden_windows_in_own_units_give_the_golden_answers(tmp_path: Path, make_bundle: MakeBundle) -> None:
    forecaster = Forecaster.open(make_bundle(tmp_path))
    golden = open_bundle(tmp_path / "weather").golden()
    forecasts = forecaster.predict(golden.windows.astype(np.float64) * 20 + 50)
    expected = golden.answers["forecast"].astype(np.float64)[:, :, None] * 20 + 50
    assert forecasts.values == pytest.approx(expected, abs=1e-5 * np.ptp(expected))
    assert forecasts.values.dtype == np.float64
    assert forecasts.steps.tolist() == [7] * 16
    assert forecasts.native_steps == 7
    assert not forecasts.refused.any()
