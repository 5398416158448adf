"""Names and ids of series, by partition."""

import random

import numpy as np
import pytest

from foretell.config import WindowSettings
from foretell.stream.worker.series import SeriesTable
from foretell.windows import WindowRules, Windows, open_windows


@pytest.fixture
def windows() -> Windows:
    return open_windows(WindowRules.from_settings(WindowSettings(), lookback=2, features=1, step_s=3600))


@pytest.fixture
def table(windows: Windows) -> SeriesTable:
    return SeriesTable(windows)


def ids(table: SeriesTable, names: list[str], partitions: list[int]) -> list[int]:
    return [int(i) for i in table.ids(names, np.array(partitions, np.int32))]


def test_a_name_keeps_its_id(table: SeriesTable) -> None:
    first = ids(table, ["a", "b", "a"], [0, 0, 0])
    assert first[0] == first[2] != first[1]
    assert ids(table, ["b", "c", "a"], [0, 0, 0])[::2] == first[1::-1]
    assert len(table) == 3


def test_the_same_name_in_two_partitions_is_two_series(table: SeriesTable) -> None:
    a0, b1, a1, a0_again = ids(table, ["a", "b", "a", "a"], [0, 1, 1, 0])
    assert a0 == a0_again
    assert len({a0, a1, b1}) == 3
    found = np.array([a1, a0, b1])
    assert table.names(found) == ["a", "a", "b"]
    assert table.partitions(found) == [1, 0, 1]
    assert table.of_partition(1) == {"b": b1, "a": a1}


def test_a_partition_is_let_go_by_itself_and_its_ids_come_again(table: SeriesTable) -> None:
    before = ids(table, ["a", "b", "c"], [0, 0, 1])
    table.drop(0)
    table.drop(0)
    assert len(table) == 1
    assert table.of_partition(0) == {}
    after = ids(table, ["x", "y", "c"], [2, 2, 1])
    assert after[2] == before[2]
    assert set(after[:2]) == set(before[:2])
    assert table.names(np.array(after)) == ["x", "y", "c"]
    assert table.partitions(np.array(after)) == [2, 2, 1]


def test_windows_of_a_name_that_was_dropped_are_empty(table: SeriesTable, windows: Windows) -> None:
    def forecasts(name: str, hour: int) -> int:
        found = table.ids([name], np.zeros(1, np.int32))
        time = np.array([hour * 3_600_000_000])
        return len(windows.update(found, time, np.ones((1, 1)), time).due)

    assert [forecasts("a", 0), forecasts("a", 1)] == [0, 1]
    table.drop(0)
    assert [forecasts("a", 2), forecasts("a", 3)] == [0, 1]


def test_fresh_names_are_told_until_they_are_many(table: SeriesTable) -> None:
    ids(table, ["a", "b", "a"], [0, 1, 1])
    ids(table, ["a"], [0])
    assert table.fresh == [("a", 0), ("b", 1), ("a", 1)]
    many = [str(i) for i in range(30_000)]
    ids(table, many, [0] * len(many))
    assert len(table.fresh) == 1_000
    table.fresh.clear()
    ids(table, ["new"], [0])
    assert table.fresh == [("new", 0)]


def test_a_series_can_go_by_itself(table: SeriesTable) -> None:
    a, b = ids(table, ["a", "b"], [0, 0])
    table.forget(0, {"a", "never seen"})
    table.forget(7, {"b"})
    assert table.of_partition(0) == {"b": b}
    assert ids(table, ["c"], [0]) == [a]


def test_nothing(table: SeriesTable) -> None:
    assert ids(table, [], []) == []


@pytest.mark.parametrize("seed", range(5))
def test_it_says_what_a_dict_would_say(table: SeriesTable, seed: int) -> None:
    rng = random.Random(seed)
    wanted: dict[tuple[str, int], int] = {}
    for _ in range(60):
        names = [f"s{rng.randrange(400)}" for _ in range(rng.randrange(80))]
        partitions = [rng.randrange(3) for _ in names]
        for one, i in zip(zip(names, partitions, strict=True), ids(table, names, partitions), strict=True):
            assert wanted.setdefault(one, i) == i
        if rng.random() < 0.2:
            partition = rng.randrange(3)
            gone = {n for n, p in wanted if p == partition and rng.random() < 0.5} | {"never seen"}
            if rng.random() < 0.5:
                table.forget(partition, gone)
            else:
                gone = {n for n, _ in wanted}
                table.drop(partition)
            wanted = {(n, p): i for (n, p), i in wanted.items() if p != partition or n not in gone}
        assert len(table) == len(wanted) == len(set(wanted.values()))
    for partition in range(3):
        assert table.of_partition(partition) == {n: i for (n, p), i in wanted.items() if p == partition}
