"""A line of the log for each change of the fleet, and none without one."""

import logging
import time
from dataclasses import replace
from threading import Event
from typing import Any, cast

import pytest

from foretell.config import Settings
from foretell.serve.deployment.autoscaling import AutoscalingConfig
from foretell.serve.deployment.changes import Changes
from foretell.serve.deployment.deployed import Deployed, Scale
from foretell.serve.deployment.fleet import FleetStatus
from foretell.serve.deployment.plan import Plan
from foretell.serve.deployment.resources import ResourceConfig
from foretell.serve.replica.doors import ReplicaStats

STATS = ReplicaStats(1, 0.0, "v", "cpu", 0, 0, 0, 0.0, (), 0)
RUNNING = FleetStatus("RUNNING", {"RUNNING": 2}, "", "CONFIG_UPDATE_COMPLETED")


class FakeFleet:
    """Tells what it is told to."""

    def __init__(self) -> None:
        self.now = RUNNING
        self.loads = [7.0, 5.0]
        self.scale: Scale = AutoscalingConfig(target_ongoing_requests=5)

    def status(self) -> FleetStatus:
        return self.now

    def deployed(self) -> Deployed:
        return Deployed(Plan(Settings(), ()), self.scale, ResourceConfig())

    def replicas(self) -> list[ReplicaStats]:
        return [replace(STATS, load=load) for load in self.loads]


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


@pytest.fixture
def look(fleet: FakeFleet, caplog: pytest.LogCaptureFixture) -> Any:
    """Look at this status; what is said of it, by level."""
    changes = Changes(cast(Any, fleet))
    caplog.set_level(logging.INFO, "foretell.serve")

    def look(status: FleetStatus) -> list[tuple[str, str]]:
        caplog.clear()
        fleet.now = status
        changes.look()
        return [(record.levelname, record.getMessage()) for record in caplog.records]

    return look


def test_each_change_is_said_once(look: Any) -> None:
    assert look(RUNNING) == [("INFO", "running; replicas: 2 running")]
    assert look(RUNNING) == []
    starting = replace(RUNNING, state="DEPLOYING", replicas={"STARTING": 2, "RUNNING": 2})
    assert look(starting) == [("INFO", "deploying; replicas: 2 running, 2 starting")]
    assert look(replace(starting, replicas={"RUNNING": 2, "STOPPING": 1}))[0][1].endswith("1 stopping")


def test_load_that_brings_replicas_is_told_against_its_target(look: Any, fleet: FakeFleet) -> None:
    look(RUNNING)
    up = FleetStatus(
        "RUNNING", {"RUNNING": 2, "STARTING": 1}, "Upscaling from 2 to 3 replicas.", "AUTOSCALING"
    )
    why = "from 2 to 3 by load: 6.0 requests under way a replica, the target is 5"
    assert look(up) == [("INFO", f"running; replicas: 2 running, 1 starting ({why})")]
    # The reason is told with the first line that it brings, not with each.
    assert look(replace(up, replicas={"RUNNING": 3})) == [("INFO", "running; replicas: 3 running")]


def test_a_change_that_is_quicker_than_a_look_has_its_reason_too(look: Any, fleet: FakeFleet) -> None:
    look(RUNNING)
    fleet.loads = [0.5]
    down = FleetStatus("RUNNING", {"RUNNING": 1}, "", "DOWNSCALE_COMPLETED")
    why = "from 2 to 1 by load: 0.5 requests under way a replica, the target is 5"
    assert look(down) == [("INFO", f"running; replicas: 1 running ({why})")]


def test_a_replica_that_is_replaced_is_no_change_of_scale(look: Any) -> None:
    look(RUNNING)
    sick = replace(RUNNING, state="UNHEALTHY", replicas={"RUNNING": 1}, trigger="HEALTH_CHECK_FAILED")
    look(sick)
    assert look(RUNNING) == [("INFO", "running; replicas: 2 running")]


def test_a_number_that_was_asked_for_is_told_as_such(look: Any, fleet: FakeFleet) -> None:
    look(RUNNING)
    fleet.scale = 4
    asked = FleetStatus(
        "RUNNING", {"RUNNING": 2, "STARTING": 2}, "Upscaling from 2 to 4 replicas.", "CONFIG_UPDATE_STARTED"
    )
    assert look(asked)[0][1].endswith("2 starting (from 2 to 4, as asked)")


def test_what_is_wrong_is_a_warning_with_its_message(look: Any) -> None:
    sick = FleetStatus("UNHEALTHY", {"RUNNING": 1, "STARTING": 1}, "A replica's health check failed.")
    assert look(sick) == [
        ("WARNING", "unhealthy; replicas: 1 running, 1 starting A replica's health check failed.")
    ]


def test_it_looks_by_itself_and_outlives_a_ray_that_does_not_answer(
    fleet: FakeFleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("foretell.serve.deployment.changes._LOOK_S", 0.001)
    caplog.set_level(logging.INFO, "foretell.serve")
    asked, back = Event(), Event()

    def status() -> FleetStatus:
        asked.set()
        if not back.is_set():
            raise ConnectionError("no controller")
        return RUNNING

    monkeypatch.setattr(fleet, "status", status)
    changes = Changes(cast(Any, fleet))
    before = changes.heard
    changes.watch()
    assert asked.wait(5)
    assert changes.heard == before
    back.set()
    deadline = time.monotonic() + 5
    while changes.heard == before and time.monotonic() < deadline:
        time.sleep(0.01)
    changes.end()
    assert changes.heard > before
    assert [record.getMessage() for record in caplog.records] == ["running; replicas: 2 running"]
