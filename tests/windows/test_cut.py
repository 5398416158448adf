"""How many passes a poll takes, and what each row finds before it."""

import numpy as np

from foretell.windows.cut import NEVER, Pass, cut


def passes(ids: list[int], ticks: list[int], newest: int = NEVER, *, late_first: bool = False) -> list[Pass]:
    rows = np.arange(len(ids))
    stored = np.full(len(ids), newest, np.int64)
    return list(cut(np.array(ids), np.array(ticks, np.int64), stored, rows, late_first=late_first))


def test_a_hot_series_in_order_is_one_pass() -> None:
    (only,) = passes([7] * 4000, list(range(0, 8000, 2)))
    assert only.series.tolist() == [7]
    assert only.before[:3].tolist() == [NEVER, 0, 2]
    assert only.fresh.all()


def test_many_series_in_order_are_one_pass() -> None:
    (only,) = passes([70_000, 2] * 3, [5, 1, 6, 2, 7, 3])
    assert only.series.tolist() == [2, 70_000]
    assert only.rows.tolist() == [1, 3, 5, 0, 2, 4]
    assert only.owner.tolist() == [0, 0, 0, 1, 1, 1]


def test_rows_told_again_by_each_trigger_take_a_pass_a_trigger() -> None:
    """Spark in update mode: at each trigger the last five windows come again."""
    triggers = [[t + i for i in range(5)] for t in range(30)]
    ticks = [tick for trigger in triggers for tick in trigger]
    for stations in (1, 4):
        rows = passes(list(range(stations)) * len(ticks), [tick for tick in ticks for _ in range(stations)])
        assert len(rows) == 30
        assert all(len(p.rows) == 5 * stations for p in rows)


def test_a_row_that_goes_back_waits_for_its_own_series_only() -> None:
    first, second = passes([0, 0, 1, 0, 1], [3, 2, 8, 4, 9], newest=1)
    assert first.rows.tolist() == [0, 2, 4]
    assert second.rows.tolist() == [1, 3]
    assert second.before.tolist() == [3, 3]
    assert second.fresh.tolist() == [False, True]


def test_late_rows_share_a_pass_unless_each_must_be_first() -> None:
    assert [p.rows.tolist() for p in passes([0] * 4, [3, 4, 11, 12], newest=10)] == [[0, 1, 2, 3]]
    alone = passes([0] * 4, [3, 4, 11, 12], newest=10, late_first=True)
    assert [p.rows.tolist() for p in alone] == [[0], [1, 2, 3]]


def test_only_the_rows_asked_for() -> None:
    stored = np.zeros(3, np.int64)
    ids, ticks = np.zeros(3, np.intp), np.array([1, 99, 2])
    (only,) = cut(ids, ticks, stored, np.array([0, 2]), late_first=False)
    assert only.before.tolist() == [0, 1]
    assert not list(cut(ids, ticks, stored, np.array([], np.intp), late_first=False))
