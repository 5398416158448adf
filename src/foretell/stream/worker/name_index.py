"""A hash table from names to ids, in one array: a dict and its numbers take some 70 bytes a name, this 10."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Ids = NDArray[np.int32]

_EMPTY = -1
_FULLEST = 2 / 3  # of its places that are taken; then it grows to twice as many
_SMALLEST = 64
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def keys_of(names: Sequence[str], partitions: NDArray[np.int32]) -> Keys:
    """(n,) hashes of n names, each in its partition; as Python's own, they differ from process to process."""
    hashes = np.fromiter(map(hash, names), np.int64, len(names)).view(np.uint64)
    return hashes + partitions.astype(np.uint64) * _GOLDEN


class NameIndex:
    """Ids by key, with open addressing; all keys of a call go from place to place together.

    It keeps no names: whoever asks says whether an id is that of the name he means.
    """

    def __init__(self) -> None:
        self._places: Ids = np.full(_SMALLEST, _EMPTY, np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        return self._places.nbytes

    def has_room_for(self, more: int) -> bool:
        """Whether so many can be added; else it must be built anew."""
        return self._count + more <= _FULLEST * len(self._places)

    def find(self, keys: Keys, same: Callable[[NDArray[np.intp], Ids], NDArray[np.bool_]]) -> Ids:
        """(n,) ids of n keys, -1 where there is none.

        Args:
            same: (indices into `keys`, ids) → for each whether the id is that of the name meant.
        """
        found = np.full(len(keys), _EMPTY, np.int32)
        sought, at, step = np.arange(len(keys)), self._first(keys), 0
        while len(sought):
            ids = self._places[at]
            met = ids != _EMPTY
            sought, at, ids = sought[met], at[met], ids[met]
            right = same(sought, ids)
            found[sought[right]] = ids[right]
            step += 1
            sought, at = sought[~right], self._next(at[~right], step)
        return found

    def add(self, keys: Keys, ids: Ids) -> None:
        """Keys that it does not have, each once; it must have room for them."""
        self._count += len(keys)
        at, step = self._first(keys), 0
        while len(ids):
            free = self._places[at] == _EMPTY
            self._places[at[free]] = ids[free]  # of several for one place, one gets it
            late = self._places[at] != ids
            step += 1
            at, ids = self._next(at[late], step), ids[late]

    def build(self, keys: Keys, ids: Ids, room_for: int = 0) -> None:
        """Anew, of these alone, with room for more."""
        size = _SMALLEST
        while len(keys) + room_for > _FULLEST * size:
            size *= 2
        self._places = np.full(size, _EMPTY, np.int32)
        self._count = 0
        self.add(keys, ids)

    def _first(self, keys: Keys) -> NDArray[np.intp]:
        return (keys & np.uint64(len(self._places) - 1)).astype(np.intp)

    def _next(self, at: NDArray[np.intp], step: int) -> NDArray[np.intp]:
        """By triangular numbers, which visit every place of a table of this size (a power of two)."""
        return (at + step) & (len(self._places) - 1)
