"""Regular windows: event time on a grid, a window takes its newest slot and each step back from it."""

import numpy as np
from numpy.typing import NDArray

from foretell.errors import InputError
from foretell.windows.cut import NEVER, Pass
from foretell.windows.gaps import fill_gaps
from foretell.windows.packing import CURE, Layout, Parts
from foretell.windows.rules import WindowRules
from foretell.windows.timeline import Timeline
from foretell.windows.update import Due, Outcome
from foretell.windows.windows import Windows


class RegularWindows(Windows):
    """Windows on a grid.

    Of each series it keeps the slots from the oldest that a window takes to the newest, and before them the
    *anchor*: the last filled slot of those that have passed. With it, gaps that reach out of the window are
    filled as if the whole past were known, and a gap is told from the beginning of a series.
    """

    def __init__(self, rules: WindowRules) -> None:
        self._every_us = rules.every_us or 1
        rows = rules.slots + 1
        record = [
            ("newest", "<i8"),
            ("anchor", "<i8"),
            ("values", "<f8", (rows, rules.features)),
            ("filled", "?", (rows,)),
        ]
        empty = np.zeros(1, np.dtype(record, align=True))
        empty["newest"] = empty["anchor"] = NEVER
        # With `late: revise` two late rows in one pass would each find the other in their windows.
        super().__init__(rules, empty, Layout(1, 2, rows, rules.features), late_first=rules.late == "revise")

    def _tick(self, time_us: NDArray[np.int64]) -> NDArray[np.int64]:
        return time_us // self._every_us

    def _advance(self, records: NDArray[np.void], rows: Pass, values: NDArray[np.float64]) -> Outcome:
        line = Timeline(records, rows, self.rules.slots)
        behind = rows.before - rows.tick
        too_late = behind >= self.rules.slots
        known = line.filled[line.place] & ~too_late
        same = known.copy()
        same[known] = (line.values[line.place[known]] == values[known]).all(axis=1)
        conflict = known & ~same & (self.rules.same_time == "keep")
        good = ~(too_late | same | conflict)
        line.write(good, values)
        revised = behind == 0
        if self.rules.late == "revise":
            revised = (behind >= 0) & (behind % self.rules.ratio == 0)
        due = self._due(line, rows, good & (rows.fresh | revised))
        return Outcome(too_late, conflict, same, due, line.records())

    def _due(self, line: Timeline, rows: Pass, candidate: NDArray[np.bool_]) -> Due:
        """The windows of the candidates whose every slot is filled or may be."""
        chosen = np.flatnonzero(candidate)
        chosen = chosen[np.argsort(rows.rows[chosen])]
        fresh, owner = rows.fresh[chosen], rows.owner[chosen]
        newest = np.where(fresh, rows.tick[chosen], rows.before[chosen])
        steps = np.arange(1 - self.rules.lookback, 1) * self.rules.ratio
        places = np.where(fresh, line.place[chosen], line.newest[owner])[:, None] + steps
        windows = line.values.take(places, axis=0)
        empty = self.rules.lookback - line.filled.take(places).sum(axis=1, dtype=np.int32)
        if empty.any():
            some = np.flatnonzero(empty)
            filled = windows[some]
            whole = np.ones(len(chosen), np.bool_)
            whole[some] = fill_gaps(
                self.rules, line, filled, places[some], newest[some, None] + steps, line.start[owner[some]]
            )
            windows[some] = filled
            chosen, windows, empty = chosen[whole], windows[whole], empty[whole]
            fresh, newest = fresh[whole], newest[whole]
        return Due(rows.rows[chosen], windows, empty, ~fresh, newest)

    def _parts(self, records: NDArray[np.void]) -> Parts:
        heads = np.stack([records["newest"], records["anchor"]], axis=1)
        return Parts(heads, records["filled"], records["values"])

    def _whole(self, parts: Parts) -> NDArray[np.void]:
        newest, anchor = parts.heads.T
        told = np.stack([anchor, newest], axis=1) != NEVER
        if (told != parts.filled[:, [0, -1]]).any() or (anchor > newest).any():
            raise InputError("a stored window's newest row or anchor is not where it says", cure=CURE)
        records = np.zeros(len(newest), self._store.dtype)
        records["newest"], records["anchor"] = newest, anchor
        records["filled"], records["values"] = parts.filled, parts.values
        return records
