"""Sequence windows: the last `lookback` rows of a series in rising event time, on no grid."""

import numpy as np
from numpy.typing import NDArray

from foretell.errors import InputError
from foretell.windows.cut import NEVER, Pass
from foretell.windows.packing import CURE, Layout, Parts
from foretell.windows.rules import WindowRules
from foretell.windows.update import Due, Outcome
from foretell.windows.windows import Windows


class SequenceWindows(Windows):
    """Windows of rows, not of slots: there are no gaps, and two rows are at the same time when it is equal.

    Of each series it keeps the newest rows, the newest last; places without a row come first, at NEVER.
    """

    def __init__(self, rules: WindowRules) -> None:
        lookback, features = rules.lookback, rules.features
        record = np.dtype(
            {
                "names": ["times", "newest", "values"],
                "formats": [("<i8", (lookback,)), "<i8", ("<f8", (lookback, features))],
                "offsets": [0, 8 * (lookback - 1), 8 * lookback],  # `newest` is the last of `times`
            }
        )
        empty = np.zeros(1, record)
        empty["times"] = NEVER
        super().__init__(rules, empty, Layout(2, 0, lookback, 1 + features), late_first=True)

    def _tick(self, time_us: NDArray[np.int64]) -> NDArray[np.int64]:
        return time_us

    def _advance(self, records: NDArray[np.void], rows: Pass, values: NDArray[np.float64]) -> Outcome:
        times, kept = records["times"].copy(), records["values"].copy()
        too_late, conflict, same = (np.zeros(len(rows.rows), np.bool_) for _ in range(3))
        late = rows.first[~rows.fresh[rows.first]]
        if len(late):
            too_late[late], conflict[late], same[late] = self._put_late(
                times, kept, rows.owner[late], rows.tick[late], values[late]
            )
        good = ~(too_late | conflict | same)
        behind = rows.before - rows.tick
        again = behind >= 0 if self.rules.late == "revise" else behind == 0
        return self._append(
            times, kept, rows, values, good & (rows.fresh | again), (too_late, conflict, same)
        )

    def _put_late(
        self,
        times: NDArray[np.int64],
        kept: NDArray[np.float64],
        series: NDArray[np.intp],
        tick: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Put one late row a series in its place, in place.

        Args:
            times, kept: (k, lookback) and (k, lookback, features) of all series of the pass.
            series: (l,) which of them are concerned. tick, values: (l,) and (l, features) of the late rows.
        Returns:
            (l,) bool each: too late, in conflict, known with the same values.
        """
        ours, rows = times[series], kept[series]
        too_late = tick < ours[:, 0]
        after = (ours <= tick[:, None]).sum(
            axis=1
        )  # how many are not newer; at least one unless it is too late
        at = np.maximum(after - 1, 0)
        known = ours[np.arange(len(at)), at] == tick
        same = known & (rows[np.arange(len(at)), at] == values).all(axis=1)
        conflict = known & ~same & (self.rules.same_time == "keep")
        good = np.flatnonzero(~(too_late | same | conflict))
        # A row that is new in its place pushes the older ones down by one, and the oldest out.
        push = (np.arange(ours.shape[1]) < at[:, None]) & ~known[:, None]
        source = (np.arange(ours.shape[1]) + push)[good]
        place = at[good]
        ours = np.take_along_axis(ours[good], source, axis=1)
        rows = np.take_along_axis(rows[good], source[:, :, None], axis=1)
        ours[np.arange(len(good)), place] = tick[good]
        rows[np.arange(len(good)), place] = values[good]
        times[series[good]], kept[series[good]] = ours, rows
        return too_late, conflict, same

    def _append(
        self,
        times: NDArray[np.int64],
        kept: NDArray[np.float64],
        rows: Pass,
        values: NDArray[np.float64],
        candidate: NDArray[np.bool_],
        verdict: tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]],
    ) -> Outcome:
        """Lay each series's rows and then its fresh ones in one line; every window is a stretch of it."""
        lookback, fresh = self.rules.lookback, rows.fresh
        added = np.cumsum(fresh, dtype=np.intp)
        earlier = added[rows.first] - fresh[rows.first]
        start = earlier + np.arange(len(rows.series)) * lookback
        length = int(start[-1] - earlier[-1] + lookback + added[-1])
        last = np.append(start[1:], length) - 1
        end = (start - earlier)[rows.owner] + added + lookback - 1
        line_times, line = np.empty(length, np.int64), np.empty((length, self.rules.features))
        stored = start[:, None] + np.arange(lookback)
        line_times[stored], line[stored] = times, kept
        line_times[end[fresh]], line[end[fresh]] = rows.tick[fresh], values[fresh]
        after = np.empty(len(start), self._store.dtype)
        stretch = last[:, None] + np.arange(1 - lookback, 1)
        after["times"], after["values"] = line_times.take(stretch), line.take(stretch, axis=0)
        return Outcome(*verdict, self._due(line_times, line, rows, end, candidate), after)

    def _due(
        self,
        times: NDArray[np.int64],
        line: NDArray[np.float64],
        rows: Pass,
        end: NDArray[np.intp],
        candidate: NDArray[np.bool_],
    ) -> Due:
        """The windows of the candidates that are whole, or may be made so by repeating the oldest row."""
        chosen = np.flatnonzero(candidate)
        chosen = chosen[np.argsort(rows.rows[chosen])]
        steps = np.arange(self.rules.lookback)
        places = end[chosen, None] + steps - steps[-1]
        empty = (times.take(places) == NEVER).sum(axis=1, dtype=np.int32)
        if self.rules.warm_up == "wait":
            chosen, places, empty = chosen[empty == 0], places[empty == 0], empty[empty == 0]
        places = np.maximum(places, places[:, :1] + empty[:, None])
        newest = np.maximum(rows.tick, rows.before)[chosen]
        return Due(rows.rows[chosen], line.take(places, axis=0), empty, ~rows.fresh[chosen], newest)

    def _parts(self, records: NDArray[np.void]) -> Parts:
        times = np.ascontiguousarray(records["times"])
        rows = np.concatenate([times.view(np.float64)[:, :, None], records["values"]], axis=2)
        return Parts(np.empty((len(records), 0), np.int64), times != NEVER, rows)

    def _whole(self, parts: Parts) -> NDArray[np.void]:
        times = np.ascontiguousarray(parts.values[:, :, 0]).view(np.int64)
        times[~parts.filled] = NEVER
        steps = np.diff(times, axis=1)
        if ((steps <= 0) & parts.filled[:, :-1]).any():
            raise InputError("a stored window's rows are not in rising time", cure=CURE)
        records = np.zeros(len(times), self._store.dtype)
        records["times"], records["values"] = times, parts.values[:, :, 1:]
        return records
