"""Rows of a request as windows: in pieces, out of order, and by the settings of the stream."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.bundle.bundle import open_bundle
from foretell.bundle.manifest import Manifest
from foretell.config import RowSettings, WindowSettings
from foretell.rows.adapter import Adapter, FeatureRule
from foretell.serve.protocols.row_windows import RowReader, RowWindows
from foretell.windows import WindowRules, open_windows

START = datetime(2013, 1, 1, tzinfo=UTC)
NOW_US = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1e6)


@pytest.fixture(scope="module")
def read(weather: Manifest) -> Callable[..., RowWindows]:
    """Reads items of (hour, temperature), with the window settings that are given."""

    def row(hour: float, temperature: float) -> bytes:
        time = (START + timedelta(hours=hour)).isoformat()
        return msgspec.json.encode(
            {"timestamp": time, "temperature": temperature, "wind_speed": 8.0, "dewpoint": 40.0}
        )

    def reads(*items: list[tuple[float, float]], now_us: int = NOW_US, **settings: Any) -> RowWindows:
        reader = RowReader(weather, RowSettings(), WindowSettings(**settings))
        return reader.read([[row(*told) for told in item] for item in items], now_us)

    return reads


def test_more_rows_than_a_chunk_of_several_items(read: Callable[..., RowWindows]) -> None:
    items = [[(float(i), float(i % 97 + n)) for i in range(1500 + 700 * n)] for n in range(4)]
    found = read(*items)
    assert not found.refused
    for item, window, newest in zip(items, found.windows, found.newest_us.tolist(), strict=True):
        assert window[:, 0].tolist() == [temperature for _, temperature in item[-7:]]
        assert newest == int((START + timedelta(hours=item[-1][0])).timestamp() * 1e6)


@given(
    hours=st.lists(st.integers(0, 20), min_size=1, max_size=30),
    gap=st.sampled_from(["break", "hold", "interpolate"]),
    warm_up=st.sampled_from(["wait", "repeat"]),
)
def test_it_is_the_window_of_the_stream(
    read: Callable[..., RowWindows], weather: Manifest, hours: list[int], gap: Any, warm_up: Any
) -> None:
    """Of the same rows in order of time, one after the other."""
    item = [(float(hour), float(i)) for i, hour in enumerate(hours)]
    settings = WindowSettings(gap=gap, warm_up=warm_up)
    rules = WindowRules.from_settings(settings, lookback=7, features=3, step_s=weather.step_s)
    windows = open_windows(rules)
    ids = windows.add(1)
    last = None
    for hour, temperature in sorted(item, key=lambda told: told[0]):
        time_us = np.array([int((START + timedelta(hours=hour)).timestamp() * 1e6)])
        update = windows.update(ids, time_us, np.array([[temperature, 8.0, 40.0]]), np.array([NOW_US]))
        last = update.windows[-1] if len(update.due) else None if not update.duplicate.any() else last
    found = read(item, gap=gap, warm_up=warm_up)
    assert (0 in found.refused) == (last is None)
    if last is not None:
        np.testing.assert_array_equal(found.windows[0], last)


def test_rows_told_twice_and_rows_out_of_range(read: Callable[..., RowWindows]) -> None:
    rows = [(float(hour), 50.0) for hour in range(7)]
    assert read([*rows, (6.0, 60.0)]).windows[0, -1, 0] == 60.0
    refused = read([*rows, (6.0, 60.0)], same_time="keep").refused[0]
    assert (refused.path, "told twice" in refused.message) == ("rows[7].timestamp", True)
    hot = [*rows[:6], (6.0, 500.0)]
    assert not read(hot).refused
    assert read(hot, out_of_range="reject").refused[0].path == "rows[6].temperature"


def test_the_future_is_told_by_the_requests_own_time(read: Callable[..., RowWindows]) -> None:
    rows = [(float(hour), 50.0) for hour in range(7)]
    hour_us = 3_600_000_000
    newest_us = int(START.timestamp() * 1e6) + 6 * hour_us
    assert not read(rows, now_us=newest_us - hour_us).refused
    assert read(rows, now_us=newest_us - hour_us - 1).refused[0].path == "rows[6].timestamp"


def test_a_bad_item_costs_the_others_nothing(read: Callable[..., RowWindows]) -> None:
    good = [(float(hour), 50.0) for hour in range(7)]
    found = read(good, good[:3], good)
    assert set(found.refused) == {1}
    np.testing.assert_array_equal(found.windows[0], found.windows[2])


def test_too_few_rows_are_told_by_the_fields_of_a_row(
    tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    """Not by the features that the adapter makes of them."""
    adapter = Adapter({"dewpoint": FeatureRule("dew"), "hour_sin": FeatureRule(derive="hour_sin")})
    names = ("temperature", "dewpoint", "hour_sin")
    manifest = open_bundle(make_bundle(tmp_path, features=names, adapter=adapter)).manifest
    reader = RowReader(manifest, RowSettings(), WindowSettings())
    row = {"timestamp": "2013-01-01T00:00:00Z", "temperature": 1.0, "dew": 1.0}
    refused = reader.read([[msgspec.json.encode(row)]], NOW_US).refused[0]
    assert refused.cure == "send 7 rows of timestamp, temperature, dew, 3600 s apart without a gap"
