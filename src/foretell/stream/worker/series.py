"""Which id each series has in the window arrays; a series belongs to a partition."""

from array import array
from collections.abc import Collection, Sequence
from operator import eq

import numpy as np
from numpy.typing import NDArray

from foretell.stream.worker.name_index import Ids, NameIndex, keys_of
from foretell.windows import Windows

_MOST_FRESH = 1_000
_NOBODY = -1  # the partition of an id that is free


class SeriesTable:
    """Names to ids of a `Windows`, by partition, so that a partition can be let go by itself.

    The same name in two partitions is two series: what it forecasts must not depend
    on which worker owns what.

    Attributes:
        fresh: names met since it was last emptied, and their partitions; not all, where they are many.
    """

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._index = NameIndex()
        self._names: list[str] = []
        self._partitions = array("i")
        self.fresh: list[tuple[str, int]] = []

    def ids(self, names: Sequence[str], partitions: NDArray[np.int32]) -> NDArray[np.intp]:
        """(n,) ids of n names; names that were not seen before get new, empty series."""
        found = self._find(names, partitions)
        new = np.flatnonzero(found < 0)
        if len(new):
            places = zip(new.tolist(), partitions[new].tolist(), strict=True)
            found[new] = self._add([(names[i], partition) for i, partition in places])
        return found.astype(np.intp)

    def names(self, ids: NDArray[np.intp]) -> list[str]:
        """Names of ids."""
        return [self._names[i] for i in ids.tolist()]

    def partitions(self, ids: NDArray[np.intp]) -> list[int]:
        """The partition of each id."""
        return [self._partitions[i] for i in ids.tolist()]

    def of_partition(self, partition: int) -> dict[str, int]:
        """Names to ids, of one partition."""
        ids = np.flatnonzero(self._owners() == partition)
        return dict(zip(self.names(ids), ids.tolist(), strict=True))

    def forget(self, partition: int, names: Collection[str]) -> None:
        """Forget some series of a partition."""
        found = self._find(list(names), np.full(len(names), partition, np.int32))
        self._let_go(found[found >= 0].astype(np.intp))

    def drop(self, partition: int) -> None:
        """Forget a partition's series."""
        self._let_go(np.flatnonzero(self._owners() == partition))

    def __len__(self) -> int:
        return len(self._index)

    def _owners(self) -> NDArray[np.int32]:
        """(ids,) the partition of each; the array cannot grow while somebody holds this."""
        return np.frombuffer(self._partitions, np.int32)

    def _find(self, names: Sequence[str], partitions: NDArray[np.int32]) -> Ids:
        owners = self._owners()

        def same(sought: NDArray[np.intp], ids: Ids) -> NDArray[np.bool_]:
            asked = names if len(sought) == len(names) else map(names.__getitem__, sought.tolist())
            known = map(self._names.__getitem__, ids.tolist())
            equal = np.fromiter(map(eq, asked, known), np.bool_, len(sought))
            equal &= owners[ids] == partitions[sought]
            return equal

        return self._index.find(keys_of(names, partitions), same)

    def _add(self, series: list[tuple[str, int]]) -> list[int]:
        """Ids of names in their partitions, none of them known; one that comes twice has one id."""
        distinct = list(dict.fromkeys(series))
        ids = self._windows.add(len(distinct))
        missing = int(ids.max()) + 1 - len(self._names)
        self._names.extend([""] * missing)
        self._partitions.extend([_NOBODY] * missing)
        self.fresh += distinct[: max(0, _MOST_FRESH - len(self.fresh))]
        if not self._index.has_room_for(len(distinct)):
            self._build_index(len(distinct))
        given = dict(zip(distinct, ids.tolist(), strict=True))
        for (name, partition), i in given.items():
            self._names[i], self._partitions[i] = name, partition
        self._index.add(self._keys(ids), ids.astype(np.int32))
        return [given[one] for one in series]

    def _let_go(self, ids: NDArray[np.intp]) -> None:
        if not len(ids):
            return
        for i in ids.tolist():
            self._names[i], self._partitions[i] = "", _NOBODY
        self._windows.drop(ids)
        self._build_index()

    def _build_index(self, room_for: int = 0) -> None:
        ids = np.flatnonzero(self._owners() != _NOBODY)
        self._index.build(self._keys(ids), ids.astype(np.int32), room_for)

    def _keys(self, ids: NDArray[np.intp]) -> NDArray[np.uint64]:
        return keys_of(self.names(ids), self._owners()[ids])
