"""From the pieces of a batch to what came of each: many calls, as few evaluations as possible."""

import itertools
from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretell.forecasting.forecaster import Forecaster
from foretell.serve.models.question import FORECAST, Question
from foretell.serve.scheduler.work import Piece

Number = TypeVar("Number", np.float64, np.int64)


class Part(msgspec.Struct):
    """What came of n windows: outputs by name, each (n, …); refused (n,); steps (n,) of a forecast.

    Attributes:
        whole: none is refused, and no roll-out stopped.
    """

    outputs: dict[str, NDArray[np.floating]]
    refused: NDArray[np.bool_]
    steps: NDArray[np.int64] | None = None
    whole: bool = False

    def rows(self, start: int, stop: int) -> "Part":
        outputs = {name: values[start:stop] for name, values in self.outputs.items()}
        steps = None if self.steps is None else self.steps[start:stop]
        return Part(outputs, self.refused[start:stop], steps, self.whole)


def joined(parts: Sequence[Part]) -> Part:
    """The parts of a call that went through several batches, in their order."""
    if len(parts) == 1:
        return parts[0]
    outputs = {n: np.concatenate([p.outputs[n] for p in parts]) for n in parts[0].outputs}
    steps = [p.steps for p in parts if p.steps is not None]
    refused = np.concatenate([p.refused for p in parts])
    whole = all(p.whole for p in parts)
    return Part(outputs, refused, np.concatenate(steps) if steps else None, whole)


def evaluate(forecaster: Forecaster, pieces: Sequence[Piece]) -> list[Part]:
    """A part for each piece. Pieces that are rolled out equally far are evaluated together.

    Raises:
        InputError: a roll-out that needs times has none.
        EngineError: the runtime failed.
    """
    kinds: dict[tuple[int, bool], list[int]] = {}
    for i, piece in enumerate(pieces):
        question: Question = piece.job.payload
        kinds.setdefault((question.rolled, question.newest_us is None), []).append(i)
    if len(kinds) == 1:
        return _together(forecaster, pieces)
    parts: list[Part | None] = [None] * len(pieces)
    for members in kinds.values():
        for i, part in zip(members, _together(forecaster, [pieces[i] for i in members]), strict=True):
            parts[i] = part
    return [part for part in parts if part is not None]


def _together(forecaster: Forecaster, pieces: Sequence[Piece]) -> list[Part]:
    questions: list[Question] = [piece.job.payload for piece in pieces]
    windows = _block([q.windows[p.start : p.stop] for q, p in zip(questions, pieces, strict=True)])
    newest = [
        q.newest_us[p.start : p.stop]
        for q, p in zip(questions, pieces, strict=True)
        if q.newest_us is not None
    ]
    whole = _run(forecaster, windows, questions[0].rolled, _block(newest) if newest else None)
    if len(pieces) == 1:
        return [whole]
    ends = list(itertools.accumulate(p.stop - p.start for p in pieces))
    return [whole.rows(start, stop) for start, stop in zip([0, *ends], ends, strict=False)]


def _run(
    forecaster: Forecaster,
    windows: NDArray[np.float64],
    rolled: int,
    newest_us: NDArray[np.int64] | None,
) -> Part:
    if forecaster.manifest.task == "features":
        outputs = forecaster.evaluate(windows)
        # The rows of a refused window are NaN in every output, and no others are.
        first = next(iter(outputs.values())).reshape(len(windows), -1)
        refused = np.asarray(np.isnan(first).any(axis=1), np.bool_)
        return Part({**outputs}, refused, whole=not refused.any())
    forecasts = forecaster.predict(windows, rolled or None, newest_us)
    values, steps = forecasts.values, forecasts.steps
    whole = not (forecasts.refused.any() or (steps < values.shape[1]).any())
    return Part({**forecasts.others, FORECAST: values}, forecasts.refused, steps, whole)


def _block(arrays: list[NDArray[Number]]) -> NDArray[Number]:
    """One after another; not to be written to."""
    first = arrays[0]
    if len(arrays) == 1:
        return first
    if not all(array.flags.c_contiguous and array.dtype == first.dtype for array in arrays):
        return np.concatenate(arrays)
    # `concatenate` lets go of the GIL for each of them; while the loop is busy, it waits to get it back.
    return np.frombuffer(b"".join(array.data for array in arrays), first.dtype).reshape(-1, *first.shape[1:])
