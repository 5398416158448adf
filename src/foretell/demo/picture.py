"""Lines in a terminal, eight dots a character (Unicode braille)."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

FORECAST = "bold cyan"
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)  # by row and column
_BLANK = 0x2800
_AXIS = 6  # characters before the picture


class Canvas:
    """(height, width) characters; x counts dots from the left, y is in own units, low to high."""

    def __init__(self, width: int, height: int, low: float, high: float) -> None:
        self.cells = np.zeros((height, width), np.uint8)
        self._low, self._span = low, (high - low) or 1.0

    def line(self, x: NDArray[np.floating[Any]], y: NDArray[np.float64]) -> None:
        """Join the points in turn; a NaN breaks the line, and what lies outside is left out."""
        known = np.isfinite(y)
        for i in range(len(x)):
            if known[i]:
                before = i - 1 if i and known[i - 1] else i
                self._join(x[before], self._row(y[before]), x[i], self._row(y[i]))

    def _row(self, y: float) -> float:
        dots = 4 * self.cells.shape[0] - 1
        return (1 - (y - self._low) / self._span) * dots

    def _join(self, x0: float, row0: float, x1: float, row1: float) -> None:
        steps = max(1, math.ceil(max(abs(x1 - x0), abs(row1 - row0))))
        for part in np.linspace(0, 1, steps + 1):
            self._dot(round(x0 + part * (x1 - x0)), round(row0 + part * (row1 - row0)))

    def _dot(self, x: int, y: int) -> None:
        if 0 <= x < 2 * self.cells.shape[1] and 0 <= y < 4 * self.cells.shape[0]:
            self.cells[y // 4, x // 2] |= _DOTS[y % 4, x % 2]


def picture(
    actual: NDArray[np.float64],
    forecasts: Sequence[tuple[int, NDArray[np.float64]]],
    size: tuple[int, int] = (84, 12),
    ticks: Sequence[tuple[int, str]] = (),
    colour: bool = True,
) -> list[Text]:
    """What happened as one line, forecasts as others over it.

    Args:
        actual: (hours,) values, spread over the width; NaN where unknown.
        forecasts: the hour at which each starts, and its values.
        size: width and height in characters, without the axis.
        ticks: labels under the picture, by hour.
        colour: without it a place that only forecasts touch is a `∘`, so that the two can be told apart.
    """
    known = np.concatenate([actual, *(values for _, values in forecasts)])
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    width, height = size
    scale = (2 * width - 1) / max(len(actual) - 1, 1)
    truth, guess = Canvas(width, height, low, high), Canvas(width, height, low, high)
    truth.line(scale * np.arange(len(actual)), actual)
    for start, values in forecasts:
        guess.line(scale * (start + np.arange(len(values))), values)
    lines = [
        Text.assemble(
            (_label(row, height, low, high), "dim"), *_cells(truth.cells[row], guess.cells[row], colour)
        )
        for row in range(height)
    ]
    marks = [(round(scale * hour / 2), label) for hour, label in ticks]
    return [*lines, Text(_under(marks, width), style="dim")] if ticks else lines


def _cells(truth: NDArray[np.uint8], guess: NDArray[np.uint8], colour: bool) -> Iterator[tuple[str, str]]:
    for actual, forecast in zip(truth.tolist(), guess.tolist(), strict=True):
        if forecast and not actual and not colour:
            yield "∘", ""
        else:
            yield chr(_BLANK + (actual | forecast)), FORECAST if forecast else ""


def _label(row: int, height: int, low: float, high: float) -> str:
    value = {0: high, height // 2: (low + high) / 2, height - 1: low}.get(row)
    return " " * _AXIS if value is None else f"{value:{_AXIS - 1}.0f} "


def _under(ticks: Sequence[tuple[int, str]], width: int) -> str:
    line = [" "] * (_AXIS + width)
    for place, label in ticks:
        if place + len(label) <= width:
            line[_AXIS + place : _AXIS + place + len(label)] = label
    return "".join(line).rstrip()
