"""What a change of scale says of itself where there is no room for it."""

import logging
import os
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
import ray

from foretell.config import Settings
from foretell.errors import DeployFailed
from foretell.serve.deployment.autoscaling import AutoscalingConfig, TradingWorkloadAutoscaler
from foretell.serve.deployment.deployed import Deployed
from foretell.serve.deployment.fleet import Fleet
from foretell.serve.deployment.plan import Plan
from foretell.serve.deployment.resources import ResourceConfig
from foretell.serve.deployment.service import Service


class FakeFleet:
    def __init__(self) -> None:
        self.now = Deployed(Plan(Settings(), ()), 2, ResourceConfig())

    def deployed(self) -> Deployed:
        return self.now

    def deploy(self, wanted: Deployed) -> None:
        self.now = wanted


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    """On a Ray of its own with 8 cores."""
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0})
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    made = Service(Settings())
    made.fleet = cast(Any, FakeFleet())
    made._cluster = cast(Any, SimpleNamespace(own=True))
    return made


def test_hours_that_this_machine_has_no_room_for_are_said_to_be_less(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = TradingWorkloadAutoscaler.get_market_hours_config()
    assert not service.rescale(wanted)
    assert service.deployed.scale == wanted.within(8)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["this machine has room for 8 replicas: between 5 and 8, not 5 and 30"]


def test_hours_that_fit_are_applied_as_they_are(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert service.rescale(AutoscalingConfig(min_replicas=1, max_replicas=8))
    service._cluster = cast(Any, SimpleNamespace(own=False))
    assert service.rescale(TradingWorkloadAutoscaler.get_stress_test_config())  # a cluster may grow
    assert not caplog.records


def test_a_number_stays_as_it_was_asked_for(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    assert service.rescale(8)
    assert not caplog.records
    assert not service.rescale(10)
    assert service.deployed.scale == 10
    said = [record.getMessage() for record in caplog.records]
    assert said == ["this Ray has room for 8 replicas: 2 of 10 wait"]


def test_a_deployment_does_not_wait_for_a_ray_that_has_ended(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def never(wanted: Deployed) -> None:
        asked.set()
        threading.Event().wait()

    monkeypatch.setattr(service.fleet, "deploy", never)
    monkeypatch.setattr(
        service, "_cluster", SimpleNamespace(own=True, alive=lambda: not asked.is_set(), answers=lambda: True)
    )
    with pytest.raises(DeployFailed, match="Ray ended meanwhile"):
        service.change(service.deployed)


def test_an_error_of_ray_that_has_ended_is_none_of_a_deployment(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`alive`: its processes, not what they answer."""
    alive = [True]

    def fail(wanted: Deployed) -> None:
        alive[0] = False
        raise ConnectionError("GCS")

    monkeypatch.setattr(service.fleet, "deploy", fail)
    monkeypatch.setattr(
        service, "_cluster", SimpleNamespace(own=True, alive=lambda: alive[0], answers=lambda: True)
    )
    with pytest.raises(DeployFailed, match="Ray ended meanwhile"):
        service.change(service.deployed)


def test_what_was_interrupted_does_not_go_on(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would find no Ray any more, and Ray Serve then starts one."""
    fleet, waiting, ended = Fleet(), threading.Event(), threading.Event()

    def deploy(wanted: Deployed) -> None:
        try:
            while True:
                waiting.set()
                fleet._go_on()
        finally:
            ended.set()

    def alive() -> bool:
        waiting.wait()
        raise KeyboardInterrupt

    now = service.deployed
    monkeypatch.setattr(fleet, "deploy", deploy)
    monkeypatch.setattr(fleet, "deployed", lambda: now)
    service.fleet = fleet
    monkeypatch.setattr(service, "_cluster", SimpleNamespace(own=True, alive=alive))
    with pytest.raises(KeyboardInterrupt):
        service.change(now)
    assert ended.is_set()


def test_an_end_does_not_wait_for_a_ray_that_ends_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service, answered, closed = Service(Settings()), threading.Event(), []
    cluster = SimpleNamespace(
        own=True, alive=lambda: not answered.is_set(), answers=lambda: True, close=lambda: closed.append(True)
    )

    def never(*, serve_too: bool) -> None:
        answered.set()  # it was alive when it was asked
        threading.Event().wait()

    monkeypatch.setattr(service, "_cluster", cluster)
    monkeypatch.setattr(service, "fleet", SimpleNamespace(close=never))
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    with caplog.at_level(logging.WARNING, "foretell.serve"):
        service.stop()
    assert closed == [True]
    assert "signal this process alone" in caplog.text
