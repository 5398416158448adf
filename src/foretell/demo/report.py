"""What the demo has to say at its end, made from what was sent, what came and what really happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from foretell.demo.collect import Arrival
from foretell.demo.score import Count, Step, actuals, count, expected, percentiles, silence, skill
from foretell.demo.weather import HOUR_S, Weather

SHOWN = "JFK"
SHOWN_FROM = datetime(2013, 10, 14, tzinfo=UTC)
_WEEK_H = 7 * 24
_COLD_S = 2.0  # a fresh broker's first transactions take a second


@dataclass(frozen=True, slots=True)
class Kill:
    """A worker that was killed: its process id, when, and after how many rows."""

    pid: int
    at: float
    rows: int


@dataclass(frozen=True, slots=True)
class Week:
    """A week of one airport: the temperature each hour, and forecasts by the hour at which they start."""

    airport: str
    actual: NDArray[np.float64]
    forecasts: list[tuple[int, NDArray[np.float64]]]
    days: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Report:
    """
    Attributes:
        seconds: from the first row sent to the last forecast read.
        latency: p50 and p99 in seconds, from a row's sending to the reading of its forecast, after the first
            seconds; where a worker was killed, of the forecasts before that.
        silence: seconds for which the killed worker's airports were silent.
    """

    rows: int
    forecasts: int
    seconds: float
    latency: tuple[float, float]
    steps: list[Step]
    count: Count
    week: Week
    kill: Kill | None
    silence: float


def due(weather: Mapping[str, Weather], lookback: int) -> dict[str, set[int]]:
    """The hours after which a forecast of each airport is due."""
    return {airport: expected(observed.time_s, lookback) for airport, observed in weather.items()}


def make_report(
    weather: Mapping[str, Weather],
    lookback: int,
    sent_at: Mapping[tuple[str, int], float],
    arrivals: Sequence[Arrival],
    kill: Kill | None,
) -> Report:
    """Score the arrivals against the weather that was replayed."""
    began = min(sent_at.values(), default=0.0)
    calm = [a for a in arrivals if kill is None or a.at < kill.at]
    sent_and_read = [(sent_at[key], a.at) for a in calm if (key := (a.series, a.issued_s)) in sent_at]
    p50, p99 = percentiles([read - sent for sent, read in sent_and_read if sent - began > _COLD_S])
    return Report(
        rows=len(sent_at),
        forecasts=len(arrivals),
        seconds=max((a.at for a in arrivals), default=began) - began,
        latency=(p50, p99),
        steps=_steps(weather, arrivals),
        count=count(due(weather, lookback), [(a.series, a.issued_s) for a in arrivals]),
        week=_week(weather, arrivals),
        kill=kill,
        silence=silence([(a.series, a.at) for a in arrivals], kill.at) if kill else 0.0,
    )


def _steps(weather: Mapping[str, Weather], arrivals: Sequence[Arrival]) -> list[Step]:
    """Over all airports; a forecast that came twice counts once."""
    forecasts, truths = [], []
    for airport, observed in weather.items():
        mine = {a.issued_s: a.values for a in arrivals if a.series == airport}
        if mine:
            values = np.array(list(mine.values()))
            forecasts.append(values)
            truths.append(actuals(observed, np.array(list(mine)), values.shape[1]))
    if not forecasts:
        return []
    truth = np.concatenate(truths)
    return skill(np.concatenate(forecasts), truth[:, 1:], truth[:, 0])


def _week(weather: Mapping[str, Weather], arrivals: Sequence[Arrival]) -> Week:
    """Forecasts are shown end to end: the next one starts where the one before has ended."""
    airport = SHOWN if SHOWN in weather else next(iter(weather))
    start_s = int(SHOWN_FROM.timestamp())
    actual = actuals(weather[airport], np.array([start_s]), _WEEK_H - 1)[0]
    shown: list[tuple[int, NDArray[np.float64]]] = []
    free = 0
    for arrival in sorted((a for a in arrivals if a.series == airport), key=lambda a: a.issued_s):
        hour = (arrival.issued_s - start_s) // HOUR_S
        if free <= hour < _WEEK_H:
            shown.append((hour, np.array([actual[hour], *arrival.values])[: _WEEK_H - hour]))
            free = hour + len(arrival.values)
    days = [(24 * d, (SHOWN_FROM + timedelta(days=d)).strftime("%-d %b")) for d in range(7)]
    return Week(airport, actual, shown, days)
