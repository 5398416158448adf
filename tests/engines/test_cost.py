"""The chunk that runs fastest, measured within a budget."""

import time

import pytest

from foretell.engines.cost import CANDIDATES, fastest, measure


@pytest.mark.parametrize(
    ("per_row_us", "chunk"),
    [
        ({32: 9.0, 64: 5.0, 128: 7.0, 256: 8.0}, 64),
        ({32: 9.0, 64: 8.0, 128: 7.0, 256: 5.0}, 256),
        ({32: 5.0, 64: 5.1, 128: 5.1, 256: 5.0}, 128),
        ({32: 5.0, 64: 5.1, 128: 9.0, 256: 9.0}, 64),
        ({32: 5.0}, 32),
    ],
)
def test_the_least_time_a_row_wins_and_near_ties_go_to_128(per_row_us: dict[int, float], chunk: int) -> None:
    assert fastest({rows: rows * us for rows, us in per_row_us.items()}) == chunk


class FakeClock:
    """A machine on which a call costs what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_a_row: float) -> None:
        self.now, self.seconds_a_row, self.calls = 0.0, seconds_a_row, list[int]()
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def run(self, rows: int) -> None:
        self.calls.append(rows)
        self.now += rows * self.seconds_a_row


def test_a_quick_network_is_measured_at_every_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(monkeypatch, 1e-6)
    costs = measure(clock.run, budget_s=0.05)
    assert tuple(costs) == CANDIDATES
    assert all(seconds / rows == pytest.approx(1e-6) for rows, seconds in costs.items())
    assert clock.now <= 0.05


def test_a_slow_network_is_measured_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(monkeypatch, 0.01)
    assert measure(clock.run, budget_s=0.05).keys() == {32}
    assert clock.calls == [32, 32]


def test_time_that_others_take_does_not_count_on_the_threads_own_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wall, own = FakeClock(monkeypatch, 1e-3), FakeClock(monkeypatch, 1e-6)
    monkeypatch.setattr(time, "perf_counter", lambda: wall.now)

    def run(rows: int) -> None:
        wall.run(rows)
        own.run(rows)

    costs = measure(run, budget_s=0.05, clock=lambda: own.now)
    assert tuple(costs) == CANDIDATES
    assert all(seconds / rows == pytest.approx(1e-6) for rows, seconds in costs.items())
