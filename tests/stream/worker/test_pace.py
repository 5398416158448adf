"""Blocks grow while they are full and quick."""

from foretell.stream.worker.pace import FIRST_ROWS, Pace


def test_full_blocks_that_are_quick_double_up_to_the_most() -> None:
    pace = Pace(16_000)
    sizes = []
    for _ in range(6):
        sizes.append(pace.rows)
        pace.took(pace.rows, 1e-5 * pace.rows)
    assert sizes == [1_000, 2_000, 4_000, 8_000, 16_000, 16_000]


def test_a_slow_model_gets_as_many_rows_as_take_a_second() -> None:
    pace = Pace(16_000)
    for _ in range(9):
        pace.took(pace.rows, pace.rows / 5_000)
    assert pace.rows == 5_000


def test_rows_that_trickle_in_change_nothing() -> None:
    pace = Pace(16_000)
    for _ in range(9):
        pace.took(3, 0.001)
    assert pace.rows == FIRST_ROWS


def test_a_block_that_takes_too_long_is_followed_by_smaller_ones() -> None:
    pace = Pace(16_000)
    pace.took(100, 10.0)
    assert pace.rows == 10
    pace.took(10, 100.0)
    assert pace.rows == 1
    pace.took(1, 0.0)
    assert pace.rows == 2


def test_the_most_may_be_few() -> None:
    pace = Pace(3)
    assert pace.rows == 3
    pace.took(3, 0.0)
    assert pace.rows == 3
