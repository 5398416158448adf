"""Which id each series has in the window arrays; a series belongs to a partition."""

from array import array
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from foretell.windows import Windows

_MOST_FRESH = 1_000


class SeriesTable:
    """Names to ids of a `Windows`, a dict a partition, so that a partition can be let go by itself.

    The same name in two partitions is two series: what it forecasts must not depend
    on which worker owns what.

    Attributes:
        fresh: names met since it was last emptied, and their partitions; not all, where they are many.
    """

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._ids: dict[int, dict[str, int]] = {}
        self._names: list[str] = []
        self._partitions = array("i")
        self.fresh: list[tuple[str, int]] = []

    def ids(self, names: Sequence[str], partitions: NDArray[np.int32]) -> NDArray[np.intp]:
        """(n,) ids of n names; names that were not seen before get new, empty series."""
        found = np.empty(len(names), np.intp)
        for partition in np.unique(partitions).tolist():
            rows = np.flatnonzero(partitions == partition)
            here = [names[i] for i in rows.tolist()] if len(rows) < len(names) else names
            found[rows] = self._in_partition(partition, here)
        return found

    def names(self, ids: NDArray[np.intp]) -> list[str]:
        """Names of ids."""
        return [self._names[i] for i in ids.tolist()]

    def partitions(self, ids: NDArray[np.intp]) -> list[int]:
        """The partition of each id."""
        return [self._partitions[i] for i in ids.tolist()]

    def of_partition(self, partition: int) -> dict[str, int]:
        """Names to ids, of one partition."""
        return self._ids.get(partition, {})

    def forget(self, partition: int, names: Collection[str]) -> None:
        """Forget some series of a partition."""
        table = self._ids.get(partition, {})
        ids = np.array([table.pop(name) for name in names if name in table], np.intp)
        if len(ids):
            self._windows.drop(ids)

    def drop(self, partition: int) -> None:
        """Forget a partition's series."""
        ids = np.fromiter(self._ids.pop(partition, {}).values(), np.intp)
        if len(ids):
            self._windows.drop(ids)

    def __len__(self) -> int:
        return sum(map(len, self._ids.values()))

    def _in_partition(self, partition: int, names: Sequence[str]) -> list[int]:
        table = self._ids.setdefault(partition, {})
        try:
            return [table[name] for name in names]
        except KeyError:
            self._add(table, partition, [name for name in dict.fromkeys(names) if name not in table])
            return [table[name] for name in names]

    def _add(self, table: dict[str, int], partition: int, names: list[str]) -> None:
        ids = self._windows.add(len(names)).tolist()
        if ids and (missing := max(ids) + 1 - len(self._names)) > 0:
            self._names.extend([""] * missing)
            self._partitions.extend([partition] * missing)
        self.fresh += [(name, partition) for name in names[: max(0, _MOST_FRESH - len(self.fresh))]]
        for name, i in zip(names, ids, strict=True):
            table[name] = i
            self._names[i] = name
            self._partitions[i] = partition
