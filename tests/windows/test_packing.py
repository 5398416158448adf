"""Stored states: small, of a stable layout, and refused when they are damaged."""

import struct
from collections.abc import Callable

import numpy as np
import pytest

from foretell.errors import InputError
from foretell.windows import Update, WindowRules, open_windows

HOUR = 3_600_000_000

Rules = Callable[..., WindowRules]
Feed = Callable[..., Update]


def test_the_layout_is_the_one_that_is_told(rules: Rules, feed: Feed) -> None:
    """Written out, because stored windows outlive a release."""
    windows = open_windows(rules())
    ids = windows.add(1)
    feed(windows, int(ids[0]), (0, 9), (4, 14), (5, 15))
    (state,) = windows.dump(ids)
    head = struct.pack("<BBHIqqQ", 1, 1, 1, 4, 5, 0, 0b1101)  # newest slot 5, anchor slot 0
    assert state == head + struct.pack("<3d", 9, 14, 15)


def test_empty_slots_take_no_room(rules: Rules, feed: Feed) -> None:
    windows = open_windows(rules(every_us=HOUR // 60, lookback=7))
    ids = windows.add(1)
    feed(windows, int(ids[0]), *((hour, 1) for hour in range(9)))
    (state,) = windows.dump(ids)
    assert len(state) < 24 + 361 / 8 + 8 + 7 * 8


@pytest.mark.parametrize("step_us", [HOUR, None])
def test_damage_is_refused_and_changes_nothing(rules: Rules, feed: Feed, step_us: int | None) -> None:
    windows = open_windows(rules(every_us=step_us, step_us=step_us))
    ids = windows.add(2)
    feed(windows, int(ids[0]), (1, 11), (2, 12))
    good = windows.dump(ids)
    other_size = open_windows(rules(every_us=step_us, step_us=step_us, lookback=4))
    bad = [
        b"",
        good[0][:-1],
        good[0][:-8],
        good[0] + bytes(8),
        bytes([2]) + good[0][1:],
        good[0][:1] + bytes([9]) + good[0][2:],
        other_size.dump(other_size.add(1))[0],
        good[0][:8] + b"\xff" * 24 + good[0][32:],
    ]
    for state in bad:
        with pytest.raises(InputError, match="stored window"):
            windows.load(ids, [good[1], state])
        assert windows.dump(ids) == good


def test_which_one_is_damaged_is_told(rules: Rules) -> None:
    windows = open_windows(rules())
    ids = windows.add(3)
    states = windows.dump(ids)
    with pytest.raises(InputError, match="stored window 1 of 3 was cut short"):
        windows.load(ids, [states[0], states[1][:8], states[2]])


def test_a_hundred_thousand_series_go_and_come_back(rules: Rules) -> None:
    windows = open_windows(rules(lookback=7, features=3))
    ids = windows.add(100_000)
    rng = np.random.default_rng(8)
    for hour in range(8):
        time_us = np.full(len(ids), hour * HOUR)
        update = windows.update(ids, time_us, rng.normal(size=(len(ids), 3)), time_us)
    states = windows.dump(ids)
    assert len(states[0]) == 32 + 7 * 3 * 8
    other = open_windows(windows.rules)
    there = other.add(len(ids))[::-1]
    other.load(there, states)
    time_us = np.full(len(ids), 7 * HOUR)
    again = other.update(there, time_us, update.windows[:, -1] + 1, time_us)
    assert (again.windows[:, :-1] == update.windows[:, :-1]).all()


def test_nothing_to_load(rules: Rules) -> None:
    windows = open_windows(rules())
    windows.load(windows.add(0), [])
    assert windows.dump(windows.add(0)) == []
