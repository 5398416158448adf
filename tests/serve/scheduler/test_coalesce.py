"""Who shares an answer."""

import numpy as np

from foretell.serve.scheduler.coalesce import Coalescer, Likeness
from foretell.serve.scheduler.work import Job, Work

NAMES = ["temperature", "wind"]
ALL = {"temperature": 0.5, "wind": 1.0}


def test_a_job_is_found_while_it_is_in_flight() -> None:
    coalescer = Coalescer()
    job = Job.of(Work(1, 0.0, content=b"x"))
    coalescer.started(job)
    assert coalescer.find(Work(1, 0.0, content=b"x")) is job
    assert coalescer.find(Work(1, 0.0, content=b"y")) is None
    assert coalescer.find(Work(1, 0.0)) is None
    coalescer.ended(job)
    coalescer.ended(job)
    assert coalescer.find(Work(1, 0.0, content=b"x")) is None


def test_without_a_resolution_windows_are_alike_to_the_last_bit() -> None:
    likeness = Likeness(NAMES, {}, channels_first=False)
    window = np.ones((1, 3, 2))
    assert likeness.of(window) == likeness.of(window.copy())
    assert likeness.of(window) != likeness.of(np.nextafter(window, 2))
    assert likeness.of(np.asfortranarray(window)) == likeness.of(window)


def test_with_a_resolution_for_each_feature_those_that_round_alike_share() -> None:
    likeness = Likeness(NAMES, ALL, channels_first=False)
    window = np.array([[[20.1, 3.2], [0.1, 0.2]]])
    near, far = window + np.array([-0.2, 0.2]), window + np.array([0.0, 0.4])
    assert likeness.of(window) == likeness.of(near)
    assert likeness.of(window) != likeness.of(far)


def test_channels_first_windows_have_their_features_in_rows() -> None:
    likeness = Likeness(NAMES, ALL, channels_first=True)
    window = np.array([[[20.1, 20.1, 20.1], [3.2, 3.2, 3.2]]])
    assert likeness.of(window) == likeness.of(window + np.array([[-0.2], [0.2]]))
    assert likeness.of(window) != likeness.of(window + np.array([[0.0], [0.4]]))


def test_a_feature_without_resolution_turns_it_off() -> None:
    likeness = Likeness(NAMES, {"temperature": 0.5}, channels_first=False)
    window = np.ones((1, 3, 2))
    assert likeness.of(window) != likeness.of(window + 1e-9)


def test_what_is_not_finite_is_like_itself_alone() -> None:
    likeness = Likeness(NAMES, ALL, channels_first=False)
    bad = np.array([[[np.nan, 1.0]]])
    assert likeness.of(bad) == likeness.of(bad.copy())
    assert likeness.of(bad) != likeness.of(np.array([[[np.inf, 1.0]]]))
