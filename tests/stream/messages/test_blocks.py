"""What goes through a turn: columns out of records, where rows came from, and where the group goes on."""

import numpy as np
import pytest
from confluent_kafka import Message

from foretell.stream.messages.blocks import Incoming, Outgoing, Polled


def records(*places: tuple[int, int]) -> list[Message]:
    return [
        Message(topic="t", partition=p, offset=o, key=b"k", value=b"%d" % o, timestamp=(1, o))
        for p, o in places
    ]


INTERLEAVED = records((2, 10), (0, 5), (2, 11), (1, 0), (0, 6), (2, 14), (0, 9))


def test_columns() -> None:
    block = Incoming.of("t", INTERLEAVED)
    assert len(block) == 7
    assert block.partition.tolist() == [2, 0, 2, 1, 0, 2, 0]
    assert block.offset.tolist() == [10, 5, 11, 0, 6, 14, 9]
    assert block.record_us.tolist() == [10_000, 5_000, 11_000, 0, 6_000, 14_000, 9_000]
    assert block.values[:2] == [b"10", b"5"]
    assert block.keys() == [b"k"] * 7


def test_the_group_goes_on_behind_the_last_row_of_each_partition() -> None:
    assert Incoming.of("t", INTERLEAVED).next_offsets() == {("t", 0): 10, ("t", 1): 1, ("t", 2): 15}
    assert Incoming.of("t", []).next_offsets() == {}
    two = Polled([Incoming.of("t", INTERLEAVED), Incoming.of("u", records((0, 3)))])
    assert two.next_offsets() == {("t", 0): 10, ("t", 1): 1, ("t", 2): 15, ("u", 0): 4}


def test_rows_come_from_their_place_or_from_where_they_were_before() -> None:
    block = Incoming.of("a.b-c", INTERLEAVED)
    assert block.origin(np.array([0, 3, 6])) == [b"a.b-c/2/10", b"a.b-c/1/0", b"a.b-c/0/9"]
    assert block.origin(np.array([], np.intp)) == []
    block.origins = [b"in/0/%d" % i for i in range(7)]
    assert block.origin(np.array([0, 3, 6])) == [b"in/0/0", b"in/0/3", b"in/0/6"]


def test_what_two_blocks_became_is_added_up() -> None:
    out = Outgoing(forecasts=[(b"a", b"1", [])], dead={1: 2, 3: 1}, duplicates=1, filled=4)
    out.add(
        Outgoing(
            forecasts=[(b"b", b"2", [])],
            dead_letters=[(None, b"x", [])],
            changes=[(0, b"b", None)],
            rows=[(b"b", b"3", [])],
            dead={3: 4},
            duplicates=2,
            revisions=5,
            filled=1,
        )
    )
    assert [key for key, _, _ in out.forecasts] == [b"a", b"b"]
    assert (len(out.dead_letters), len(out.changes), len(out.rows)) == (1, 1, 1)
    assert (out.dead, out.duplicates, out.revisions, out.filled) == ({1: 2, 3: 5}, 3, 5, 5)


def test_messages_of_several_blocks_are_written_once_and_in_their_order() -> None:
    out = Outgoing(unsaid=[lambda: [(b"a", b"1", [])]])
    out.add(Outgoing(unsaid=[lambda: [(b"b", b"2", []), (b"c", b"3", [])]]))
    assert out.forecasts == []
    for _ in range(2):
        out.complete()
        assert [key for key, _, _ in out.forecasts] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("partitions", [1, 4])
def test_next_offsets_are_those_of_a_plain_loop(partitions: int) -> None:
    rng = np.random.default_rng(partitions)
    ends = dict.fromkeys(range(partitions), 0)
    places = []
    for partition in rng.integers(0, partitions, 500).tolist():
        ends[partition] += int(rng.integers(1, 3))  # transaction markers take offsets
        places.append((partition, ends[partition]))
    wanted = {("t", p): max(o for q, o in places if q == p) + 1 for p in range(partitions)}
    assert Incoming.of("t", records(*places)).next_offsets() == wanted
