"""A table from names to ids: whatever is asked, what a dict would say."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from foretell.stream.worker.name_index import Ids, Keys, NameIndex, keys_of

SIZES = (0, 1, 42, 43, 1_000)


def keys(*numbers: int) -> Keys:
    return np.array(numbers, np.uint64)


def find(index: NameIndex, asked: Keys, known: dict[int, int]) -> list[int]:
    """By keys alone: `known` has the key of each id."""

    def same(sought: NDArray[np.intp], ids: Ids) -> NDArray[np.bool_]:
        return np.array([known[i] == int(asked[s]) for s, i in zip(sought, ids.tolist(), strict=True)], bool)

    return [int(i) for i in index.find(asked, same)]


def test_a_key_is_of_a_name_and_its_partition() -> None:
    names = ["a", "b", "a", "a"]
    a0, b0, a0_again, a1 = keys_of(names, np.array([0, 0, 0, 1], np.int32)).tolist()
    assert a0 == a0_again
    assert len({a0, b0, a1}) == 3


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spread", [1, 64, 2**40])  # of keys: all in one place at first, some, hardly any
def test_what_was_added_is_found_and_nothing_else(size: int, spread: int) -> None:
    rng = random.Random(size)
    there = [(spread == 1 and 64 * i) or i * 2 + 64 * rng.randrange(spread) * 2 for i in range(size)]
    there = list(dict.fromkeys(there))
    known = dict(enumerate(there))
    index = NameIndex()
    index.build(keys(*there[: size // 2]), np.arange(size // 2, dtype=np.int32), room_for=size)
    index.add(keys(*there[size // 2 :]), np.arange(size // 2, len(there), dtype=np.int32))
    assert len(index) == len(there)
    shuffled = rng.sample(there, len(there))
    assert [known[i] for i in find(index, keys(*shuffled), known)] == shuffled
    absent = keys(*(key + 1 for key in there))
    assert find(index, absent, known) == [-1] * len(there)


def test_equal_keys_of_different_names_are_told_apart() -> None:
    index, names = NameIndex(), ["a", "b", "c"]
    index.add(keys(7, 7, 7), np.arange(3, dtype=np.int32))
    asked = ["c", "a", "x", "b"]

    def same(sought: NDArray[np.intp], ids: Ids) -> NDArray[np.bool_]:
        return np.array([asked[s] == names[i] for s, i in zip(sought, ids, strict=True)], bool)

    found = index.find(keys(7, 7, 7, 7), same)
    assert found.tolist() == [2, 0, -1, 1]


def test_it_is_never_so_full_that_a_search_does_not_end() -> None:
    index = NameIndex()
    assert index.has_room_for(42)
    assert not index.has_room_for(43)
    index.build(keys(*range(42)), np.arange(42, dtype=np.int32))
    assert not index.has_room_for(1)
    index.build(keys(*range(42)), np.arange(42, dtype=np.int32), room_for=1)
    assert index.has_room_for(1)
    assert index.nbytes == 4 * 128


def test_a_place_costs_little() -> None:
    index = NameIndex()
    index.build(keys(*range(100_000)), np.arange(100_000, dtype=np.int32))
    assert index.nbytes / len(index) <= 12
