"""MinMaxScaler and StandardScaler: their fitted state as numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.scaling import Scaling
from foretell.errors import UnreadableFile, UnsupportedModel
from foretell.importers.unpickle import Instance, read_pickle

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Scaler:
    """A scaler, and what it tells about the data that it was fitted on.

    Attributes:
        scaling: the transformation.
        names: of the columns, when it was fitted on a table that had them.
        center, spread: mean and standard deviation a column; low, high: extremes; own units.
    """

    scaling: Scaling
    names: tuple[str, ...] | None = None
    center: tuple[float, ...] | None = None
    spread: tuple[float, ...] | None = None
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None

    @property
    def columns(self) -> int:
        return len(self.scaling.center)


def read_scaler(data: bytes, name: str) -> Scaler:
    """The scaler in a pickle or joblib file.

    Raises:
        UnsafePickle, UnreadableFile: as `read_pickle` does.
        UnsupportedModel: it is another class; named.
    """
    return scaler_of(read_pickle(data, name), name)


def scaler_of(value: object, name: str) -> Scaler:
    """The scaler that an unpickled object is; errors as in `read_scaler`."""
    if not isinstance(value, Instance):
        raise UnsupportedModel(
            f"{name}: holds a {type(value).__name__}, not a scaler",
            cure="save the fitted MinMaxScaler or StandardScaler itself",
        )
    make = _KNOWN.get(value.of.name) if value.of.module.split(".")[0] == "sklearn" else None
    if make is None:
        raise UnsupportedModel(
            f"{name}: is a {value.of}; known are {', '.join(sorted(_KNOWN))}",
            cure="fit one of these on the same data, or scale inside the network",
        )
    try:
        return make(value.state, _names(value.state))
    except KeyError as missing:
        raise UnreadableFile(
            f"{name}: this {value.of.name} was never fitted ({missing.args[0]} is missing)",
            cure="save the scaler after fit(), or keep it out of the model's folder",
        ) from None
    except (TypeError, ValueError) as error:
        raise UnreadableFile(f"{name}: this {value.of.name} is damaged: {error}") from None


def _min_max(state: Mapping[str, Any], names: tuple[str, ...] | None) -> Scaler:
    # scaled = own * scale_ + min_
    scale, offset = _numbers(state["scale_"]), _numbers(state["min_"])
    low, high = _numbers(state["data_min_"]), _numbers(state["data_max_"])
    _same_length(scale, offset, low, high)
    if np.any(scale == 0):
        raise ValueError("a column's scale is 0")
    clip = state["feature_range"] if state.get("clip") else None
    return Scaler(
        Scaling("MinMaxScaler", _floats(0.0 - offset / scale), _floats(1 / scale), _pair(clip)),
        names,
        low=_floats(low),
        high=_floats(high),
    )


def _standard(state: Mapping[str, Any], names: tuple[str, ...] | None) -> Scaler:
    # scaled = (own - mean_) / scale_, each part optional
    width = int(state["n_features_in_"]) if "n_features_in_" in state else len(_numbers(state["scale_"]))
    fitted = state["mean_"] if state.get("with_mean", True) else state.get("mean_")
    mean = None if fitted is None else _numbers(fitted)
    scale = _numbers(state["scale_"]) if state["scale_"] is not None else np.ones(width)
    center = mean if mean is not None and state.get("with_mean", True) else np.zeros(width)
    _same_length(center, scale)
    if np.any(scale == 0):
        raise ValueError("a column's scale is 0")
    variance = state.get("var_")
    spread = None if variance is None else _floats(np.sqrt(_numbers(variance)))
    known = None if mean is None else _floats(mean)
    return Scaler(
        Scaling("StandardScaler", _floats(center), _floats(scale)), names, center=known, spread=spread
    )


_KNOWN: dict[str, Callable[[Mapping[str, Any], tuple[str, ...] | None], Scaler]] = {
    "MinMaxScaler": _min_max,
    "StandardScaler": _standard,
}


def _names(state: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = state.get("feature_names_in_")
    if not isinstance(names, np.ndarray) or names.ndim != 1 or not all(isinstance(n, str) for n in names):
        return None
    return tuple(names.tolist())


def _numbers(value: Any) -> Numbers:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.ndim != 1:
        raise ValueError("a column of numbers is expected")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError("it holds numbers that are not finite")
    return array


def _same_length(*columns: Numbers) -> None:
    if len({len(column) for column in columns}) != 1:
        raise ValueError("its columns are of different lengths")


def _floats(column: Numbers) -> tuple[float, ...]:
    return tuple(column.tolist())


def _pair(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    low, high = value
    return float(low), float(high)
