"""The committed data and bundle: what the demo stands on."""

import numpy as np

from foretell.bundle.bundle import open_bundle
from foretell.demo.weather import AIRPORTS, BUNDLE, FIRST_TEST_HOUR_S, HOUR_S, Weather, read_weather


def test_the_year_is_whole() -> None:
    weather = read_weather()
    assert tuple(weather) == AIRPORTS
    assert sum(len(w.time_s) for w in weather.values()) == 26_115
    for observed in weather.values():
        assert (np.diff(observed.time_s) >= HOUR_S).all()
        assert (observed.test().time_s >= FIRST_TEST_HOUR_S).all()
        assert np.isfinite(observed.test().values).all()


def test_only_the_airports_asked_for() -> None:
    assert tuple(read_weather(["JFK"])) == ("JFK",)


def test_hourly_has_a_slot_for_each_hour() -> None:
    observed = Weather(np.array([0, 3 * HOUR_S]), np.array([[50.0, 40, 5], [53, 41, 6]]))
    hourly = observed.hourly()
    assert hourly.time_s.tolist() == [0, HOUR_S, 2 * HOUR_S, 3 * HOUR_S]
    assert np.isnan(hourly.values[1:3]).all()
    assert hourly.values[3].tolist() == [53, 41, 6]


def test_the_bundle_is_what_its_manifest_says() -> None:
    manifest = open_bundle(BUNDLE).manifest
    assert [column.name for column in manifest.inputs][:3] == ["temperature", "dewpoint", "wind_speed"]
    assert (manifest.step_s, manifest.horizon) == (3600.0, 7)
    assert "weather-2013.csv.gz" in manifest.provenance.files
