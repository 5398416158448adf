"""Each sentence about regular windows by an example; hours of one feature, three steps."""

from collections.abc import Callable

import numpy as np

from foretell.rows.reasons import Reason
from foretell.windows import Update, WindowRules, Windows, open_windows

HOUR = 3_600_000_000

Rules = Callable[..., WindowRules]
Feed = Callable[..., Update]
Shown = Callable[[Update], list[list[float]]]


def opened(rules: WindowRules) -> tuple[Windows, int]:
    windows = open_windows(rules)
    return windows, int(windows.add(1)[0])


def test_forecasts_when_the_newest_slot_was_just_filled(rules: Rules, feed: Feed, shown: Shown) -> None:
    windows, one = opened(rules())
    update = feed(windows, one, (0, 10), (1, 11), (2, 12), (3.5, 13))
    assert update.due.tolist() == [2, 3]
    assert shown(update) == [[10, 11, 12], [11, 12, 13]]
    assert update.newest_us.tolist() == [2 * HOUR, 3 * HOUR]  # the slot's own time, not the row's
    assert not update.revision.any()


def test_rows_finer_than_the_step_take_one_slot_in_many(rules: Rules, feed: Feed, shown: Shown) -> None:
    windows, one = opened(rules(every_us=HOUR // 60))
    update = feed(windows, one, *((minute / 60, minute) for minute in range(122)))
    assert shown(update) == [[0, 60, 120], [1, 61, 121]]


def test_a_slot_told_again(rules: Rules, feed: Feed, shown: Shown) -> None:
    windows, one = opened(rules())
    feed(windows, one, (0, 10), (1, 11), (2, 12))
    update = feed(windows, one, (2, 12), (2.5, 99), (2, 99))
    assert update.duplicate.tolist() == [True, False, True]
    assert shown(update) == [[10, 11, 99]]
    assert update.due.tolist() == [1]
    assert update.revision.all()


def test_a_better_value_of_an_older_slot_is_kept_without_a_forecast(
    rules: Rules, feed: Feed, shown: Shown
) -> None:
    windows, one = opened(rules())
    update = feed(windows, one, (0, 10), (1, 11), (2, 12), (1, 99), (3, 13))
    assert update.due.tolist() == [2, 4]
    assert shown(update)[1] == [99, 12, 13]


def test_same_time_keep_makes_it_a_conflict(rules: Rules, feed: Feed, shown: Shown) -> None:
    windows, one = opened(rules(same_time="keep"))
    update = feed(windows, one, (0, 10), (1, 11), (2, 12), (2, 99), (1, 99), (2, 12), (3, 13))
    assert np.flatnonzero(update.reason == Reason.CONFLICT).tolist() == [3, 4]
    assert update.duplicate.tolist() == [False] * 5 + [True, False]
    assert shown(update) == [[10, 11, 12], [11, 12, 13]]


def test_a_late_row_fills_its_slot(rules: Rules, feed: Feed, shown: Shown) -> None:
    windows, one = opened(rules())
    update = feed(windows, one, (0, 10), (2, 12), (1, 11), (3, 13))
    assert shown(update) == [[11, 12, 13]]
    assert update.due.tolist() == [3]


def test_late_revise_forecasts_the_newest_window_again(rules: Rules, feed: Feed, shown: Shown) -> None:
    windows, one = opened(rules(late="revise", warm_up="repeat"))
    feed(windows, one, (2, 12))
    update = feed(windows, one, (0, 10), (1, 11), (3, 13))
    assert shown(update) == [[10, 11, 12], [11, 12, 13]]  # with hour 1 missing, hour 0 alone made no window
    assert update.revision.tolist() == [True, False]
    assert update.newest_us.tolist() == [2 * HOUR, 3 * HOUR]


def test_of_two_late_rows_the_first_does_not_see_the_second(rules: Rules, feed: Feed, shown: Shown) -> None:
    windows, one = opened(rules(late="revise"))
    update = feed(windows, one, (0, 10), (1, 11), (2, 12), (0, 90), (1, 91))
    assert shown(update) == [[10, 11, 12], [90, 11, 12], [90, 91, 12]]


def test_late_revise_leaves_slots_alone_that_the_window_does_not_take(rules: Rules, feed: Feed) -> None:
    windows, one = opened(rules(late="revise", every_us=HOUR // 2, lookback=2))
    update = feed(windows, one, (0, 10), (1, 11), (0.5, 99))
    assert update.due.tolist() == [1]


def test_older_than_the_window_is_too_late(rules: Rules, feed: Feed) -> None:
    windows, one = opened(rules())
    update = feed(windows, one, (5, 15), (3, 13), (2.99, 12))
    assert update.reason.tolist() == [Reason.OK, Reason.OK, Reason.TOO_LATE]


def test_a_row_in_the_future_does_not_push_the_window(rules: Rules) -> None:
    windows, one = opened(rules(lookback=1))
    time_us = np.array([0, 900, 1, 1]) * HOUR + np.array([0, 0, 1, 0])
    record_us = np.array([0, 0, 0, 0]) * HOUR
    update = windows.update(np.full(4, one), time_us, np.ones((4, 1)), record_us)
    future = Reason.IN_THE_FUTURE
    assert update.reason.tolist() == [Reason.OK, future, future, Reason.OK]
    assert update.due.tolist() == [0, 3]


def test_series_do_not_mix(rules: Rules) -> None:
    windows = open_windows(rules(lookback=2))
    ids = windows.add(2)
    time_us = np.array([0, 5, 1, 6]) * HOUR
    update = windows.update(ids[[0, 1, 0, 1]], time_us, np.arange(4.0)[:, None], time_us)
    assert update.windows[:, :, 0].tolist() == [[0, 2], [1, 3]]
    assert sorted(update.touched.tolist()) == sorted(ids.tolist())


def test_only_changed_series_are_touched(rules: Rules, feed: Feed) -> None:
    windows, one = opened(rules())
    feed(windows, one, (5, 15))
    assert feed(windows, one, (5, 15), (0, 10)).touched.tolist() == []
