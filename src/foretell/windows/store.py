"""The state of many series: one record a series, in one array that grows without being held twice."""

import numpy as np
from numpy.typing import NDArray

SMALLEST = 64  # records


class Store:
    """Records by id. An id is free again after `drop`.

    Args:
        empty: the record of a series without rows, (1,) of a structured dtype.
    """

    def __init__(self, empty: NDArray[np.void]) -> None:
        self._empty = empty
        self.dtype = empty.dtype
        # As plain bytes a record is copied whole; with fields NumPy copies each, five times slower.
        self._records = np.zeros(0, np.dtype((np.void, empty.dtype.itemsize)))
        self._used = 0
        self._free: list[int] = []

    @property
    def nbytes(self) -> int:
        return self._records.nbytes + 8 * len(self._free)

    def add(self, count: int) -> NDArray[np.intp]:
        """(count,) ids of new series, none of which has a row."""
        again = [self._free.pop() for _ in range(min(count, len(self._free)))]
        new = count - len(again)
        self._grow(self._used + new)
        ids = np.array([*again, *range(self._used, self._used + new)], np.intp)
        self._used += new
        self._records[ids] = self._empty.view(self._records.dtype)
        return ids

    def drop(self, ids: NDArray[np.intp]) -> None:
        self._free.extend(ids.tolist())

    def field(self, name: str, ids: NDArray[np.intp]) -> NDArray[np.int64]:
        """(n,) one field of some records."""
        values: NDArray[np.int64] = self._records.view(self.dtype)[name][ids]
        return values

    def take(self, ids: NDArray[np.intp]) -> NDArray[np.void]:
        """(n,) copies of whole records, with fields."""
        return self._records.take(ids).view(self.dtype)

    def put(self, ids: NDArray[np.intp], records: NDArray[np.void]) -> None:
        """Replaces whole records."""
        self._records[ids] = records.view(self._records.dtype)

    def _grow(self, needed: int) -> None:
        have = len(self._records)
        if needed > have:
            # In place (mremap on Linux): a copy would hold all series twice. No view outlives a call.
            self._records.resize(max(needed, have + have // 16, SMALLEST), refcheck=False)
