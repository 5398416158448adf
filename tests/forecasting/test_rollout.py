"""Beyond the model's horizon: what is fed back, what is held, and where it stops."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from foretell.bundle.bundle import open_bundle
from foretell.bundle.manifest import Column, Manifest
from foretell.errors import InputError
from foretell.forecasting.forecaster import Forecaster
from foretell.forecasting.rollout import RollOut
from foretell.rows.adapter import Adapter, FeatureRule
from foretell.rows.derived import calendar

Floats = NDArray[np.float64]
MakeBundle = Callable[..., Path]


@pytest.fixture
def manifest(tmp_path: Path, make_bundle: MakeBundle) -> Manifest:
    """Temperature (bounded by 0 and 100) is forecast 2 steps ahead, wind is not, the hour is known."""
    made = make_bundle(
        tmp_path,
        lookback=3,
        horizon=2,
        features=("wind", "temperature", "hour"),
        adapter=Adapter({"hour": FeatureRule(derive="hour_sin")}),
    )
    bounded = Column("temperature", low=0.0, high=100.0)
    manifest = open_bundle(made).manifest
    return msgspec.structs.replace(manifest, inputs=(manifest.inputs[0], bounded, manifest.inputs[2]))


class Rising:
    """A model that adds 10 a step to the newest temperature, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Floats] = []

    def __call__(self, windows: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        self.asked.append(windows)
        newest = windows[:, -1, 1]
        return np.stack([newest + 10, newest + 20], axis=1)[:, :, None], np.isnan(newest)


def roll(
    manifest: Manifest, model: Rising, start: list[float], horizon: int
) -> tuple[Floats, NDArray[np.int64]]:
    windows = np.zeros((len(start), 3, 3))
    windows[:, :, 0] = 7.0
    windows[:, :, 1] = np.array(start)[:, None]
    native, refused = model(windows)
    newest_us = np.arange(len(start), dtype=np.int64) * 5 * 3_600_000_000
    return RollOut(manifest, model).extend(windows, native, refused, horizon, newest_us)


def test_forecasts_are_fed_back_calendar_is_known_and_the_rest_is_held(manifest: Manifest) -> None:
    model = Rising()
    values, steps = roll(manifest, model, [10.0, 20.0], 5)
    assert values[:, :, 0].tolist() == [[20, 30, 40, 50, 60], [30, 40, 50, 60, 70]]
    assert steps.tolist() == [5, 5]
    second, third = model.asked[1:]
    assert second[:, :, 1].tolist() == [[10, 20, 30], [20, 30, 40]]
    assert third[:, :, 1].tolist() == [[30, 40, 50], [40, 50, 60]]
    assert (second[:, :, 0] == 7.0).all()
    hours = np.array([[2, 3, 4], [7, 8, 9]], np.int64)
    assert third[:, :, 2] == pytest.approx(calendar("hour_sin", hours * 3_600_000_000))


def test_an_item_stops_before_the_step_that_leaves_the_range_and_the_others_go_on(manifest: Manifest) -> None:
    model = Rising()
    values, steps = roll(manifest, model, [10.0, 62.0], 6)
    assert steps.tolist() == [6, 3]
    assert values[1, :3, 0].tolist() == [72, 82, 92]
    assert np.isnan(values[1, 3:]).all()
    assert values[0, :, 0].tolist() == [20, 30, 40, 50, 60, 70]
    assert [len(asked) for asked in model.asked] == [2, 2, 1]


def test_native_steps_stand_and_nothing_is_built_on_those_out_of_range(manifest: Manifest) -> None:
    model = Rising()
    values, steps = roll(manifest, model, [85.0], 6)
    assert steps.tolist() == [2]
    assert values[0, :2, 0].tolist() == [95, 105]
    assert np.isnan(values[0, 2:]).all()
    assert len(model.asked) == 1


def test_a_refused_item_has_no_steps(manifest: Manifest) -> None:
    values, steps = roll(manifest, Rising(), [np.nan, 10.0], 4)
    assert steps.tolist() == [0, 4]
    assert np.isnan(values[0]).all()


def test_an_input_without_known_range_never_stops(manifest: Manifest) -> None:
    open_ended = tuple(Column(column.name) for column in manifest.inputs)
    _, steps = roll(msgspec.structs.replace(manifest, inputs=open_ended), Rising(), [85.0], 50)
    assert steps.tolist() == [50]


def test_calendar_inputs_need_the_time_of_a_window(tmp_path: Path, make_bundle: MakeBundle) -> None:
    adapter = Adapter({"dewpoint": FeatureRule(derive="hour_cos")})
    forecaster = Forecaster.open(make_bundle(tmp_path, adapter=adapter))
    windows = np.full((2, 7, 3), 50.0)
    with pytest.raises(InputError, match="hour_cos"):
        forecaster.predict(windows, 8)
    assert forecaster.predict(windows, 8, np.zeros(2, np.int64)).steps.tolist() == [8, 8]


@pytest.mark.parametrize("horizon", [8, 14, 24])
def test_the_forecaster_rolls_its_own_network_as_by_hand(
    tmp_path: Path, make_bundle: MakeBundle, horizon: int
) -> None:
    forecaster = Forecaster.open(make_bundle(tmp_path))
    windows = np.random.default_rng(4).normal(50.0, 5.0, (9, 7, 3))
    forecasts = forecaster.predict(windows, horizon)
    by_hand, now = np.empty((9, 0, 1)), windows
    while by_hand.shape[1] < horizon:
        ahead = forecaster.predict(now).values
        by_hand = np.concatenate([by_hand, ahead], axis=1)
        now = np.concatenate([ahead, np.repeat(now[:, -1:, 1:], 7, axis=1)], axis=2)
    assert forecasts.native_steps == 7
    assert forecasts.steps.tolist() == [horizon] * 9
    assert forecasts.values == pytest.approx(by_hand[:, :horizon], abs=1e-4)
