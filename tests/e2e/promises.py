"""What has to come out: worked out from the rows alone, by the reference windows and the forecaster."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.e2e.rows import FEATURES, Row
from tests.windows.reference import Series

from foretell.config import WindowSettings
from foretell.forecasting.forecaster import Forecaster
from foretell.windows import WindowRules

Origin = tuple[int, int]  # partition, offset


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast that a row has earned."""

    series: str
    newest_us: int
    filled: int
    revision: bool
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What a bad row has earned."""

    reason: str
    row: Row


class Promises:
    """Rows go in, in the order of their partitions; what they earn is kept until the audit takes it.

    Attributes:
        forecasts, dead_letters: not yet redeemed. made: how many of each kind there were in all.
        tolerance: of a forecast, in own units: 1e-5 of the output's range.
    """

    def __init__(self, bundle: Path, settings: WindowSettings) -> None:
        self._forecaster = Forecaster.open(bundle)
        manifest = self._forecaster.manifest
        self._rules = WindowRules.from_settings(
            settings, lookback=manifest.lookback, features=len(FEATURES), step_s=manifest.step_s
        )
        self._series: dict[tuple[int, str], Series] = {}
        self.forecasts: dict[Origin, Forecast] = {}
        self.dead_letters: dict[Origin, DeadLetter] = {}
        self.made: Counter[str] = Counter()
        low, high = manifest.targets[0].bounds() or (0.0, 0.0)
        self.tolerance = 1e-5 * (high - low)

    def add(self, rows: list[tuple[Origin, Row]]) -> None:
        """Rows as the input topic has them."""
        due: list[tuple[Origin, Row, Forecast]] = []
        windows: list[list[tuple[float, ...]]] = []
        for origin, row in rows:
            self.made["rows"] += 1
            if row.broken:
                self._bury(origin, row, row.broken)
                continue
            series = self._series.setdefault((row.partition, row.station), Series(self._rules))
            told = series.row(row.time_us, row.values, row.timestamp_ms * 1000)
            if told.reason != "ok":
                self._bury(origin, row, told.reason)
            elif told.window is not None:
                windows.append(told.window)
                forecast = Forecast(row.station, told.newest_us, told.filled, told.revision, np.empty(0))
                due.append((origin, row, forecast))
        if due:
            self._predict(due, np.array(windows, np.float64))

    def _predict(self, due: list[tuple[Origin, Row, Forecast]], windows: NDArray[np.float64]) -> None:
        answers = self._forecaster.predict(windows)
        for i, (origin, row, told) in enumerate(due):
            if answers.refused[i]:
                self._bury(origin, row, "engine_error")
                continue
            values = answers.values[i, :, 0]
            self.forecasts[origin] = Forecast(told.series, told.newest_us, told.filled, told.revision, values)
            self.made["forecasts"] += 1
            self.made["revisions"] += told.revision

    def _bury(self, origin: Origin, row: Row, reason: str) -> None:
        self.dead_letters[origin] = DeadLetter(reason, row)
        self.made["dead letters"] += 1
        self.made[reason] += 1
