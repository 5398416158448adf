"""Each sentence about sequence windows by an example; three rows of one feature."""

from collections.abc import Callable

import numpy as np
import pytest

from foretell.errors import InputError
from foretell.rows.reasons import Reason
from foretell.windows import Update, WindowRules, Windows, open_windows
from foretell.windows.packing import Layout, Parts, pack

HOUR = 3_600_000_000

Rules = Callable[..., WindowRules]
Feed = Callable[..., Update]
Shown = Callable[[Update], list[list[float]]]


def opened(rules: Rules, **otherwise: str) -> tuple[Windows, int]:
    windows = open_windows(rules(every_us=None, step_us=None, **otherwise))
    return windows, int(windows.add(1)[0])


def test_the_last_rows_whatever_lies_between_them(rules: Rules, feed: Feed, shown: Shown) -> None:
    windows, one = opened(rules)
    update = feed(windows, one, (0, 10), (0.25, 11), (90, 12), (1000.5, 13))
    assert shown(update) == [[10, 11, 12], [11, 12, 13]]
    assert update.newest_us.tolist() == [90 * HOUR, 1000.5 * HOUR]
    assert update.due.tolist() == [2, 3]


def test_warm_up_repeats_the_oldest(rules: Rules, feed: Feed, shown: Shown) -> None:
    windows, one = opened(rules, warm_up="repeat")
    update = feed(windows, one, (0, 10), (5, 11))
    assert shown(update) == [[10, 10, 10], [10, 10, 11]]
    assert update.filled.tolist() == [2, 1]


def test_a_late_row_takes_its_place(rules: Rules, feed: Feed, shown: Shown) -> None:
    windows, one = opened(rules)
    update = feed(windows, one, (0, 10), (2, 12), (4, 14), (3, 13), (1, 11), (5, 15))
    assert shown(update) == [[10, 12, 14], [13, 14, 15]]
    assert update.reason.tolist() == [0, 0, 0, 0, Reason.TOO_LATE, 0]  # 2, 3 and 4 were the last three


def test_before_there_are_enough_no_row_is_too_late(rules: Rules, feed: Feed, shown: Shown) -> None:
    windows, one = opened(rules, late="revise")
    update = feed(windows, one, (2, 12), (3, 13), (0, 10))
    assert shown(update) == [[10, 12, 13]]
    assert update.revision.tolist() == [True]
    assert update.newest_us.tolist() == [3 * HOUR]


def test_the_same_time(rules: Rules, feed: Feed, shown: Shown) -> None:
    rows = [(0, 10), (1, 11), (2, 12), (2, 12), (2, 99), (1, 98)]
    windows, one = opened(rules)
    update = feed(windows, one, *rows)
    assert shown(update) == [[10, 11, 12], [10, 11, 99]]
    assert update.duplicate.tolist() == [False, False, False, True, False, False]
    assert shown(feed(windows, one, (3, 13))) == [[98, 99, 13]]
    windows, one = opened(rules, same_time="keep")
    assert feed(windows, one, *rows).reason.tolist() == [0, 0, 0, 0, Reason.CONFLICT, Reason.CONFLICT]


def test_stored_rows_out_of_order_are_refused(rules: Rules) -> None:
    windows, one = opened(rules)
    times = np.array([[3, 2, 1]]).view(np.float64)[:, :, None]
    parts = Parts(
        np.empty((1, 0), np.int64), np.ones((1, 3), np.bool_), np.concatenate([times, times], axis=2)
    )
    with pytest.raises(InputError, match="rising time"):
        windows.load(np.array([one]), pack(Layout(2, 0, 3, 2), parts))
