"""What a person sees, on a terminal and in a pipe."""

import io

import numpy as np
import pytest
from rich.console import Console

from foretell.demo.collect import Arrival
from foretell.demo.report import Kill, make_report
from foretell.demo.show import Progress, Show
from foretell.demo.weather import HOUR_S, read_weather

WEATHER = {airport: observed.test() for airport, observed in read_weather(["JFK"]).items()}
LOOKBACK = 12


def perfect() -> tuple[dict[tuple[str, int], float], list[Arrival]]:
    """All rows sent 0.1 s apart, each due forecast perfect and read 20 ms later."""
    hourly = WEATHER["JFK"].hourly()
    known = dict(zip(hourly.time_s.tolist(), hourly.values[:, 0].tolist(), strict=True))
    sent = {("JFK", t): 1000 + i / 10 for i, t in enumerate(WEATHER["JFK"].time_s.tolist())}
    whole = [t for t in known if all(np.isfinite(known.get(t - b * HOUR_S, np.nan)) for b in range(LOOKBACK))]
    ahead = {t: [known.get(t + h * HOUR_S, 0.0) for h in range(1, 8)] for t in whole}
    return sent, [Arrival("JFK", t, ahead[t], sent["JFK", t] + 0.02) for t in whole]


def shown(kill: Kill | None = None, drop: int = 0) -> str:
    sent, arrivals = perfect()
    out = io.StringIO()
    console = Console(file=out, width=80)
    Show(console).report(make_report(WEATHER, LOOKBACK, sent, arrivals[drop:], kill))
    return out.getvalue()


def test_the_report_of_perfect_forecasts() -> None:
    text = shown()
    assert "1.00  ████████████████████████" in text
    assert "p50 20 ms, p99 20 ms" in text
    assert "0 lost, 0 doubled, 0 unasked for" in text
    assert "14 Oct" in text
    assert max(len(line) for line in text.splitlines() if "forecast" not in line) <= 80


def test_what_is_lost_is_told() -> None:
    assert "2 lost, 0 doubled" in shown(drop=2)


def test_a_kill_is_told() -> None:
    assert "worker 4711 was killed (SIGKILL) after 1,000 rows" in shown(Kill(4711, 1100.0, 1000))


def test_a_pipe_gets_plain_lines() -> None:
    out = io.StringIO()
    with Show(Console(file=out, width=100)) as show:
        show.progress(Progress(1200, 6509, 1000, 400.0, (0.012, 0.05)))
        show.progress(Progress(1201, 6509, 1001, 400.0, (0.012, 0.05)))
    assert out.getvalue().splitlines() == [
        "1,200 of 6,509 rows  ·  1,000 forecasts  ·  400 rows/s  ·  p50 12 ms, p99 50 ms"
    ]


def test_a_terminal_gets_one_line_that_stays_in_its_place() -> None:
    out = io.StringIO()
    with Show(Console(file=out, width=40, force_terminal=True)) as show:
        show.progress(Progress(1200, 6509, 1000, 400.0, (0.012, 0.05)))
        show.say("worker 7 killed")
    assert "1,200 of 6,509 rows" in out.getvalue()
    assert "worker 7 killed\n" in out.getvalue()
    assert "p99" not in out.getvalue()  # cut, not wrapped


@pytest.mark.parametrize(("total", "wanted"), [(0, "7 rows"), (10, "7 of 10 rows")])
def test_before_the_first_forecast_there_is_no_latency(total: int, wanted: str) -> None:
    said = str(Progress(7, total, 0, 3.0, (float("nan"), float("nan")), "waiting"))
    assert said == f"{wanted}  ·  0 forecasts  ·  3 rows/s  ·  waiting"
