"""The live line, and what stands for it where nobody watches."""

import io
import logging

import pytest
from rich.console import Console

from foretell.cli.progress import Paced, Rates, line, show
from foretell.stream.supervision.status import StreamStatus
from foretell.telemetry.meter import Meter
from foretell.telemetry.metrics import DEAD_LETTERS, FORECASTS, LAG, LATENCY, ROWS


@pytest.fixture
def statuses() -> list[StreamStatus]:
    """Every half second from 0 to 12; 100 rows and 80 forecasts in each half."""
    meter = Meter()
    made = []
    for i in range(25):
        made.append(StreamStatus(i / 2, meter.snapshot(), workers=3, wanted=4, note="replacing worker 2"))
        meter.add(ROWS, 100)
        meter.add(FORECASTS, 80)
        meter.add(DEAD_LETTERS, 2, label="not_json")
        meter.add(DEAD_LETTERS, 18, label="too_late")
        meter.set_all(LAG, {"0": 1000, "1": 234})
        meter.observe(LATENCY, [0.010] * 99 + [0.2])
    return made


def test_rates_are_of_the_time_between(statuses: list[StreamStatus]) -> None:
    rates = Rates.between(statuses[2], statuses[6])
    assert (rates.rows_per_s, rates.forecasts_per_s, rates.lag) == (200, 160, 1234)
    assert rates.p50_ms == pytest.approx(10, rel=0.25)
    assert rates.p99_ms is not None
    assert rates.p99_ms < 20
    assert rates.dead_letters == {"not_json": 12, "too_late": 108}


def test_a_line_for_a_terminal(statuses: list[StreamStatus]) -> None:
    text = line(statuses[6], Rates.between(statuses[2], statuses[6])).plain
    for words in ("200 rows/s", "160 forecasts/s", "lag 1,234", "p50 ", "3/4 workers", "replacing worker 2"):
        assert words in text
    assert "dead letters 108 too_late, 12 not_json" in text
    quiet = line(StreamStatus(1.0, workers=2, wanted=2), Rates(0, 0, 0, None, None, {})).plain
    assert quiet == "  0 rows/s   0 forecasts/s   lag 0   2/2 workers"


def test_statuses_come_often_and_are_told_now_and_then(statuses: list[StreamStatus]) -> None:
    told: list[float] = []
    paced = Paced(2.0, lambda now, rates: told.append(now.at))
    for status in statuses:
        paced(status)
    assert told == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]


def test_elsewhere_it_is_the_log(statuses: list[StreamStatus], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="foretell"), show(Console(file=io.StringIO())) as tell:
        for status in statuses:
            tell(status)
    (record,) = caplog.records
    assert record.getMessage() == "replacing worker 2"
    assert record.__dict__["rows_per_s"] == 200.0
    assert record.__dict__["workers"] == 3


def test_on_a_terminal_it_is_drawn_in_place(statuses: list[StreamStatus]) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=150, color_system=None)
    with show(console) as tell:
        for status in statuses:
            tell(status)
    assert "200 rows/s" in screen.getvalue()
    assert screen.getvalue().count("\n") <= 1
