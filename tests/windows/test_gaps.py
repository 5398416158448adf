"""What stands in for empty slots; hours of one feature."""

from collections.abc import Callable

import pytest

from foretell.windows import Update, WindowRules, open_windows

HOUR = 3_600_000_000

Rules = Callable[..., WindowRules]
Feed = Callable[..., Update]
Shown = Callable[[Update], list[list[float]]]


def last(
    rules: WindowRules, feed: Feed, shown: Shown, *rows: tuple[float, float]
) -> tuple[list[float], int] | None:
    """The window of the last row, and how many of its steps were filled."""
    windows = open_windows(rules)
    update = feed(windows, int(windows.add(1)[0]), *rows)
    if len(rows) - 1 not in update.due.tolist():
        return None
    return shown(update)[-1], int(update.filled[-1])


@pytest.mark.parametrize(
    ("gap", "window"), [("hold", [10, 10, 10, 40]), ("interpolate", [10, 20, 30, 40]), ("break", None)]
)
def test_a_gap(rules: Rules, feed: Feed, shown: Shown, gap: str, window: list[float] | None) -> None:
    got = last(rules(lookback=4, gap=gap), feed, shown, (0, 10), (3, 40))
    assert got == (None if window is None else (window, 2))


@pytest.mark.parametrize(("max_gap", "filled"), [(1, False), (2, True)])
@pytest.mark.parametrize("gap", ["hold", "interpolate"])
def test_a_gap_of_two_hours_takes_a_max_gap_of_two(
    rules: Rules, feed: Feed, shown: Shown, gap: str, max_gap: int, filled: bool
) -> None:
    got = last(rules(lookback=4, gap=gap, max_gap_us=max_gap * HOUR), feed, shown, (0, 10), (3, 40))
    assert (got is not None) == filled


def test_hold_reaches_over_the_part_of_a_gap_that_it_may(rules: Rules, feed: Feed, shown: Shown) -> None:
    """Of five empty hours the window takes the second: it is two hours from the row before it."""
    wide = rules(lookback=2, step_us=4 * HOUR, gap="hold", max_gap_us=2 * HOUR)
    assert last(wide, feed, shown, (0, 10), (6, 16)) == ([10, 16], 1)
    assert last(wide, feed, shown, (0, 10), (7, 17)) is None


@pytest.mark.parametrize(("gap", "stands_in"), [("hold", 10), ("interpolate", 30)])
def test_the_row_before_the_window_fills_its_oldest_slot(
    rules: Rules, feed: Feed, shown: Shown, gap: str, stands_in: float
) -> None:
    rows = [(0, 10), (3, 40), (4, 50)]
    assert last(rules(gap=gap), feed, shown, *rows) == ([stands_in, 40, 50], 1)


def test_slots_between_the_steps_count_as_neighbours(rules: Rules, feed: Feed, shown: Shown) -> None:
    halves = rules(lookback=2, every_us=HOUR // 2, gap="hold", max_gap_us=HOUR // 2)
    assert last(halves, feed, shown, (0.5, 5), (2, 20)) == ([5, 20], 1)


def test_warm_up_waits_or_repeats_the_oldest(rules: Rules, feed: Feed, shown: Shown) -> None:
    assert last(rules(), feed, shown, (0, 10), (1, 11)) is None
    assert last(rules(warm_up="repeat"), feed, shown, (0, 10), (1, 11)) == ([10, 10, 11], 1)
    assert last(rules(warm_up="repeat"), feed, shown, (0, 10)) == ([10, 10, 10], 2)


def test_warm_up_does_not_stand_in_for_a_gap(rules: Rules, feed: Feed, shown: Shown) -> None:
    assert last(rules(warm_up="repeat", lookback=4), feed, shown, (0, 10), (3, 13), (4, 14)) is None


def test_a_series_silent_for_a_whole_window_warms_up_again(rules: Rules, feed: Feed, shown: Shown) -> None:
    rows = [(0, 10), (1, 11), (2, 12), (5, 15), (6, 16)]
    assert last(rules(warm_up="repeat"), feed, shown, *rows) == ([15, 15, 16], 1)
    assert last(rules(warm_up="wait"), feed, shown, *rows) is None


def test_a_gap_as_long_as_the_window_may_still_be_filled(rules: Rules, feed: Feed, shown: Shown) -> None:
    held = rules(gap="hold", max_gap_us=5 * HOUR, warm_up="repeat")
    assert last(held, feed, shown, (0, 10), (5, 15)) == ([10, 10, 15], 2)
