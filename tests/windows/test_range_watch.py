"""Rows that are nothing like the training are counted, and told once."""

import numpy as np

from foretell.windows import RangeWatch


def watch() -> RangeWatch:
    """A standard scaler, a min-max scaler, and one that tells nothing."""
    return RangeWatch(
        ["temperature", "humidity", "odd"],
        low=[None, 10.0, None],
        high=[None, 90.0, None],
        center=[50.3, None, None],
        spread=[20.3, None, None],
    )


def rows(
    count: int, temperature: float = 50.0, humidity: float = 50.0
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.tile([temperature, humidity, 1e9], (count, 1))


def test_a_wrong_unit_is_told_once_with_both_figures() -> None:
    seen = watch()
    assert seen.observe(rows(19, temperature=-14.2)) == []
    assert seen.observe(rows(1, temperature=-14.2)) == [
        "temperature: rows average -14.2, the model was trained around 50.3 ± 20.3; is the unit right?"
    ]
    assert seen.observe(rows(100, temperature=-14.2)) == []
    assert seen.outside.tolist() == [0, 0, 0]  # 3.2 spreads away, each row by itself is possible


def test_least_and_greatest_are_told_where_no_center_is_known() -> None:
    assert watch().observe(rows(20, humidity=0.4)) == [
        "humidity: rows average 0.4, the model was trained between 10.0 and 90.0; is the unit right?"
    ]


def test_rows_like_the_training_are_nothing_to_tell() -> None:
    seen = watch()
    assert seen.observe(rows(1000, temperature=10.0, humidity=89.0)) == []
    assert seen.outside.tolist() == [0, 0, 0]


def test_rows_far_outside_are_counted_by_feature() -> None:
    seen = watch()
    values = np.vstack(
        [rows(30), rows(1, temperature=131.6), rows(1, temperature=131.4), rows(2, humidity=110.1)]
    )
    assert seen.far(values).sum(axis=0).tolist() == [1, 2, 0]
    seen.observe(values)
    seen.observe(values)
    assert seen.outside.tolist() == [2, 4, 0]
    assert seen.rows == 68


def test_many_outliers_are_told_though_the_average_is_right() -> None:
    values = np.vstack([rows(30), rows(3, temperature=-100), rows(3, temperature=200)])
    assert watch().observe(values) == [
        "temperature: 6 of 36 rows lie far outside (average 50.0), "
        "the model was trained around 50.3 ± 20.3; is the unit right?"
    ]


def test_no_rows_are_no_news() -> None:
    assert watch().observe(np.empty((0, 3))) == []
