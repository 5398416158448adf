"""Derivations against known values, and the calendar against Python's own."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.rows.derived import CALENDAR, DERIVATIONS, calendar

# Psychrometric tables: air temperature, relative humidity, dew point, in degC and percent.
TABLE = [(20.0, 50.0, 9.3), (30.0, 80.0, 26.2), (0.0, 100.0, 0.0), (-10.0, 70.0, -14.4)]


@pytest.mark.parametrize(("temperature", "humidity", "wanted"), TABLE)
def test_dew_point(temperature: float, humidity: float, wanted: float) -> None:
    found = DERIVATIONS["dew_point"].compute(
        {"temperature": np.array([temperature]), "humidity": np.array([humidity])}
    )
    assert found[0] == pytest.approx(wanted, abs=0.1)


def test_wind_speed() -> None:
    found = DERIVATIONS["wind_speed"].compute({"u": np.array([3.0, 0.0]), "v": np.array([-4.0, 0.0])})
    assert found.tolist() == [5.0, 0.0]


def us(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("name", "when", "wanted"),
    [
        ("hour_sin", (2024, 5, 1, 6), 1.0),
        ("hour_cos", (2024, 5, 1, 12), -1.0),
        ("hour_sin", (2024, 5, 1, 1, 30), math.sin(2 * math.pi * 1.5 / 24)),
        ("day_cos", (2024, 1, 1), 1.0),
        ("day_cos", (2024, 7, 2), -1.0),
        ("day_sin", (2023, 4, 2, 6), 1.0),
        ("weekday_cos", (2024, 1, 1), 1.0),
        ("weekday_sin", (2024, 1, 2, 18), 1.0),
    ],
)
def test_calendar(name: str, when: tuple[int, ...], wanted: float) -> None:
    assert calendar(name, np.array([us(*when)]))[0] == pytest.approx(wanted, abs=1e-9)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)))
def test_calendar_against_pythons(moment: datetime) -> None:
    """Also before 1970, where a remainder of a negative number is easily wrong."""
    at = moment.replace(tzinfo=UTC)
    time_us = np.array([(at - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)])
    seconds = at.hour * 3600 + at.minute * 60 + at.second + at.microsecond / 1e6
    day = seconds / 86400
    start, end = datetime(at.year, 1, 1, tzinfo=UTC), datetime(at.year + 1, 1, 1, tzinfo=UTC)
    parts = {"hour": day, "weekday": (at.weekday() + day) / 7, "day": (at - start) / (end - start)}
    for name in CALENDAR:
        part, wave = name.split("_")
        wanted = getattr(math, wave)(2 * math.pi * parts[part])
        assert calendar(name, time_us)[0] == pytest.approx(wanted, abs=1e-6)
