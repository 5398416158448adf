"""Watches whether rows are anything like what the model was trained on, and says once when they are not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ENOUGH = 20  # rows, before anything is said
FAR = 4.0  # spreads from the center: a row lies far outside
FAR_ON_AVERAGE = 3.0  # spreads from the center: the rows' average does
MARGIN = 0.25  # of the training range, beyond either end of it: a row lies far outside
SHARE = 0.1  # of all rows far outside, as few as are worth a word


class RangeWatch:
    """Counts rows far outside of the training's range, by feature.

    A feature whose scaler tells center and spread (own units) is far outside at 4 spreads from the center;
    one of which only least and greatest value are known, at a quarter of their distance beyond either. A
    feature of which nothing is known is never outside.

    Attributes:
        outside: (features,) int64, rows far outside so far. rows: how many were seen.
    """

    def __init__(
        self,
        names: Sequence[str],
        low: Sequence[float | None],
        high: Sequence[float | None],
        center: Sequence[float | None],
        spread: Sequence[float | None],
    ) -> None:
        self.outside = np.zeros(len(names), np.int64)
        self.rows = 0
        self._names = names
        self._trained: list[str] = []
        self._low, self._high, self._low_average, self._high_average = (
            np.empty(len(names)) for _ in range(4)
        )
        for i, known in enumerate(zip(low, high, center, spread, strict=True)):
            words, average, row = _bounds(*known)
            self._trained.append(words)
            self._low_average[i], self._high_average[i] = average
            self._low[i], self._high[i] = row
        self._sum = np.zeros(len(names))
        self._said = np.zeros(len(names), np.bool_)

    def far(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n, features) own units → (n, features) bool, what lies far outside."""
        return (values < self._low) | (values > self._high)

    def observe(self, values: NDArray[np.float64]) -> list[str]:
        """Count (n, features) rows, own units; what is to be said about features, each of them once."""
        self.outside += self.far(values).sum(axis=0)
        self._sum += values.sum(axis=0)
        self.rows += len(values)
        if self.rows < ENOUGH or self._said.all():
            return []
        average = self._sum / self.rows
        shifted = (average < self._low_average) | (average > self._high_average)
        news = (shifted | (self.outside > SHARE * self.rows)) & ~self._said
        self._said |= news
        return [self._words(i, float(average[i]), bool(shifted[i])) for i in np.flatnonzero(news).tolist()]

    def _words(self, feature: int, average: float, shifted: bool) -> str:
        told = f"rows average {_number(average)}"
        if not shifted:
            told = f"{self.outside[feature]} of {self.rows} rows lie far outside (average {_number(average)})"
        trained = f"the model was trained {self._trained[feature]}"
        return f"{self._names[feature]}: {told}, {trained}; is the unit right?"


_Span = tuple[float, float]


def _bounds(
    low: float | None, high: float | None, center: float | None, spread: float | None
) -> tuple[str, _Span, _Span]:
    """The training in words, the span of a sound average, and that of a row that is not far outside."""
    if center is not None and spread is not None:
        average = (center - FAR_ON_AVERAGE * spread, center + FAR_ON_AVERAGE * spread)
        row = (center - FAR * spread, center + FAR * spread)
        return f"around {_number(center)} ± {_number(spread)}", average, row
    if low is not None and high is not None:
        margin = MARGIN * (high - low)
        return f"between {_number(low)} and {_number(high)}", (low, high), (low - margin, high + margin)
    return "", (-np.inf, np.inf), (-np.inf, np.inf)


def _number(value: float) -> str:
    """As a person writes it: 50.3, 1013.2, 0.0031."""
    return f"{value:.1f}" if abs(value) >= 1 or value == 0 else f"{value:.2g}"
