"""Rows of several partitions as one sequence by time."""

import random

import pytest
from confluent_kafka import Message

from foretell.stream.messages.blocks import Place
from foretell.stream.worker import merge as module
from foretell.stream.worker.merge import FULL, PATIENCE_S, Merge

A, B, C = (("rows", p) for p in range(3))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def merge(clock: Clock) -> Merge:
    """Of partitions A and B."""
    made = Merge(clock)
    made.join([A, B])
    return made


def rows(place: Place, *times: int, offset: int = 0) -> list[Message]:
    return [
        Message(topic=place[0], partition=place[1], offset=offset + i, timestamp=(1, t))
        for i, t in enumerate(times)
    ]


def taken(merge: Merge, most: int = 100) -> list[int]:
    return [m.timestamp()[1] for m in merge.take(most)[0]]


def test_the_oldest_row_is_next_whoever_has_it(merge: Merge) -> None:
    merge.put([*rows(A, 1, 4, 5), *rows(B, 2, 3, 9)], {})
    assert taken(merge) == [1, 2, 3, 4, 5]
    merge.put(rows(A, 8, 20, offset=3), {})
    assert taken(merge) == [8, 9]


def test_nothing_is_taken_while_a_partition_may_still_hold_older_rows(merge: Merge) -> None:
    merge.put(rows(A, 1, 2), {})
    assert taken(merge) == []
    merge.put(rows(B, 1), {})
    assert taken(merge) == [1, 1]
    merge.put(rows(B, 7, offset=1), {})
    assert taken(merge) == [2]


def test_a_partition_that_was_read_to_its_end_holds_nobody_up(merge: Merge) -> None:
    merge.put(rows(A, 1, 2), {B: 0})
    assert merge.take(100)[1] == {B: 0}
    merge.put(rows(B, 3), {A: 2})
    assert taken(merge) == [3]
    merge.put(rows(A, 4, offset=2), {A: 3})  # both know more than their end now
    assert taken(merge) == []
    merge.put([], {B: 1})
    assert taken(merge) == [4]


def test_an_end_is_told_when_no_row_before_it_waits(merge: Merge) -> None:
    merge.put([*rows(A, 1, 8), *rows(B, 2)], {A: 5})
    found, ends = merge.take(100)
    assert ([m.timestamp()[1] for m in found], ends) == ([1, 2], {})
    merge.put([], {B: 1})
    _, ends = merge.take(100)
    assert ends == {A: 5, B: 1}


def test_rows_that_follow_on_an_end_undo_it(merge: Merge) -> None:
    merge.put([*rows(A, 1), *rows(B, 2)], {A: 0, B: 5})
    assert taken(merge) == [1]


def test_a_silent_partition_is_waited_for_so_long_and_no_longer(merge: Merge, clock: Clock) -> None:
    merge.put(rows(A, 1), {})
    clock.now += PATIENCE_S - 0.1
    assert taken(merge) == []
    clock.now += 0.2
    assert taken(merge) == [1]
    merge.put(rows(A, 3, offset=1), {})
    assert taken(merge) == [3]  # not waited for again at each row
    merge.put([*rows(A, 5, offset=2), *rows(B, 2, 4)], {})
    assert taken(merge) == [2, 4]


def test_a_partitions_own_order_stays(merge: Merge) -> None:
    merge.put([*rows(A, 5, 1, 6), *rows(B, 2, 3, 4)], {A: 3, B: 3})
    assert taken(merge) == [2, 3, 4, 5, 1, 6]


def test_no_more_than_is_asked_for_and_what_is_left_is_told(merge: Merge) -> None:
    merge.put([*rows(A, 1, 3, 5), *rows(B, 2, 4, 6)], {A: 3, B: 3})
    assert taken(merge, 4) == [1, 2, 3, 4]
    assert merge.more
    assert taken(merge, 4) == [5, 6]
    assert not merge.more


def test_what_is_read_again_is_forgotten_first(merge: Merge) -> None:
    merge.put([*rows(A, 1, 2), *rows(B, 3)], {B: 1})
    merge.join([A])
    assert taken(merge) == []
    merge.put(rows(A, 1, 2), {A: 2})
    assert taken(merge) == [1, 2, 3]


def test_partitions_come_and_go(merge: Merge) -> None:
    assert (A in merge, C in merge) == (True, False)
    merge.put(rows(A, 1), {})
    merge.leave([B, C])
    assert taken(merge) == [1]
    merge.join([C])
    merge.put(rows(A, 2, offset=1), {})
    assert taken(merge) == []
    merge.leave([A, C])
    assert merge.take(100) == ([], {})


def test_a_partition_far_ahead_waits_until_half_of_its_rows_are_gone(
    merge: Merge, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FULL > 1_000  # else a partition would be held for every block
    monkeypatch.setattr(module, "FULL", 4)
    merge.put(rows(A, *range(5)), {})
    assert merge.to_hold() == [A]
    assert (merge.to_hold(), merge.to_let_go()) == ([], [])
    merge.put(rows(B, 1), {})
    assert taken(merge) == [0, 1, 1]
    assert merge.to_let_go() == []
    merge.put(rows(B, 2, offset=1), {})
    assert taken(merge) == [2, 2]
    assert merge.to_let_go() == [A]
    assert merge.to_let_go() == []


def test_held_is_held_until_it_leaves(merge: Merge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FULL", 4)
    merge.put(rows(A, *range(5)), {})
    merge.to_hold()
    merge.join([A])
    assert merge.to_let_go() == [A]
    merge.put(rows(A, *range(5)), {})
    merge.to_hold()
    assert merge.leave([A, B]) == [A]


@pytest.mark.parametrize("seed", range(20))
def test_however_rows_are_fetched_they_come_out_by_time(clock: Clock, seed: int) -> None:
    rng = random.Random(seed)
    merge = Merge(clock)
    places = [("rows", p) for p in range(rng.randint(1, 5))]
    merge.join(places)
    everything = list(range(300))
    waiting: dict[Place, list[Message]] = {place: [] for place in places}
    for t in everything:
        place = rng.choice(places)
        waiting[place] += rows(place, t, offset=len(waiting[place]))
    lengths = {place: len(each) for place, each in waiting.items()}
    told: dict[Place, int] = {}
    out: list[int] = []
    while len(out) < len(everything):
        place, count = rng.choice(places), rng.randint(1, 40)
        came, waiting[place] = waiting[place][:count], waiting[place][count:]
        merge.put(came, {} if waiting[place] else {place: lengths[place]})
        found, ends = merge.take(rng.randint(1, 50))
        out += [m.timestamp()[1] for m in found]
        told |= ends
    assert out == everything
    assert told.items() <= lengths.items()
