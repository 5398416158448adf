"""Scalers give the numbers that scikit-learn's own formulas give."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from foretell.errors import UnreadableFile, UnsupportedModel
from foretell.importers.sklearn import read_scaler

DATA = np.array([[1.0, -5.0], [3.0, 5.0], [8.0, 0.0]])
MIN_MAX = "sklearn.preprocessing._data.MinMaxScaler"
STANDARD = "sklearn.preprocessing._data.StandardScaler"
Pickled = Callable[..., bytes]


def min_max_state(low: float = 0.0, high: float = 1.0) -> dict[str, Any]:
    reach = DATA.max(axis=0) - DATA.min(axis=0)
    scale = (high - low) / reach
    return {
        "feature_range": (low, high),
        "clip": False,
        "scale_": scale,
        "min_": low - DATA.min(axis=0) * scale,
        "data_min_": DATA.min(axis=0),
        "data_max_": DATA.max(axis=0),
    }


def standard_state() -> dict[str, Any]:
    return {
        "with_mean": True,
        "mean_": DATA.mean(axis=0),
        "var_": DATA.var(axis=0),
        "scale_": DATA.std(axis=0),
        "n_features_in_": 2,
    }


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0)])
def test_min_max(pickled: Pickled, joblibbed: Pickled, low: float, high: float) -> None:
    for write in (pickled, joblibbed):
        scaler = read_scaler(write(MIN_MAX, min_max_state(low, high)), "s.pkl")
        scaled = scaler.scaling.apply(DATA)
        assert scaled.min(axis=0) == pytest.approx([low, low])
        assert scaled.max(axis=0) == pytest.approx([high, high])
        assert scaler.scaling.invert(scaled) == pytest.approx(DATA)
        assert (scaler.low, scaler.high) == ((1.0, -5.0), (8.0, 5.0))
        assert scaler.center is None


def test_min_max_that_clips(pickled: Pickled) -> None:
    scaler = read_scaler(pickled(MIN_MAX, min_max_state() | {"clip": True}), "s.pkl")
    assert scaler.scaling.apply(DATA * 10).max() == 1.0


def test_standard(pickled: Pickled) -> None:
    scaler = read_scaler(pickled(STANDARD, standard_state()), "s.pkl")
    scaled = scaler.scaling.apply(DATA)
    assert scaled.mean(axis=0) == pytest.approx([0, 0])
    assert scaled.std(axis=0) == pytest.approx([1, 1])
    assert scaler.center == pytest.approx(DATA.mean(axis=0))
    assert scaler.spread == pytest.approx(DATA.std(axis=0))


def test_standard_without_mean_or_deviation(pickled: Pickled) -> None:
    no_mean = read_scaler(pickled(STANDARD, standard_state() | {"with_mean": False}), "s.pkl")
    assert no_mean.scaling.apply(DATA) == pytest.approx(DATA / DATA.std(axis=0))
    no_std = read_scaler(pickled(STANDARD, standard_state() | {"scale_": None, "var_": None}), "s.pkl")
    assert no_std.scaling.apply(DATA) == pytest.approx(DATA - DATA.mean(axis=0))


def test_names_of_the_table_that_it_was_fitted_on(pickled: Pickled) -> None:
    names = np.array(["a", "b"], object)
    assert read_scaler(pickled(STANDARD, standard_state() | {"feature_names_in_": names}), "s.pkl").names == (
        "a",
        "b",
    )


@pytest.mark.parametrize("name", ["RobustScaler", "LabelEncoder"])
def test_another_class_is_named(pickled: Pickled, name: str) -> None:
    with pytest.raises(UnsupportedModel, match=name):
        read_scaler(pickled(f"sklearn.preprocessing._data.{name}", {"center_": np.zeros(2)}), "s.pkl")


def test_a_class_of_somebody_else_with_a_scalers_name(pickled: Pickled) -> None:
    with pytest.raises(UnsupportedModel, match=r"mine\.StandardScaler"):
        read_scaler(pickled("mine.StandardScaler", standard_state()), "s.pkl")


def test_a_scaler_that_was_never_fitted(pickled: Pickled) -> None:
    with pytest.raises(UnreadableFile, match="never fitted"):
        read_scaler(pickled(MIN_MAX, {"feature_range": (0, 1), "clip": False}), "s.pkl")


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale_": np.array([0.0, 1.0])},
        {"scale_": np.array([np.nan, 1.0])},
        {"scale_": np.array([1.0])},
        {"scale_": "two"},
    ],
)
def test_a_damaged_scaler(pickled: Pickled, wrong: dict[str, Any]) -> None:
    with pytest.raises(UnreadableFile, match="StandardScaler is damaged"):
        read_scaler(pickled(STANDARD, standard_state() | wrong), "s.pkl")
