"""What a change of scale says of itself where there is no room for it."""

import logging
import os
from types import SimpleNamespace
from typing import Any, cast

import pytest
import ray

from foretell.config import Settings
from foretell.serve.deployment.autoscaling import AutoscalingConfig, TradingWorkloadAutoscaler
from foretell.serve.deployment.deployed import Deployed
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
