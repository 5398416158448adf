"""Forecasts as messages: many at a time, in one pass a column."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.stream.messages.template import Template

_encode = msgspec.json.Encoder().encode
_WORDS = (b"false", b"true")


@dataclass(slots=True)
class ForecastBatch:
    """m forecasts.

    Attributes:
        series: m names. newest_us: (m,) int64, event time of each window's newest slot.
        values: (m, horizon, targets) float64, own units. steps: (m,) steps that hold.
        filled: (m,) slots filled by policy. revision: (m,) bool.
        rows: the rows' fields that the template repeats, by path, m values each.
    """

    series: list[str]
    newest_us: NDArray[np.int64]
    values: NDArray[np.float64]
    steps: NDArray[np.int64]
    filled: NDArray[np.int32]
    revision: NDArray[np.bool_]
    rows: dict[str, list[object]]

    def __len__(self) -> int:
        return len(self.series)


class ForecastEncoder:
    """Turns forecasts into JSON by a compiled template.

    Numbers are rounded to within 5e-8 of the target's range: below what the network resolves in float32.
    """

    def __init__(self, manifest: Manifest, template: Template) -> None:
        self.template = template
        self._native = manifest.horizon
        self._targets = [column.name for column in manifest.targets]
        self._decimals = [column.decimals() for column in manifest.targets]

    def encode(self, batch: ForecastBatch) -> list[bytes]:
        """m messages, in the order of the batch."""
        if not len(batch):
            return []
        if not self.template.slots:
            return [self.template.format % ()] * len(batch)
        columns = [self._column(slot, batch) for slot in self.template.slots]
        return [self.template.format % row for row in zip(*columns, strict=True)]

    def _column(self, slot: str, batch: ForecastBatch) -> Iterable[object]:
        name, _, rest = slot.partition(".")
        if name == "forecast":
            return self._steps(self._targets.index(rest), batch)
        if name == "row":
            return map(_encode, batch.rows[rest])
        if name == "series":
            return map(_encode, batch.series)
        if name == "issued_at":
            return _iso(batch.newest_us)
        if name == "revision":
            return [_WORDS[flag] for flag in batch.revision.tolist()]
        if name == "rolled_out_steps":  # none where fewer steps are asked for than the network gives
            numbers = np.maximum(batch.steps - self._native, 0)
        else:
            numbers = getattr(batch, name)
        plain: list[int] = numbers.tolist()
        return plain

    def _steps(self, target: int, batch: ForecastBatch) -> list[bytes]:
        values = batch.values[:, :, target]
        decimals = self._decimals[target]
        rounded = (values if decimals is None else np.round(values, decimals)).tolist()
        horizon = values.shape[1]
        if (batch.steps == horizon).all():
            # One call for all numbers; the text of an array of arrays of numbers splits at its brackets.
            return _encode(rounded)[2:-2].split(b"],[")
        steps = batch.steps.tolist()
        return [_encode(row[:n])[1:-1] for row, n in zip(rounded, steps, strict=True)]


def _iso(times_us: NDArray[np.int64]) -> list[bytes]:
    """ISO 8601 in UTC, without the Z; seconds, or microseconds where a time has them."""
    distinct, place = np.unique(times_us, return_inverse=True)
    # Each by itself: a message must not depend on what else is in its batch.
    texts = [t.removesuffix(b".000000") for t in distinct.astype("datetime64[us]").astype("S").tolist()]
    return [texts[i] for i in place.tolist()]
