"""Versions that replace one another under load on a real Ray Serve: one fleet for all tests, in order."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foretell.bundle.bundle import open_bundle
from foretell.config import Settings
from foretell.errors import ConfigError, DeployFailed
from foretell.serve.deployment.resources import ResourceConfig
from foretell.serve.deployment.rollout import reason
from foretell.serve.deployment.service import Service

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

Until = Callable[..., None]
SLOW = 20.0  # asks for some 20 ms


class Models:
    """Bundles of one model, and their versions."""

    def __init__(self, write: Callable[..., Path], folder: Path) -> None:
        self.good = write(folder / "good")
        self.better = write(folder / "better", offset=1.0)
        self.lying = write(folder / "lying", offset=2.0, golden=1.0)
        self.hanging = write(folder / "hanging", offset=3.0, turns=10_000_000_000)
        self.hoarding = write(folder / "hoarding", offset=4.0, hoard=150_000_000)
        self.other = write(folder / "other", name="other")

    @staticmethod
    def version(path: Path) -> str:
        return open_bundle(path).manifest.version


@pytest.fixture(scope="module")
def models(spinning: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(spinning, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def service(settings_on_ray: Callable[..., Settings], models: Models) -> Iterator[Service]:
    made = Service(settings_on_ray(stuck=4, drain=1))
    try:
        made.start([str(models.good)], resources=ResourceConfig(memory_gb=0.1))
        yield made
    finally:
        made.stop()


@pytest.fixture
def url(service: Service) -> str:
    return f"http://127.0.0.1:{service.deployed.plan.settings.serve.port}"


def pids(service: Service) -> set[int]:
    return {replica.pid for replica in service.fleet.replicas()}


def test_a_new_version_under_load_loses_no_request(
    service: Service, url: str, models: Models, callers: Callable[..., Any], until: Until
) -> None:
    before = pids(service)
    with callers(url, 3, SLOW) as asking:
        until(lambda: len(asking.answers) > 20)
        service.update(str(models.better), watch_s=0)
        many = len(asking.answers)
        until(lambda: len(asking.answers) > many + 20)
    assert not asking.lost
    assert asking.versions() == {models.version(models.good), models.version(models.better)}
    assert asking.answers[-1]["model_version"] == models.version(models.better)
    assert len(pids(service) - before) == 2


def test_the_same_again_keeps_the_processes(service: Service, models: Models) -> None:
    before = pids(service)
    service.update(str(models.better), watch_s=0)
    assert pids(service) == before


def test_a_bad_version_never_becomes_ready_and_the_old_one_goes_on(
    service: Service, url: str, models: Models, callers: Callable[..., Any]
) -> None:
    before = pids(service)
    with (
        callers(url, 2) as asking,
        pytest.raises(DeployFailed, match="differs from the source's answers") as raised,
    ):
        service.update(str(models.lying))
    assert f"spin {models.version(models.better)} goes on" in raised.value.message
    assert "Traceback" not in raised.value.message
    assert f"spin {models.version(models.lying)} is taken back: a replica does" in raised.value.message
    assert "import the source again" in (raised.value.cure or "")
    assert not asking.lost
    assert asking.versions() == {models.version(models.better)}
    assert pids(service) == before
    assert service.fleet.status().state == "RUNNING"


def test_a_version_that_turns_sick_is_taken_back(
    service: Service,
    url: str,
    models: Models,
    callers: Callable[..., Any],
    until: Until,
    asked: Callable[..., Any],
) -> None:
    with (
        callers(url, 2, SLOW, patient=True),
        pytest.raises(DeployFailed, match="an evaluation has been under way"),
    ):
        service.update(str(models.hanging), watch_s=30)
    assert service.deployed.plan.versions == {"spin": models.version(models.better)}
    until(lambda: service.fleet.status().state == "RUNNING")
    assert asked(url)["model_version"] == models.version(models.better)


def test_memory_that_grows_costs_a_replica_and_nobody_an_answer(
    service: Service,
    url: str,
    models: Models,
    callers: Callable[..., Any],
    until: Until,
    asked: Callable[..., Any],
) -> None:
    service.update(str(models.hoarding), watch_s=0)
    before = pids(service)
    with callers(url, 3) as asking:
        until(lambda: len(asking.answers) > 20)
        asked(url, 1.0)  # 600 MB
        until(lambda: len(pids(service) - before) == 1)
        many = len(asking.answers)
        until(lambda: len(asking.answers) > many + 20)
    assert not asking.lost
    assert len(pids(service) & before) == 1


def test_only_what_is_served_is_updated(service: Service, models: Models) -> None:
    with pytest.raises(ConfigError, match="no model other is served, but spin"):
        service.update(str(models.other))


def test_the_reason_is_told_without_its_traceback() -> None:
    message = (
        "The deployment failed to start 2 times in a row. Error:\n"
        '\x1b[36mray::ServeReplica\x1b[39m (pid=1)\n  File "a.py", line 1, in f\n'
        "foretell.errors.GoldenMismatch: output `a` differs by 1\n  import the source again"
    )
    why = reason(message)
    assert (why.message, why.cure) == ("output `a` differs by 1", "import the source again")
    assert (reason("no room").message, reason("no room").cure) == ("no room", None)
    assert reason("").message == "no reason is given"
