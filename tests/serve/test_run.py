"""Ray comes and goes; `foretell serve` goes on."""

import logging
from typing import Any, cast

import pytest

from foretell.ending import Asked
from foretell.errors import DeployFailed, RayUnreachable
from foretell.serve import run
from foretell.serve.run import Keeper


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class FakeChanges:
    """Heard of Ray Serve whenever somebody looks, unless `silent`."""

    silent = False
    clock = Clock()

    def __init__(self, fleet: object) -> None:
        self._at = self.clock.now

    @property
    def heard(self) -> float:
        return self._at if self.silent else self.clock.now

    def watch(self) -> None: ...

    def end(self) -> None: ...


class FakeService:
    """`failures`: what each attempt to bring Ray back raises, one after another; then it succeeds."""

    own = True

    def __init__(self) -> None:
        self.fleet = object()
        self.there = True
        self.failures: list[Exception] = []
        self.restored = 0

    def alive(self) -> bool:
        return self.there

    def restore(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.there = True
        self.restored += 1


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(run, "time", made)
    monkeypatch.setattr(run, "Changes", FakeChanges)
    monkeypatch.setattr(FakeChanges, "clock", made)
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Asked:
    """Waits in no time; listens to no signal."""
    made = Asked()
    made.starting = False

    def wait(timeout: float | None = None) -> bool:
        clock.now += timeout or 0
        return made.is_set()

    monkeypatch.setattr(made, "wait", wait)
    monkeypatch.setattr(made, "listen", lambda: None)
    return made


@pytest.fixture
def keeper(service: FakeService, asked: Asked) -> Keeper:
    return Keeper(cast(Any, service), asked)


def test_a_ray_that_is_lost_is_brought_back(
    keeper: Keeper, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "foretell.serve")
    keeper.look()
    assert service.restored == 0
    service.there = False
    service.failures = [DeployFailed("no room"), RuntimeError("no port")]
    keeper.look()
    assert service.restored == 1
    said = [record.getMessage() for record in caplog.records]
    assert said[:3] == [
        "Ray is gone; it is started again",
        "Ray is not back yet: no room",
        "Ray is not back yet: no port",
    ]
    assert said[3].startswith("Ray is back, and the replicas with it")


def test_a_ray_that_is_lost_again_and_again_ends_it(
    keeper: Keeper, service: FakeService, clock: Clock
) -> None:
    for _ in range(5):
        service.there = False
        keeper.look()
        clock.now += 30
    service.there = False
    with pytest.raises(RayUnreachable, match="5 times in a row"):
        keeper.look()
    assert service.restored == 5


def test_after_a_steady_run_losses_are_counted_anew(
    keeper: Keeper, service: FakeService, clock: Clock
) -> None:
    for _ in range(12):
        service.there = False
        keeper.look()
        clock.now += 61
    assert service.restored == 12


def test_a_cluster_that_stays_away_ends_it_at_once(keeper: Keeper, service: FakeService) -> None:
    service.there = False
    service.failures = [RayUnreachable("nobody answers")]
    with pytest.raises(RayUnreachable, match="nobody answers"):
        keeper.look()


def test_ray_serve_may_be_silent_for_a_while(
    keeper: Keeper, service: FakeService, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeChanges, "silent", True)
    clock.now += 9
    keeper.look()
    assert service.restored == 0
    clock.now += 2
    keeper.look()
    assert service.restored == 1
    keeper.look()
    assert service.restored == 1


def test_who_ends_with_ray_brings_nothing_back(keeper: Keeper, service: FakeService, asked: Asked) -> None:
    service.there = False
    asked.set()
    keeper.look()
    assert service.restored == 0
