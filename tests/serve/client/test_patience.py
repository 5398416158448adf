"""How long a client goes on trying, by a clock of the test's own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.serve.backend import Refusal
from foretell.serve.client.patience import Patience


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_server_is_told_what_is_left() -> None:
    clock = Clock()
    patience = Patience(0.1, 60.0, 3, clock=clock, dice=lambda: 0.5)
    assert patience.deadline_ms() == pytest.approx(100)
    clock.now += 0.03
    assert patience.deadline_ms() == pytest.approx(70)
    assert Patience(None, 60.0, 3, clock=clock).deadline_ms() is None


def test_after_the_end_there_is_no_attempt() -> None:
    clock = Clock()
    patience = Patience(0.1, 60.0, 3, clock=clock)
    clock.now += 0.1
    with pytest.raises(Refusal) as caught:
        patience.left()
    assert caught.value.reason == "deadline_passed"


def test_retry_after_is_heeded_and_never_undercut() -> None:
    patience = Patience(60.0, 60.0, 3, clock=Clock(), dice=lambda: 0.0)
    assert patience.pause(2.0) == 2.0
    assert Patience(60.0, 60.0, 3, clock=Clock(), dice=lambda: 1.0).pause(2.0) == pytest.approx(2.2)
    assert Patience(1.0, 60.0, 3, clock=Clock()).pause(2.0) is None, "it would come after the deadline"


def test_without_retry_after_pauses_double() -> None:
    patience = Patience(None, 600.0, 8, clock=Clock(), dice=lambda: 1.0)
    assert [patience.pause(None) for _ in range(9)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, None]


@settings(max_examples=200)
@given(
    deadline=st.floats(0.01, 10.0),
    retries=st.integers(0, 6),
    asked=st.lists(
        st.tuples(st.none() | st.integers(0, 5), st.floats(0.0, 1.0), st.floats(0, 1)), max_size=20
    ),
)
def test_attempts_are_bounded_by_number_and_by_deadline(
    deadline: float, retries: int, asked: list[tuple[int | None, float, float]]
) -> None:
    clock, attempts = Clock(), 1
    start = clock.now
    roll = [0.0]
    patience = Patience(deadline, 60.0, retries, clock=clock, dice=lambda: roll[0])
    for after, took, roll[0] in asked:
        clock.now += took
        pause = patience.pause(after)
        if pause is None:
            break
        assert pause >= (after or 0)
        clock.now += pause
        attempts += 1
        assert clock.now < start + deadline
    assert attempts <= retries + 1
