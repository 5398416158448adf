"""Learns what batches cost, whatever the noise."""

import math
import random

import pytest

from foretell.serve.scheduler.cost import CostModel


def light(rows: int) -> float:
    """Model A on a CPU: much of a small batch is fixed."""
    return 75e-6 + 16e-6 * rows


def heavy(rows: int) -> float:
    """Model B: a row costs as much as many."""
    return 320e-6 + 263e-6 * rows


def taught(truth: object, batches: int = 400, noise: float = 0.1, seed: int = 1) -> CostModel:
    assert callable(truth)
    rng, model = random.Random(seed), CostModel(512)
    model.seed({rows: truth(rows) for rows in (1, 8, 64, 512)})
    for _ in range(batches):
        rows = rng.choice([1, 3, 10, 31, 64, 100, 300])
        late = rng.choice([1.0] * 19 + [20.0])  # somebody else had the core
        model.observe(rows, truth(rows) * rng.lognormvariate(0, noise) * late)
    return model


@pytest.mark.parametrize("truth", [light, heavy])
def test_settles_near_the_truth_in_spite_of_noise_and_outliers(truth: object) -> None:
    assert callable(truth)
    model = taught(truth)
    for rows in (1, 2, 5, 16, 40, 128, 250):
        assert model.seconds(rows) == pytest.approx(truth(rows), rel=0.35)


def test_nothing_is_known_at_first_and_something_after_one_batch() -> None:
    model = CostModel(64)
    assert not model.known
    assert model.seconds(10) == 0.0
    model.observe(10, 0.01)
    assert model.known
    assert model.seconds(10) == pytest.approx(0.01, rel=0.3)
    assert model.seconds(1) <= model.seconds(10) <= model.seconds(64)


def test_follows_a_machine_that_becomes_slower_and_quicker_again() -> None:
    model = taught(heavy, noise=0.01)
    for factor in (3.0, 1.0):
        for _ in range(80):
            model.observe(32, factor * heavy(32))
        assert model.seconds(32) == pytest.approx(factor * heavy(32), rel=0.1)
        assert model.seconds(64) == pytest.approx(factor * heavy(64), rel=0.5), "neighbours go along"


def test_one_late_batch_moves_an_estimate_by_a_tenth_at_most() -> None:
    model = taught(heavy, noise=0.0)
    before = model.seconds(32)
    model.observe(32, 100 * before)
    assert before <= model.seconds(32) <= 1.11 * before


@pytest.mark.parametrize("rows", [1, 3, 32])
def test_several_slow_batches_in_a_row_are_believed_at_once(rows: int) -> None:
    """Warm-up measured a third of a millisecond, and then all take 80: another network, a colder core."""
    model = CostModel(512)
    model.seed({size: 300e-6 * size for size in model.shapes})
    before = model.seconds(rows)
    for _ in range(2):
        model.observe(rows, 0.08)
    assert model.seconds(rows) < 1.3 * before, "two may be chance"
    for _ in range(2):
        model.observe(rows, 0.08)
    assert model.seconds(rows) == pytest.approx(0.08, rel=0.2)


def test_outliers_that_do_not_follow_one_another_are_not_believed() -> None:
    model = taught(heavy, noise=0.0)
    for _ in range(20):
        for factor in (50.0, 50.0, 1.0, 1.0, 1.0, 1.0):
            model.observe(32, factor * heavy(32))
    assert model.seconds(32) < 1.5 * heavy(32)


def test_more_rows_never_cost_less() -> None:
    model = taught(light, noise=0.5)
    curve = [model.seconds(rows) for rows in range(1, 700)]
    assert curve == sorted(curve)


def test_nine_of_ten_batches_take_no_longer_than_the_upper_estimate() -> None:
    model, rng = taught(heavy, noise=0.2), random.Random(4)
    for _ in range(400):
        model.observe(32, heavy(32) * rng.lognormvariate(0, 0.2))
    within = sum(heavy(32) * rng.lognormvariate(0, 0.2) <= model.at_most(32) for _ in range(1000))
    assert 750 < within < 990


def test_a_heavy_model_has_small_batches_and_a_light_one_large_ones() -> None:
    a, b = CostModel(512), CostModel(512)
    a.seed({rows: light(rows) for rows in a.shapes})
    b.seed({rows: heavy(rows) for rows in b.shapes})
    assert b.paying == 32
    assert a.paying == 128
    fixed = CostModel(512)
    fixed.seed(dict.fromkeys(fixed.shapes, 0.001))
    assert fixed.paying == 512


def test_what_waits_is_drained_in_batches_that_pay() -> None:
    model = CostModel(512)
    model.seed({rows: heavy(rows) for rows in model.shapes})
    assert model.drain(320) == pytest.approx(10 * heavy(32))
    assert model.drain(33) == pytest.approx(heavy(32) + heavy(1))
    assert model.drain(0) == 0.0


@pytest.mark.parametrize("largest", [1, 2, 3, 100])
def test_any_largest_batch_will_do(largest: int) -> None:
    model = CostModel(largest)
    assert model.shapes[0] == 1
    assert model.shapes[-1] == largest
    model.seed({rows: heavy(rows) for rows in model.shapes})
    model.observe(largest, heavy(largest))
    assert 1 <= model.paying <= largest
    assert model.seconds(2 * largest) >= model.seconds(largest)


@pytest.mark.parametrize("rows", [1, 20, 64])
def test_sizes_that_are_never_measured_do_not_drift_away(rows: int) -> None:
    """A machine that is slow and quick in turns moved them up a little each time, in the end to infinity."""
    rng = random.Random(6)
    cost = CostModel(64)
    cost.seed({shape: light(shape) for shape in cost.shapes})
    for _ in range(5_000):
        slow = math.exp(rng.uniform(0, 4)) if rng.random() < 0.5 else 1.0
        cost.observe(rows, light(rows) * slow * math.exp(rng.gauss(0, 0.2)))
        measured = cost.seconds(rows)
        for shape in cost.shapes:
            assert (
                measured * min(1, shape / rows) / 3
                < cost.seconds(shape)
                < measured * max(1, shape / rows) * 3
            )
    assert cost.paying in cost.shapes
