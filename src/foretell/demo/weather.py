"""The demo's weather: hourly, New York's three airports, 2013 (data/README.md says from where)."""

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

AIRPORTS = ("EWR", "JFK", "LGA")
HOUR_S = 3600
BUNDLE = Path(__file__).with_name("bundle")  # the model that scripts/train_demo.py trained on it
FIRST_TEST_HOUR_S = int(datetime(2013, 10, 1, tzinfo=UTC).timestamp())  # nothing from then on was trained on
TEMPERATURE, DEWPOINT, WIND_SPEED = range(3)


@dataclass(frozen=True, slots=True)
class Weather:
    """n observations of one airport, in rising time.

    Attributes:
        time_s: (n,) int64, seconds since 1970 UTC, whole hours; some are missing.
        values: (n, 3) float64: temperature and dew point in degF, wind speed in mph; NaN where not observed.
    """

    time_s: NDArray[np.int64]
    values: NDArray[np.float64]

    def test(self) -> "Weather":
        """October to December: what the model has not seen."""
        chosen = self.time_s >= FIRST_TEST_HOUR_S
        return Weather(self.time_s[chosen], self.values[chosen])

    def hourly(self) -> "Weather":
        """The same on every hour from first to last, NaN where the source has none."""
        slots = (self.time_s - self.time_s[0]) // HOUR_S
        values = np.full((int(slots[-1]) + 1, self.values.shape[1]), np.nan)
        values[slots] = self.values
        return Weather(self.time_s[0] + HOUR_S * np.arange(len(values)), values)


def read_weather(airports: Sequence[str] = AIRPORTS) -> dict[str, Weather]:
    """The whole year, by airport."""
    packed = resources.files("foretell.demo").joinpath("data/weather-2013.csv.gz").read_bytes()
    times: dict[str, list[float]] = {airport: [] for airport in airports}
    values: dict[str, list[list[float]]] = {airport: [] for airport in airports}
    for row in csv.DictReader(io.StringIO(gzip.decompress(packed).decode())):
        if row["origin"] in times:
            times[row["origin"]].append(datetime.fromisoformat(row["time_hour"]).timestamp())
            values[row["origin"]].append([float(row[c] or "nan") for c in ("temp", "dewp", "wind_speed")])
    return {a: Weather(np.array(times[a], np.int64), np.array(values[a])) for a in airports}
