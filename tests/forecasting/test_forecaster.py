"""Own units in, own units out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foretell.bundle.bundle import open_bundle
from foretell.errors import BundleNotFound, InputError, ShapeError
from foretell.forecasting.forecaster import Forecaster

MakeBundle = Callable[..., Path]


def own_windows(n: int, lookback: int = 7, features: int = 3) -> NDArray[np.float64]:
    return np.random.default_rng(5).normal(50.0, 20.0, (n, lookback, features))


@pytest.fixture
def forecaster(tmp_path: Path, make_bundle: MakeBundle) -> Forecaster:
    return Forecaster.open(make_bundle(tmp_path))


def test_golden_windows_in_own_units_give_the_golden_answers(tmp_path: Path, forecaster: Forecaster) -> None:
    golden = open_bundle(tmp_path / "weather").golden()
    forecasts = forecaster.predict(golden.windows.astype(np.float64) * 20 + 50)
    expected = golden.answers["forecast"].astype(np.float64)[:, :, None] * 20 + 50
    assert np.abs(forecasts.values - expected).max() <= 1e-5 * np.ptp(expected)
    assert forecasts.values.dtype == np.float64
    assert forecasts.steps.tolist() == [7] * 16
    assert forecasts.native_steps == 7
    assert not forecasts.refused.any()


def test_several_targets_stand_side_by_side_in_each_step(tmp_path: Path, make_bundle: MakeBundle) -> None:
    path = make_bundle(tmp_path, targets=("temperature", "dewpoint"), horizon=4)
    golden = open_bundle(path).golden()
    values = Forecaster.open(path).predict(golden.windows.astype(np.float64) * 20 + 50).values
    flat = golden.answers["forecast"].astype(np.float64) * 20 + 50
    assert values.shape == (16, 4, 2)
    assert np.abs(values[:, 1, 0] - flat[:, 2]).max() <= 1e-5 * np.ptp(flat)
    assert np.abs(values[:, 3, 1] - flat[:, 7]).max() <= 1e-5 * np.ptp(flat)


def test_a_window_that_is_not_finite_is_refused_alone(forecaster: Forecaster) -> None:
    windows = own_windows(5)
    expected = forecaster.predict(windows).values
    windows[2, 6, 1] = np.nan
    windows[3, 0, 0] = 1e300  # beyond float32
    forecasts = forecaster.predict(windows)
    assert forecasts.refused.tolist() == [False, False, True, True, False]
    assert forecasts.steps.tolist() == [7, 7, 0, 0, 7]
    assert np.isnan(forecasts.values[2:4]).all()
    assert np.allclose(forecasts.values[[0, 1, 4]], expected[[0, 1, 4]], rtol=0, atol=1e-4)


def test_windows_are_left_as_they_were(forecaster: Forecaster) -> None:
    windows = own_windows(5)
    before = windows.copy()
    forecaster.predict(windows, horizon=20)
    assert np.array_equal(windows, before)


def test_whole_numbers_are_windows_too(forecaster: Forecaster) -> None:
    whole = np.full((2, 7, 3), 40, np.int64)
    assert np.array_equal(
        forecaster.predict(whole.astype(np.float64)).values,
        forecaster.predict(whole).values,  # type: ignore[arg-type]
    )


def test_a_block_of_none_gives_none(forecaster: Forecaster) -> None:
    for horizon in (3, 7, 20):
        forecasts = forecaster.predict(own_windows(0), horizon)
        assert forecasts.values.shape == (0, horizon, 1)
        assert len(forecasts.steps) == len(forecasts.refused) == len(forecasts) == 0


def test_a_shorter_horizon_is_the_first_steps(forecaster: Forecaster) -> None:
    windows = own_windows(4)
    short = forecaster.predict(windows, horizon=3)
    assert np.array_equal(short.values, forecaster.predict(windows).values[:, :3])
    assert short.steps.tolist() == [3] * 4
    assert short.native_steps == 3


@pytest.mark.parametrize("horizon", [0, -1])
def test_a_horizon_of_no_steps_is_refused(forecaster: Forecaster, horizon: int) -> None:
    with pytest.raises(InputError, match="horizon"):
        forecaster.predict(own_windows(1), horizon)


@pytest.mark.parametrize("shape", [(4, 6, 3), (4, 3, 7), (7, 3), (4, 7, 3, 1)])
def test_another_shape_is_refused_by_name(forecaster: Forecaster, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as caught:
        forecaster.predict(np.zeros(shape))
    assert str(shape) in caught.value.message
    assert "weather reads (n, 7, 3)" in caught.value.message
    assert "temperature, wind_speed, dewpoint" in (caught.value.cure or "")


def test_no_bundle_no_forecaster(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound):
        Forecaster.open(tmp_path)


def test_evaluate_gives_every_output_by_name(features_bundle: Path) -> None:
    windows = np.random.default_rng(2).normal(size=(6, 5, 2))
    outputs = Forecaster.open(features_bundle).evaluate(windows)
    assert outputs["mean"] == pytest.approx(windows.mean(axis=1), abs=1e-6)
    assert outputs["growth"][:, 0] == pytest.approx(np.exp(windows.mean(axis=(1, 2))), rel=1e-5)


def test_a_model_of_features_forecasts_nothing(features_bundle: Path) -> None:
    forecaster = Forecaster.open(features_bundle)
    with pytest.raises(InputError, match="no forecast") as caught:
        forecaster.predict(np.zeros((1, 5, 2)))
    assert caught.value.cure == "ask for its outputs: mean, growth"
    with pytest.raises(ShapeError, match=r"\(1, 2, 5\)"):
        forecaster.evaluate(np.zeros((1, 2, 5)))
