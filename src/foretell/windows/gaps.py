"""What stands in for the empty slots of a window: `gap` between rows, `warm_up` before the first."""

import numpy as np
from numpy.typing import NDArray

from foretell.windows.rules import WindowRules
from foretell.windows.timeline import Timeline


def fill_gaps(
    rules: WindowRules,
    line: Timeline,
    windows: NDArray[np.float64],
    places: NDArray[np.intp],
    ticks: NDArray[np.int64],
    starts: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Fill the empty slots of m windows in place, as far as the rules allow.

    `warm_up: repeat` stands in for slots before a series's first row. A series that was silent for a whole
    window, with a gap that may not be filled, has nothing left to go by: it begins anew, and warms up again.

    Args:
        windows: (m, lookback, features). starts: (m,) where the line of its series begins.
        places, ticks: (m, lookback) where its slots are, on the line and on the grid.
    Returns:
        (m,) bool, windows of which no slot is empty any more.
    """
    row, step = np.nonzero(~line.filled.take(places))
    place, tick = places[row, step], ticks[row, step]
    left, right = line.filled_before[place], line.filled_after[place]
    has_left = left >= starts[row]
    since, until = tick - line.tick[left], line.tick[right] - tick
    longest = rules.max_gap_us // (rules.every_us or 1)
    if rules.gap == "hold":
        by_gap = has_left & (since <= longest)
        windows[row[by_gap], step[by_gap]] = line.values[left[by_gap]]
    elif rules.gap == "interpolate":
        by_gap = has_left & (since + until - 1 <= longest)
        share = since[by_gap] / (since + until)[by_gap]
        begin, end = line.values[left[by_gap]], line.values[right[by_gap]]
        windows[row[by_gap], step[by_gap]] = begin + (end - begin) * share[:, None]
    else:
        by_gap = np.zeros_like(has_left)
    done = by_gap
    if rules.warm_up == "repeat":
        at_the_beginning = ~by_gap & (~has_left | (since + until >= rules.slots))
        windows[row[at_the_beginning], step[at_the_beginning]] = line.values[right[at_the_beginning]]
        done = by_gap | at_the_beginning
    whole = np.ones(len(windows), np.bool_)
    whole[row[~done]] = False
    return whole
