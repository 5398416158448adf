"""Arrays against the plain reference: the same for any rules, any rows and any cutting into polls."""

import itertools
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.rows.reasons import Reason
from foretell.windows import Update, WindowRules, Windows, open_windows

MINUTE = 60_000_000
SERIES = 3

Row = tuple[int, int, tuple[float, ...], int]  # series, time, values, record's time


@st.composite
def some_rules(draw: st.DrawFn) -> WindowRules:
    every = draw(st.sampled_from([1, 7, MINUTE]))
    sequence = draw(st.integers(0, 3)) == 0
    return WindowRules(
        lookback=draw(st.integers(1, 5)),
        features=draw(st.integers(1, 2)),
        every_us=None if sequence else every,
        step_us=None if sequence else every * draw(st.integers(1, 4)),
        gap=draw(st.sampled_from(["hold", "interpolate", "break"])),
        max_gap_us=draw(st.integers(0, 8)) * every + draw(st.integers(0, every - 1)),
        warm_up=draw(st.sampled_from(["wait", "repeat"])),
        same_time=draw(st.sampled_from(["replace", "keep"])),
        late=draw(st.sampled_from(["fill", "revise"])),
        future_tolerance_us=5 * every,
    )


@st.composite
def some_rows(draw: st.DrawFn, rules: WindowRules) -> list[Row]:
    """Mostly forwards, at times back, twice, far ahead; before 1970 too."""
    every = rules.every_us or 7
    now = draw(st.lists(st.integers(-40, 40), min_size=SERIES, max_size=SERIES))
    tame = [1, 1, 1, 1, 0, -1, -1, -2, -2]
    moves = st.sampled_from(draw(st.sampled_from([tame, [*tame, 2, 3, 0, -4, -9, 6, 25]])))
    rows: list[Row] = []
    for _ in range(draw(st.integers(0, 40))):
        series = draw(st.integers(0, SERIES - 1))
        move = draw(moves)
        tick = now[series] + move
        now[series] = max(now[series], tick)
        values = tuple(float(draw(st.integers(0, 2))) for _ in range(rules.features))
        time_us = tick * every + draw(st.sampled_from([0, 0, every - 1]))
        rows.append((series, time_us, values, time_us - draw(st.sampled_from([0, 0, 0, 5, 6])) * every))
    return rows


@st.composite
def cases(draw: st.DrawFn) -> tuple[WindowRules, list[Row], list[int]]:
    rules = draw(some_rules())
    rows = draw(some_rows(rules))
    cuts = draw(st.lists(st.integers(0, len(rows)), max_size=5))
    return rules, rows, sorted({0, len(rows), *cuts})


def update(windows: Windows, ids: Any, rows: list[Row]) -> Update:
    return windows.update(
        ids[np.array([r[0] for r in rows], np.intp)],
        np.array([r[1] for r in rows], np.int64),
        np.array([r[2] for r in rows], np.float64).reshape(len(rows), windows.rules.features),
        np.array([r[3] for r in rows], np.int64),
    )


def told(update: Update, reference: ModuleType) -> list[Any]:
    """An update in the words of the reference, a row each."""
    out = [
        reference.Told(reason=Reason(reason).word, duplicate=bool(duplicate))
        for reason, duplicate in zip(update.reason, update.duplicate, strict=True)
    ]
    for at, row in enumerate(update.due.tolist()):
        out[row].window = [tuple(step) for step in update.windows[at].tolist()]
        out[row].filled = int(update.filled[at])
        out[row].revision = bool(update.revision[at])
        out[row].newest_us = int(update.newest_us[at])
    return out


def expected(rules: WindowRules, rows: list[Row], reference: ModuleType) -> list[Any]:
    series = [reference.Series(rules) for _ in range(SERIES)]
    return [series[s].row(time_us, values, record_us) for s, time_us, values, record_us in rows]


@settings(max_examples=250)
@given(case=cases())
def test_equals_the_reference_however_it_is_cut(
    reference: ModuleType, case: tuple[WindowRules, list[Row], list[int]]
) -> None:
    rules, rows, cuts = case
    windows = open_windows(rules)
    ids = windows.add(SERIES)
    got: list[Any] = []
    for begin, end in itertools.pairwise(cuts):
        block = update(windows, ids, rows[begin:end])
        assert (np.diff(block.due) > 0).all()
        part = told(block, reference)
        changed = {
            s
            for (s, *_), t in zip(rows[begin:end], part, strict=True)
            if t.reason == "ok" and not t.duplicate
        }
        assert sorted(block.touched.tolist()) == sorted(ids[sorted(changed)].tolist())
        got += part
    assert got == expected(rules, rows, reference)


@settings(max_examples=120)
@given(case=cases(), aborted=st.lists(st.booleans(), min_size=6, max_size=6))
def test_an_aborted_block_leaves_no_trace(
    reference: ModuleType, case: tuple[WindowRules, list[Row], list[int]], aborted: list[bool]
) -> None:
    rules, rows, cuts = case
    windows = open_windows(rules)
    ids = windows.add(SERIES)
    got: list[Any] = []
    for begin, end, abort in zip(cuts, cuts[1:], aborted, strict=False):
        if abort:
            before = windows.dump(ids)
            first = update(windows, ids, rows[begin:end])
            second = update(windows, ids, rows[begin:])
            windows.undo(second)
            windows.undo(first)
            assert windows.dump(ids) == before
        got += told(update(windows, ids, rows[begin:end]), reference)
    assert got == expected(rules, rows, reference)


@settings(max_examples=120)
@given(case=cases())
def test_goes_on_from_a_dump(reference: ModuleType, case: tuple[WindowRules, list[Row], list[int]]) -> None:
    rules, rows, cuts = case
    windows, got = open_windows(rules), []
    ids = windows.add(SERIES)
    for begin, end in itertools.pairwise(cuts):
        got += told(update(windows, ids, rows[begin:end]), reference)
        states = windows.dump(ids)
        windows = open_windows(rules)
        ids = windows.add(SERIES + 2)[2:]
        windows.load(ids, states)
        assert windows.dump(ids) == states
    assert got == expected(rules, rows, reference)


def test_no_rows_give_no_windows() -> None:
    for step_us in (MINUTE, None):
        rules = WindowRules(2, 1, step_us, step_us, "break", 0, "wait", "replace", "fill", 0)
        windows = open_windows(rules)
        block = update(windows, windows.add(1), [])
        assert (len(block.due), block.windows.shape, len(block.touched)) == (0, (0, 2, 1), 0)
        windows.undo(block)


def test_a_dropped_series_begins_anew() -> None:
    windows = open_windows(WindowRules(1, 1, MINUTE, MINUTE, "break", 0, "wait", "replace", "fill", 0))
    first, other = windows.add(2)
    update(windows, np.array([first, other]), [(0, 9 * MINUTE, (1.0,), 9 * MINUTE), (1, 0, (2.0,), 0)])
    kept = windows.dump(np.array([other]))
    windows.drop(np.array([first]))
    (again,) = windows.add(1)
    assert again == first
    assert update(windows, np.array([again]), [(0, MINUTE, (3.0,), MINUTE)]).windows.tolist() == [[[3.0]]]
    assert windows.dump(np.array([other])) == kept
