"""How good the forecasts were, and whether each came once: pure functions, nothing of Kafka or Ray."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.demo.weather import HOUR_S, TEMPERATURE, Weather


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the horizon: root mean squared errors, own units; skill is 1 - model / persistence."""

    hours: int
    model: float
    persistence: float

    @property
    def skill(self) -> float:
        """1 is perfect, 0 no better than "it stays as it is", negative is worse."""
        return 1 - self.model / self.persistence if self.persistence else 0.0


def skill(
    forecasts: NDArray[np.float64], actuals: NDArray[np.float64], newest: NDArray[np.float64]
) -> list[Step]:
    """
    Args:
        forecasts, actuals: (n, horizon); a NaN among the actuals leaves that one out.
        newest: (n,) the value when each forecast was issued: persistence says that it stays.
    """
    return [
        Step(column + 1, _rmse(forecasts[:, column] - actual), _rmse(newest - actual))
        for column, actual in enumerate(actuals.T)
    ]


def _rmse(errors: NDArray[np.float64]) -> float:
    known = errors[np.isfinite(errors)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")


def actuals(weather: Weather, time_s: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
    """(n,) times of issue → (n, horizon + 1) temperatures from then on; NaN where none was observed."""
    hourly = weather.hourly()
    slots = (time_s - hourly.time_s[0])[:, None] // HOUR_S + np.arange(horizon + 1)
    inside = (slots >= 0) & (slots < len(hourly.time_s))
    return np.where(inside, hourly.values[np.where(inside, slots, 0), TEMPERATURE], np.nan)


def expected(time_s: NDArray[np.int64], lookback: int) -> set[int]:
    """The hours after which a forecast is due: the newest `lookback` hours were all observed."""
    present = set(time_s.tolist())
    return {t for t in present if all(t - back * HOUR_S in present for back in range(lookback))}


@dataclass(frozen=True, slots=True)
class Count:
    """Forecasts against what was due."""

    due: int
    missing: int
    unasked: int
    doubled: int

    @property
    def exact(self) -> bool:
        """Each due forecast came once, and no other came."""
        return not (self.missing or self.unasked or self.doubled)


def count(due: Mapping[str, Collection[int]], came: Sequence[tuple[str, int]]) -> Count:
    """Hold the forecasts that came (airport, time of issue), in any order, against those that were due."""
    wanted = {(airport, time) for airport, times in due.items() for time in times}
    distinct = set(came)
    return Count(len(wanted), len(wanted - distinct), len(distinct - wanted), len(came) - len(distinct))


def percentiles(seconds: Sequence[float], shares: Sequence[int] = (50, 99)) -> list[float]:
    """NaN when there is nothing to go by."""
    return [float(np.percentile(seconds, share)) if len(seconds) else float("nan") for share in shares]


def silence(arrivals: Sequence[tuple[str, float]], since: float) -> float:
    """The longest time that a series was silent, of the silences that lasted beyond `since`; 0 if none did.

    Args:
        arrivals: series and time, rising.
    """
    last: dict[str, float] = {}
    longest = 0.0
    for series, at in arrivals:
        if at > since and series in last:
            longest = max(longest, at - max(last[series], since))
        last[series] = at
    return longest
