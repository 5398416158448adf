"""What came of a block of rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Before:
    """Series as they were before an update: what undo puts back.

    Attributes:
        ids: (k,) series. records: (k,) their whole state.
    """

    ids: NDArray[np.intp]
    records: NDArray[np.void]


@dataclass(slots=True)
class Update:
    """n rows went in, m windows came out, k series changed.

    Attributes:
        reason: (n,) uint8, a `Reason`: OK, IN_THE_FUTURE, TOO_LATE or CONFLICT.
        duplicate: (n,) bool, told already with the same values: dropped, and to be counted.
        due: (m,) rows that yield a forecast, in rising order.
        windows: (m, lookback, features) float64, own units.
        filled: (m,) int32, steps of the window that gap or warm_up filled.
        revision: (m,) bool, the row opened no new slot: the newest window is forecast again.
        newest_us: (m,) int64, the window's newest slot on the grid; of a sequence, its newest row.
        touched: (k,) ids of the series whose state changed, each once.
        before: the touched series, and maybe others, as they were.
    """

    reason: NDArray[np.uint8]
    duplicate: NDArray[np.bool_]
    due: NDArray[np.intp]
    windows: NDArray[np.float64]
    filled: NDArray[np.int32]
    revision: NDArray[np.bool_]
    newest_us: NDArray[np.int64]
    touched: NDArray[np.intp]
    before: Before


@dataclass(frozen=True, slots=True)
class Due:
    """m windows to be forecast, in the order of their rows.

    Attributes:
        rows: (m,) which row each is due to. newest: (m,) int64, the tick of the window's newest step.
        windows, filled, revision: as in `Update`.
    """

    rows: NDArray[np.intp]
    windows: NDArray[np.float64]
    filled: NDArray[np.int32]
    revision: NDArray[np.bool_]
    newest: NDArray[np.int64]

    @classmethod
    def join(cls, parts: "list[Due]") -> "Due":
        """Those of several passes as one, again in the order of their rows."""
        if len(parts) == 1:
            return parts[0]
        order = np.argsort(np.concatenate([part.rows for part in parts]))
        return cls(
            np.concatenate([part.rows for part in parts])[order],
            np.concatenate([part.windows for part in parts])[order],
            np.concatenate([part.filled for part in parts])[order],
            np.concatenate([part.revision for part in parts])[order],
            np.concatenate([part.newest for part in parts])[order],
        )

    @classmethod
    def nothing(cls, lookback: int, features: int) -> "Due":
        return cls(
            np.empty(0, np.intp),
            np.empty((0, lookback, features)),
            np.empty(0, np.int32),
            np.empty(0, np.bool_),
            np.empty(0, np.int64),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the r rows of a pass (see `cut`).

    Attributes:
        too_late, conflict, duplicate: (r,) bool; a row that is none of them changed its series.
        due: windows, by rows of the poll.
        after: (k,) the records of the pass's series, as they are now.
    """

    too_late: NDArray[np.bool_]
    conflict: NDArray[np.bool_]
    duplicate: NDArray[np.bool_]
    due: Due
    after: NDArray[np.void]
