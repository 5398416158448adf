"""A change that is no good is taken back, and said by the names that people know."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from foretell.config import Settings
from foretell.errors import DeployFailed
from foretell.serve.deployment.deployed import Deployed
from foretell.serve.deployment.fleet import FleetStatus
from foretell.serve.deployment.plan import ModelFiles, Plan
from foretell.serve.deployment.resources import ResourceConfig
from foretell.serve.deployment.rollout import roll_out

WHY = "foretell.errors.GoldenMismatch: output `a` differs by 1\n  import the source again"


def deployed(settings: Settings | None = None, **models: str) -> Deployed:
    files = tuple(ModelFiles(name, version, {}) for name, version in models.items())
    return Deployed(Plan(settings or Settings(), files), 2, ResourceConfig())


class FakeFleet:
    """Only what is in `good` becomes ready."""

    def __init__(self, *good: Deployed) -> None:
        self.good = good
        self.now: Deployed | None = good[0] if good else None

    def deployed(self) -> Deployed | None:
        return self.now

    def deploy(self, wanted: Deployed) -> None:
        self.now = wanted

    def status(self) -> FleetStatus:
        return FleetStatus("RUNNING") if self.now in self.good else FleetStatus("DEPLOY_FAILED", message=WHY)

    def replicas(self) -> list[Any]:
        return []


def failure(fleet: FakeFleet, wanted: Deployed) -> DeployFailed:
    with pytest.raises(DeployFailed) as raised:
        roll_out(cast(Any, fleet), wanted, 1.0, 0.0)
    return raised.value


OLD = deployed(trading="0ld0ld0ld0ld")


@pytest.mark.parametrize(
    ("wanted", "new", "old"),
    [
        (deployed(trading="bad0bad0bad0"), "trading bad0bad0bad0", "trading 0ld0ld0ld0ld"),
        (
            deployed(trading="0ld0ld0ld0ld", weather="bad0bad0bad0"),
            "weather bad0bad0bad0",
            "trading 0ld0ld0ld0ld",
        ),
        (
            deployed(Settings.model_validate({"serve": {"drain": 1}}), trading="0ld0ld0ld0ld"),
            "trading 0ld0ld0ld0ld with other settings",
            "trading 0ld0ld0ld0ld with the settings from before",
        ),
    ],
    ids=["version", "further model", "settings"],
)
def test_what_is_taken_back_and_what_goes_on(
    wanted: Deployed, new: str, old: str, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = FakeFleet(OLD)
    error = failure(fleet, wanted)
    assert error.message == (
        f"{new} is taken back: a replica does not become ready: output `a` differs by 1\n{old} goes on"
    )
    assert error.cure == "import the source again"
    assert fleet.now == OLD
    assert not caplog.records  # who hears the error says it; said here too, it would stand there twice


def test_what_does_not_come_back_is_told_as_well() -> None:
    fleet = FakeFleet()
    fleet.now = OLD
    error = failure(fleet, deployed(trading="bad0bad0bad0"))
    assert "trading bad0bad0bad0 is taken back" in error.message
    assert "trading 0ld0ld0ld0ld did not come back" in error.message


def test_the_first_version_has_nothing_to_go_back_to() -> None:
    assert failure(FakeFleet(), OLD).message.startswith("a replica does not become ready")


def test_a_change_of_scale_is_not_watched() -> None:
    fleet = FakeFleet(OLD, replace(OLD, scale=3))
    roll_out(cast(Any, fleet), replace(OLD, scale=3), 1.0, 3600.0)
    assert fleet.now == replace(OLD, scale=3)


class SickFleet(FakeFleet):
    """What is deployed is RUNNING, then UNHEALTHY for a moment, and RUNNING again with other replicas."""

    def __init__(self, trouble: str) -> None:
        super().__init__(OLD)
        self._states = ["RUNNING", "RUNNING", "UNHEALTHY"]
        self._troubles = ["", trouble]

    def status(self) -> FleetStatus:
        if self.now == OLD or not self._states:
            return FleetStatus("RUNNING")
        return FleetStatus(self._states.pop(0), message="a replica's health check failed")

    def replicas(self) -> list[Any]:
        trouble = self._troubles.pop(0) if self._troubles else ""
        return [SimpleNamespace(trouble=trouble)]


def test_one_that_says_that_it_is_sick_is_taken_back_at_once() -> None:
    wanted = deployed(trading="bad0bad0bad0")
    with pytest.raises(DeployFailed, match="sick after they had been ready: every evaluation has failed"):
        roll_out(cast(Any, SickFleet("every evaluation has failed for 6 s")), wanted, 1.0, 2.0)


def test_one_that_died_once_may_have_died_by_chance() -> None:
    wanted = deployed(trading="new0new0new0")
    fleet = SickFleet("")
    roll_out(cast(Any, fleet), wanted, 1.0, 1.5)
    assert fleet.now == wanted
