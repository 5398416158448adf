"""Cuts the rows of a poll into passes, each of which is one array operation over all its series.

Rows count one after the other, in the order in which they came. Rows of a series that only ever go forward in
time do not get in each other's way, so they share a pass: a topic in order is one pass. A row that goes back
begins the next pass of its series.

A *tick* is where a row stands in time: its slot on the grid, or its time where there is no grid.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEVER = -(2**62)  # the tick of a series that has no row yet; far enough from both ends of int64


@dataclass(frozen=True, slots=True)
class Pass:
    """r rows of k series, series by series, rising in tick within each.

    Attributes:
        rows: (r,) where each row stands in the poll.
        tick: (r,) int64. before: (r,) the series's newest tick before the row, NEVER when it had none.
        series: (k,) ids. first: (k,) index of the first row of each. owner: (r,) index into `series`.
    """

    rows: NDArray[np.intp]
    tick: NDArray[np.int64]
    before: NDArray[np.int64]
    series: NDArray[np.intp]
    first: NDArray[np.intp]
    owner: NDArray[np.intp]

    @property
    def fresh(self) -> NDArray[np.bool_]:
        """(r,) rows that open a new newest tick of their series."""
        return self.tick > self.before


def cut(
    ids: NDArray[np.intp],
    tick: NDArray[np.int64],
    newest: NDArray[np.int64],
    rows: NDArray[np.intp],
    *,
    late_first: bool,
) -> Iterator[Pass]:
    """Passes over `rows` (indices into `ids`, `tick` and `newest`), to be done in this order.

    Args:
        ids: (n,) series. tick: (n,) int64. newest: (n,) the stored newest tick of each row's series.
        late_first: no row but the first of a series in a pass may lie at or before the newest one.
    """
    if not len(rows):
        return
    rows = rows[_by_series(ids[rows])]
    series, tick, stored = ids[rows], tick[rows], newest[rows]
    first, owner = _groups(series)
    previous = np.empty_like(tick)
    previous[1:] = tick[:-1]
    previous[first] = stored[first]
    if (tick > previous).all():
        yield Pass(rows, tick, previous, series[first], first, owner)
        return
    before = _newest_before(previous, owner)
    back = tick <= (before if late_first else previous)
    back[first] = False
    number = np.cumsum(back, dtype=np.intp)
    number -= number[first][owner]
    order = np.argsort(number, kind="stable")
    for part in np.split(order, np.cumsum(np.bincount(number))[:-1]):
        ids_of_part = series[part]
        first, owner = _groups(ids_of_part)
        yield Pass(rows[part], tick[part], before[part], ids_of_part[first], first, owner)


def _by_series(ids: NDArray[np.intp]) -> NDArray[np.intp]:
    """A stable order by series. NumPy sorts 16-bit integers five times as fast, and they mostly suffice."""
    small = ids.astype(np.uint16) if ids.max() < 2**16 else ids
    return np.argsort(small, kind="stable")


def _groups(series: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(k,) where each series begins, and (r,) which of them each row belongs to."""
    begins = np.empty(len(series), np.bool_)
    begins[0] = True
    np.not_equal(series[1:], series[:-1], out=begins[1:])
    return np.flatnonzero(begins), np.cumsum(begins) - 1


def _newest_before(previous: NDArray[np.int64], owner: NDArray[np.intp]) -> NDArray[np.int64]:
    """The running maximum of `previous` in each series, by ranks, so that none reaches into the next."""
    ticks, rank = np.unique(previous, return_inverse=True)
    offset = owner * len(ticks)
    return ticks[np.maximum.accumulate(rank + offset) - offset]
