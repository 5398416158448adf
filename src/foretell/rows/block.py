"""Many rows at once, as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foretell.rows.reasons import Reason


@dataclass(slots=True)
class RowBlock:
    """n rows of one poll, in the order in which they came. A row whose reason is not OK has no values.

    Attributes:
        series: n names (`None` where the row has none).
        time_us: (n,) int64, event time, microseconds since 1970 UTC.
        values: (n, features) float64, own units of the model's features, in the manifest's order.
        reason: (n,) uint8, a `Reason` each.
        message: what was wrong, by the row's index; only bad rows have one.
        extras: n values by dotted path, of the fields that the output repeats; None where a field is missing.
    """

    series: Sequence[str | None]
    time_us: NDArray[np.int64]
    values: NDArray[np.float64]
    reason: NDArray[np.uint8]
    message: dict[int, str] = field(default_factory=dict)
    extras: dict[str, list[object]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.reason)

    def refuse(self, index: int, reason: Reason, message: str) -> None:
        """Mark a row as bad; the first reason that was found stands."""
        if self.reason[index] == Reason.OK:
            self.reason[index] = reason
            self.message[index] = message

    def refuse_all(self, indices: NDArray[np.intp], reason: Reason, messages: Mapping[int, str]) -> None:
        """Mark many rows as bad for one reason."""
        for index in indices.tolist():
            self.refuse(index, reason, messages[index])
