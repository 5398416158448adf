"""What a replica tells of itself and its fleet: Ray may be away, GPUs may be none."""

from typing import Any, cast

import pytest

from foretell.serve.deployment.fleet import FleetStatus
from foretell.serve.models.figures import Figures
from foretell.serve.replica import outlook
from foretell.serve.replica.doors import ReplicaStats
from foretell.serve.replica.outlook import Outlook
from foretell.telemetry import serve_metrics
from foretell.telemetry.gpu import GpuUse
from foretell.telemetry.meter import Snapshot


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


class FakeFleet:
    asked = 0

    def status(self) -> FleetStatus:
        self.asked += 1
        return FleetStatus("RUNNING", {"RUNNING": 2, "UPDATING": 1})


class FakeGpus:
    reads = 0

    def read(self) -> list[GpuUse]:
        self.reads += 1
        return [GpuUse("h,0", 0.25, 10, 80), GpuUse("h,MIG-7", None, 5, 40)]


class Seen:
    """An outlook, and all that stands around it."""

    def __init__(self) -> None:
        self.figures, self.fleet, self.gpus = Figures(), FakeFleet(), FakeGpus()
        self.healthy = True
        self.requests = 0
        self.kept: list[int] = []
        self.outlook = Outlook(
            self.figures, lambda: self.healthy, self.stats, cast(Any, self.gpus), cast(Any, self.fleet)
        )

    def stats(self) -> ReplicaStats:
        return ReplicaStats(1, 0.0, "v", "cpu", self.requests, 0, 0, 0.0, (), 0)

    def told(self) -> Snapshot:
        self.outlook.tell()
        return self.figures.snapshot({}, {})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(outlook, "time", made)
    return made


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Seen:
    made = Seen()
    monkeypatch.setattr(outlook, "keep", lambda stats: made.kept.append(stats.requests))
    return made


def test_health_is_a_gauge(seen: Seen) -> None:
    assert seen.told().value(serve_metrics.HEALTHY) == 1
    seen.healthy = False
    assert seen.told().value(serve_metrics.HEALTHY) == 0


def test_replicas_by_state_as_long_as_it_is_news(seen: Seen, clock: Clock) -> None:
    assert seen.told().by_label(serve_metrics.REPLICAS) == {}
    seen.outlook.talk()
    states = {"running": 2, "starting": 0, "stopping": 0, "updating": 1}
    assert seen.told().by_label(serve_metrics.REPLICAS) == states
    clock.now += 1
    seen.outlook.talk()
    assert seen.fleet.asked == 1
    clock.now += 16
    assert seen.told().by_label(serve_metrics.REPLICAS) == {}
    seen.outlook.talk()
    assert seen.told().by_label(serve_metrics.REPLICAS) == states


def test_gpus_are_read_once_a_second(seen: Seen, clock: Clock) -> None:
    told = seen.told()
    assert told.by_label(serve_metrics.GPU_UTILIZATION) == {"h,0": 0.25}
    assert told.by_label(serve_metrics.GPU_MEMORY) == {"h,0": 10, "h,MIG-7": 5}
    assert told.by_label(serve_metrics.GPU_MEMORY_TOTAL) == {"h,0": 80, "h,MIG-7": 40}
    seen.told()
    assert seen.gpus.reads == 1
    clock.now += 1
    seen.told()
    assert seen.gpus.reads == 2


def test_what_was_counted_last_goes_into_the_ledger(seen: Seen) -> None:
    seen.outlook.talk()
    seen.requests = 7
    seen.outlook.end()
    assert seen.kept == [0, 7]


def test_a_ray_that_is_away_does_no_harm(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(stats: ReplicaStats) -> None:
        raise ConnectionError("no control service")

    monkeypatch.setattr(outlook, "keep", away)
    seen.outlook.talk()
    assert seen.told().value(serve_metrics.HEALTHY) == 1
