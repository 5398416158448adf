"""Room for many series."""

import numpy as np

from foretell.windows import WindowRules, open_windows
from foretell.windows.store import Store

RECORD = np.dtype([("newest", "<i8"), ("values", "<f8", (2,))])


def store() -> Store:
    empty = np.zeros(1, RECORD)
    empty["newest"] = -1
    return Store(empty)


def test_what_was_put_stays_while_it_grows() -> None:
    series = store()
    ids = series.add(3)
    records = series.take(ids)
    records["newest"], records["values"] = [1, 2, 3], [[4, 5], [6, 7], [8, 9]]
    series.put(ids, records)
    for _ in range(50):
        assert (series.field("newest", series.add(97)) == -1).all()
    assert (series.take(ids) == records).all()


def test_ids_come_again_and_empty() -> None:
    series = store()
    ids = series.add(5)
    full = series.take(ids)
    full["newest"] = 7
    series.put(ids, full)
    series.drop(ids[1:3])
    again = series.add(3)
    assert sorted(again.tolist()) == [1, 2, 5]
    assert series.field("newest", again).tolist() == [-1, -1, -1]
    assert series.field("newest", ids[[0, 3, 4]]).tolist() == [7, 7, 7]


def test_growth_wastes_an_eighth_at_most() -> None:
    series = store()
    for _ in range(1000):
        series.add(10)
    assert series.nbytes <= 10_000 * RECORD.itemsize * 9 / 8


def test_a_million_series_leave_room_for_their_names() -> None:
    """400 bytes a series are promised, and the stream's table of names takes some 150 of them."""
    for step_us in (60_000_000, None):
        rules = WindowRules(7, 3, step_us, step_us, "break", 0, "wait", "replace", "fill", 0)
        windows = open_windows(rules)
        for _ in range(100):
            windows.add(10_000)
        assert windows.nbytes / 1_000_000 < 250
