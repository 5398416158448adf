"""Derived features: what a row does not carry but what follows from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Derivation:
    """A feature from several fields.

    Attributes:
        inputs: names and the units in which `compute` wants them.
        unit: of what it gives.
        compute: (n,) arrays by the inputs' names → (n,); vectorised, NaN or infinite where it has no answer.
    """

    inputs: Mapping[str, str]
    unit: str
    compute: Callable[[Mapping[str, Array]], Array] = field(compare=False)


def _dew_point(of: Mapping[str, Array]) -> Array:
    """The Magnus formula over water with the constants of D. Sonntag (1990), as in the WMO's Guide to
    Instruments and Methods of Observation (WMO-No. 8), annex 4.B: 17.62 and 243.12 degC, -45 to 60 degC.
    """
    a, b = 17.62, 243.12
    gamma = np.log(of["humidity"] / 100.0) + a * of["temperature"] / (b + of["temperature"])
    dew_point: Array = b * gamma / (a - gamma)
    return dew_point


def _wind_speed(of: Mapping[str, Array]) -> Array:
    return np.hypot(of["u"], of["v"])


DERIVATIONS: Mapping[str, Derivation] = {
    "dew_point": Derivation({"temperature": "degC", "humidity": "percent"}, "degC", _dew_point),
    "wind_speed": Derivation({"u": "m/s", "v": "m/s"}, "m/s", _wind_speed),
}


def _part_of_day(time_us: NDArray[np.int64]) -> Array:
    return (time_us % _DAY_US) / _DAY_US


def _part_of_week(time_us: NDArray[np.int64]) -> Array:
    monday_us = 4 * _DAY_US  # 1970-01-01 was a Thursday
    return ((time_us - monday_us) % (7 * _DAY_US)) / (7 * _DAY_US)


def _part_of_year(time_us: NDArray[np.int64]) -> Array:
    year = time_us.astype("datetime64[us]").astype("datetime64[Y]")
    start = year.astype("datetime64[us]").astype(np.int64)
    end = (year + 1).astype("datetime64[us]").astype(np.int64)
    return (time_us - start) / (end - start)


_PARTS = {"hour": _part_of_day, "day": _part_of_year, "weekday": _part_of_week}
_WAVES: dict[str, Callable[[Array], Array]] = {"sin": np.sin, "cos": np.cos}
CALENDAR = tuple(f"{part}_{wave}" for part in _PARTS for wave in _WAVES)


def calendar(name: str, time_us: NDArray[np.int64]) -> Array:
    """Sine or cosine of 2π times the part that has passed, in UTC.

    Args:
        name: `hour_*` the part of the day (minutes count), `day_*` of the calendar year since 1 January,
            `weekday_*` of the week since Monday; `*` is `sin` or `cos`.
        time_us: (n,) event time, microseconds since 1970 UTC.

    Returns:
        (n,) float64.
    """
    part, wave = name.split("_")
    return _WAVES[wave](2 * np.pi * _PARTS[part](time_us))
