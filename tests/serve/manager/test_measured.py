"""What was measured over all replicas, those that are gone among them."""

from dataclasses import replace

import pytest

from foretell.serve.manager.measured import Measured
from foretell.serve.replica.doors import BOUNDS, ReplicaStats


def stats(pid: int, requests: int, seconds: float = 0.0, slow: int = 0) -> ReplicaStats:
    """`slow`: of the requests, took more than a tenth of a second."""
    buckets = [0] * (len(BOUNDS) + 1)
    buckets[BOUNDS.index(0.1)] = requests - slow
    buckets[BOUNDS.index(0.1) + 1] = slow
    return ReplicaStats(pid, 1.0, "v", "cpu", requests, 0, 0, seconds, tuple(buckets), 0)


def test_counts_of_those_that_went_before_anybody_asked_are_there() -> None:
    measured = Measured()
    ended, running = stats(1, 1_000, 2.0), stats(2, 100, 0.2)
    measured.take([running], [replace(ended, buckets=()), replace(running, requests=90, buckets=())])
    told = measured.stats()
    assert told["request_count"] == 1_100
    assert told["avg_processing_time_ms"] == pytest.approx(2.0)
    assert told["replicas"] == 1


def test_counts_never_fall() -> None:
    measured = Measured()
    measured.take([stats(1, 50), stats(2, 50)])
    measured.take([stats(2, 60)], [stats(2, 55)])
    assert measured.stats()["request_count"] == 110
    measured.take([], [stats(1, 70), stats(2, 65)])  # what they counted while they drained
    assert measured.stats()["request_count"] == 135
    measured.take([])
    assert measured.stats()["request_count"] == 135


@pytest.mark.parametrize(("slow", "meets"), [(0, True), (1, True), (2, False)])
def test_a_tenth_of_a_second_is_met_by_p99(slow: int, meets: bool) -> None:
    measured = Measured()
    measured.take([stats(1, 60, slow=slow), stats(2, 40)])
    told = measured.performance()
    assert told["meets_100ms_requirement"] is meets
    assert told["measured_requests"] == 100
    assert told["within_100ms"] == pytest.approx(1 - slow / 100)


def test_nothing_measured_proves_nothing() -> None:
    told = Measured().performance()
    assert told["meets_100ms_requirement"] is False
    assert told["measured_requests"] == told["p99_latency_ms"] == 0
