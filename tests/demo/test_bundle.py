"""The committed model on the committed weather, through all of a worker that is not Kafka."""

from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from foretell.config import Settings
from foretell.demo.collect import Arrival
from foretell.demo.replay import rows
from foretell.demo.report import Report, make_report
from foretell.demo.weather import BUNDLE, read_weather
from foretell.forecasting.forecaster import Forecaster
from foretell.stream.messages.blocks import Incoming
from foretell.stream.worker.pipeline import Pipeline


@dataclass
class Record:
    """As much of a consumer's message as a pipeline asks for."""

    name: bytes

    def key(self) -> bytes:
        return self.name

    def headers(self) -> None:
        return None


@pytest.fixture(scope="module")
def report() -> Report:
    weather = {airport: observed.test() for airport, observed in read_weather().items()}
    sent = rows(weather)
    forecaster = Forecaster.open(BUNDLE)
    n = len(sent)
    block = Incoming(
        "rows",
        np.zeros(n, np.int32),
        np.arange(n),
        np.full(n, 1_790_000_000_000_000),
        [row.encode(row.airport) for row in sent],
        [Record(row.airport.encode()) for row in sent],
    )
    out = Pipeline(Settings(), forecaster).take(block)
    assert not out.dead_letters
    said = [msgspec.json.decode(value) for _, value, _ in out.forecasts]
    arrivals = [
        Arrival(s["series"], _seconds(s["issued_at"]), s["forecast"]["temperature"], 0.0) for s in said
    ]
    lookback = forecaster.manifest.lookback
    return make_report(weather, lookback, {(r.airport, r.time_s): 0.0 for r in sent}, arrivals, None)


def _seconds(iso: str) -> int:
    return int(np.datetime64(iso.removesuffix("Z"), "s").astype(np.int64))


def test_each_forecast_that_is_due_comes_once(report: Report) -> None:
    assert report.count.exact
    assert report.count.due == report.forecasts > 6000


def test_every_step_beats_persistence(report: Report) -> None:
    assert len(report.steps) == 7
    assert all(step.skill > 0.15 for step in report.steps)


def test_the_week_is_covered_by_forecasts(report: Report) -> None:
    assert report.week.airport == "JFK"
    assert np.isfinite(report.week.actual).mean() > 0.95
    assert sum(len(values) - 1 for _, values in report.week.forecasts) > 150
