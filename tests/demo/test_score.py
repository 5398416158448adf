"""Skill, what is due, and the count of what came."""

import numpy as np
import pytest

from foretell.demo.score import actuals, count, expected, percentiles, silence, skill
from foretell.demo.weather import HOUR_S, Weather

H = HOUR_S


def test_skill_against_persistence() -> None:
    forecasts = np.array([[11.0, 12.0], [21.0, 24.0]])
    truth = np.array([[12.0, 12.0], [22.0, np.nan]])
    first, second = skill(forecasts, truth, newest=np.array([10.0, 20.0]))
    assert (first.hours, first.model, first.persistence, first.skill) == (1, 1.0, 2.0, 0.5)
    assert (second.hours, second.model, second.persistence, second.skill) == (2, 0.0, 2.0, 1.0)


def test_a_worse_forecast_has_negative_skill() -> None:
    (step,) = skill(np.array([[14.0]]), np.array([[12.0]]), newest=np.array([11.0]))
    assert step.skill == -1.0


def test_actuals_are_unknown_in_holes_and_outside() -> None:
    weather = Weather(np.array([0, H, 3 * H]), np.array([[50.0, 0, 0], [51, 0, 0], [53, 0, 0]]))
    found = actuals(weather, np.array([0, 3 * H, -H]), horizon=2)
    np.testing.assert_array_equal(found, [[50, 51, np.nan], [53, np.nan, np.nan], [np.nan, 50, 51]])


def test_due_where_the_newest_hours_are_all_there() -> None:
    times = np.array([0, 1, 2, 3, 5, 6, 7]) * H
    assert expected(times, lookback=3) == {2 * H, 3 * H, 7 * H}


@pytest.mark.parametrize(
    ("came", "missing", "unasked", "doubled"),
    [
        ([("JFK", 1), ("JFK", 2)], 0, 0, 0),
        ([("JFK", 1)], 1, 0, 0),
        ([("JFK", 1), ("JFK", 2), ("JFK", 2)], 0, 0, 1),
        ([("JFK", 1), ("JFK", 2), ("LGA", 1)], 0, 1, 0),
    ],
)
def test_each_due_forecast_comes_once(
    came: list[tuple[str, int]], missing: int, unasked: int, doubled: int
) -> None:
    found = count({"JFK": {1, 2}}, came)
    assert (found.due, found.missing, found.unasked, found.doubled) == (2, missing, unasked, doubled)
    assert found.exact == (missing == unasked == doubled == 0)


def test_percentiles() -> None:
    assert percentiles([1.0, 2.0, 3.0], [50]) == [2.0]
    assert np.isnan(percentiles([])).all()


def test_silence_counts_from_the_kill() -> None:
    came = [("JFK", 1.0), ("LGA", 1.0), ("LGA", 2.5), ("JFK", 4.5), ("LGA", 4.6)]
    assert silence(came, since=2.0) == pytest.approx(2.5)
    assert silence(came, since=9.0) == 0.0
