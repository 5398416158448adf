"""What a batch costs: rows → seconds, learned from every batch that was evaluated."""

import math
from bisect import bisect_right
from collections.abc import Mapping

import numpy as np

_GAIN = 0.1  # of an error that a batch corrects
_CLIP = 1.0  # the largest error that counts, as a logarithm
_CHANCE = -0.6  # a batch may be so much faster than foreseen by chance, and no more
_LARGE, _NEAR = 0.3, 0.5  # twice an error beyond the first: neighbours go along, each by the second
_SURPRISE, _IN_A_ROW = 0.7, 3  # so many batches at half the speed that was foreseen are no chance either
_HIGH, _HIGH_GAIN = 0.9, 0.01  # the quantile that `at_most` stands for
_PAYS = 0.96  # of the best throughput: past it a larger batch only makes its members wait
_FAIR = 0.6  # of the best throughput: a batch is not kept smaller than that for the sake of deadlines
_STEEP = 2.0  # a row costs in no batch so many times more, or less than this part of, what was just measured
_MOVED = 0.02  # so far may a curve move before it is looked at which batches pay: not after each of them
_LEAST_S = 1e-7


class CostModel:
    """A line between knots at 1, 2, 4, … rows, each moved a little by the batches that come near it.

    Moves are in the logarithm and bounded, so that a batch that was late by chance (another process had the
    core) changes an estimate by a tenth at most: it settles at the median, not at the mean. One that was
    nearly twice as fast as was thought is no chance, and is half believed at once. Nor are three in a row
    that were twice as slow: the least slow of them is believed in full.
    """

    def __init__(self, max_rows: int) -> None:
        """`max_rows`: of a batch; beyond it costs are extrapolated."""
        steps = max(1, math.ceil(math.log2(max_rows)))
        self.shapes = [min(2**i, max_rows) for i in range(steps + 1)] if max_rows > 1 else [1]
        self._curve = [0.0] * len(self.shapes)
        self._places: dict[int, tuple[int, float]] = {}
        self._error = 0.0
        self._slow: list[float] = []  # errors of the newest batches, as long as all were surprisingly slow
        self._high = 0.2
        self._paying = self._fair = max_rows
        self._known, self._moved = False, 0.0

    @property
    def known(self) -> bool:
        """Whether anything was measured; until then every estimate is 0."""
        return self._known

    def seed(self, measured: Mapping[int, float]) -> None:
        """Rows → seconds, as a warm-up measured them. Beyond them, half of a cost is taken to be fixed."""
        sizes = sorted(measured)
        self._curve = np.interp(
            self.shapes, sizes, [max(measured[rows], _LEAST_S) for rows in sizes]
        ).tolist()
        for knot, rows in enumerate(self.shapes):
            nearest = min(max(rows, sizes[0]), sizes[-1])
            if rows != nearest:
                self._curve[knot] = measured[nearest] * (1 + rows / nearest) / 2
        self._curve = np.maximum.accumulate(self._curve).tolist()
        self._known = True
        self._moved = math.inf

    def observe(self, rows: int, seconds: float) -> None:
        """A batch of so many rows took so long."""
        if seconds <= 0 or rows < 1:
            return
        if not self._known:
            self.seed({rows: seconds})
            return
        error = math.log(seconds / self.seconds(rows))
        if error > _CHANCE:
            step = _GAIN * max(-_CLIP, min(_CLIP, error))
            self._high += _HIGH_GAIN * (_HIGH if error > self._high else _HIGH - 1)
            self._high = max(0.0, self._high)
        else:
            step = error / 2
        everywhere = min(abs(error), abs(self._error)) > _LARGE and error * self._error > 0
        self._learn(rows, self._surely(error) or step, everywhere=everywhere)
        self._error = error

    def seconds(self, rows: int) -> float:
        """Of one batch, as it mostly is."""
        shapes, curve = self.shapes, self._curve
        if rows >= shapes[-1]:
            return curve[-1] * rows / shapes[-1]
        below, part = self._places.get(rows) or self._place(rows)
        return curve[below] + part * (curve[below + 1] - curve[below])

    def at_most(self, rows: int) -> float:
        """Nine batches of ten take no longer."""
        return self.seconds(rows) * self.caution

    @property
    def caution(self) -> float:
        """By this factor nine batches of ten stay below their estimate."""
        return math.exp(self._high)

    @property
    def paying(self) -> int:
        """Rows past which a batch no longer gains in throughput."""
        self._settle()
        return self._paying

    @property
    def fair(self) -> int:
        """Rows with which a batch still has three fifths of the best throughput."""
        self._settle()
        return self._fair

    def within(self, seconds: float) -> int:
        """The largest batch of the shapes that takes no longer; the smallest where all do."""
        return self.shapes[max(0, bisect_right(self._curve, seconds) - 1)]

    def drain(self, rows: int) -> float:
        """Seconds until so many rows are evaluated, in batches of `paying`."""
        full, rest = divmod(rows, self.paying)
        return full * self.seconds(self._paying) + (self.seconds(rest) if rest else 0.0)

    def saved(self, rows: int) -> float:
        """Engine time that one more row saves by joining a batch of `rows` instead of going alone."""
        return self.seconds(1) + self.seconds(rows) - self.seconds(rows + 1)

    def _surely(self, error: float) -> float:
        """What several slow batches in a row tell together; 0 until there are enough of them."""
        self._slow = [*self._slow, error] if error > _SURPRISE else []
        if len(self._slow) < _IN_A_ROW:
            return 0.0
        sure, self._slow = min(self._slow), []
        return sure

    def _place(self, rows: int) -> tuple[int, float]:
        """The knot before it, and how far it is on the way to the next. Kept: a batch asks ten times."""
        shapes = self.shapes
        if rows >= shapes[-1]:
            return len(shapes) - 1, 0.0
        below = bisect_right(shapes, rows) - 1
        part = (rows - shapes[below]) / (shapes[below + 1] - shapes[below])
        self._places[rows] = below, part
        return below, part

    def _learn(self, rows: int, step: float, *, everywhere: bool) -> None:
        """Move the knots beside `rows`; twice in a row off by much the same way, the machine has changed."""
        curve, (below, part) = self._curve, self._places.get(rows) or self._place(rows)
        at, above = below + part, below + (part > 0)
        for knot in range(len(curve)) if everywhere else {below, above}:
            distance = abs(knot - at)
            curve[knot] *= math.exp(step * (_NEAR ** int(distance) if everywhere else 1.0 - distance))
        self._moved += abs(step)
        self._bound(rows, below, above)

    def _bound(self, rows: int, below: int, above: int) -> None:
        """More rows never cost less: where two knots say so, the one that was just measured is right. Nor do
        knots that went along with it, and are seldom measured themselves, drift away from it for ever."""
        curve, per_row = self._curve, self.seconds(rows) / rows
        for knot in range(below, -1, -1):
            curve[knot] = max(curve[knot], per_row * self.shapes[knot] / _STEEP)
            if knot < below:
                curve[knot] = min(curve[knot], curve[knot + 1])
        for knot in range(max(above, 1), len(curve)):
            curve[knot] = max(min(curve[knot], per_row * self.shapes[knot] * _STEEP), curve[knot - 1])

    def _settle(self) -> None:
        """The smallest batches whose throughput is nearly the best, and fair."""
        if self._moved < _MOVED:
            return
        self._moved = 0.0
        rates = [rows / seconds for rows, seconds in zip(self.shapes, self._curve, strict=True)]
        best = max(rates)
        self._paying = next(s for s, r in zip(self.shapes, rates, strict=True) if r >= _PAYS * best)
        self._fair = next(s for s, r in zip(self.shapes, rates, strict=True) if r >= _FAIR * best)
