"""metadata.json: what a training script wrote down about its model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from foretell.config.parts import seconds
from foretell.errors import UnreadableFile

_MAX_BYTES = 2**20


@dataclass(frozen=True)
class Metadata:
    """What it says; `None` where it says nothing."""

    lookback: int | None = None
    horizon: int | None = None
    features: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    step_s: float | None = None


def read_metadata(data: bytes, name: str) -> Metadata:
    """Read it.

    Raises:
        UnreadableFile: no JSON object, or a value of the wrong kind; names the key.
    """
    try:
        tree = msgspec.json.decode(data[:_MAX_BYTES])
    except (msgspec.DecodeError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise UnreadableFile(f"{name}: is no JSON object")
    return Metadata(
        lookback=_count(tree, name, "lookback", "sequence_length"),
        horizon=_count(tree, name, "forecast_horizon", "horizon"),
        features=_names(tree, name, "features", "feature_names"),
        targets=_names(tree, name, "target", "targets"),
        step_s=_step(tree, name),
    )


def _value(tree: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, Any]:
    return next(((key, tree[key]) for key in keys if tree.get(key) is not None), (keys[0], None))


def _count(tree: Mapping[str, Any], name: str, *keys: str) -> int | None:
    key, value = _value(tree, keys)
    if value is not None and (type(value) is not int or value < 1):
        raise UnreadableFile(f"{name}: {key} is {value!r}, not a positive whole number")
    return value


def _names(tree: Mapping[str, Any], name: str, *keys: str) -> tuple[str, ...] | None:
    key, value = _value(tree, keys)
    if value is None:
        return None
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(v, str) and v for v in values):
        raise UnreadableFile(f"{name}: {key} is {value!r}, not a list of names")
    return tuple(values)


def _step(tree: Mapping[str, Any], name: str) -> float | None:
    key, value = _value(tree, ("step",))
    if value is None:
        return None
    try:
        found = float(seconds(value))
    except (ValueError, TypeError):
        found = 0.0
    if not found > 0:
        raise UnreadableFile(f"{name}: {key} is {value!r}, not a duration such as 1h")
    return found
