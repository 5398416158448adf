"""The place of a worker: when it is filled again. Ray is played, and so is the clock."""

import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayError

from foretell.stream.supervision import slot as module
from foretell.stream.supervision.actor import Outcome
from foretell.stream.supervision.slot import WorkerSlot
from foretell.stream.worker.worker import WorkerStatus
from foretell.telemetry.meter import Snapshot


class FakeActor:
    """Attributes: `calls`, methods that were called; each gives a reference of that name."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: object) -> str:
            self.calls.append(name)
            return name

        return SimpleNamespace(remote=remote)


class FakeRay:
    """Attributes: `done`, what references give by now: a value, or an error to raise; `actors`, all made."""

    def __init__(self) -> None:
        self.done: dict[str, object] = {}
        self.actors: list[FakeActor] = []
        self.options: dict[str, object] = {}
        self.killed: list[FakeActor] = []

    def remote(self, **options: object) -> Any:
        self.options = options

        def make(*_: object) -> FakeActor:
            self.actors.append(FakeActor())
            return self.actors[-1]

        return lambda cls: SimpleNamespace(remote=make)

    def wait(self, references: list[str], timeout: float) -> tuple[list[str], list[str]]:
        assert timeout == 0
        return [r for r in references if r in self.done], []

    def get(self, reference: str) -> object:
        found = self.done.pop(reference)
        if isinstance(found, Exception):
            raise found
        return found

    def kill(self, actor: FakeActor) -> None:
        self.killed.append(actor)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    made = FakeRay()
    monkeypatch.setattr(module, "ray", made)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def status(pid: int = 0, node: str = "elsewhere") -> WorkerStatus:
    return WorkerStatus(
        index=3,
        pid=pid,
        node=node,
        state="running",
        turns=1,
        still_s=0.0,
        lag={},
        reached=set(),
        figures=Snapshot(),
    )


def test_a_worker_is_asked_one_thing_at_a_time(ray: FakeRay, clock: list[float]) -> None:
    slot = WorkerSlot(3)
    assert (slot.filled, slot.listen(), slot.ended()) == (False, None, None)
    assert slot.fill("plan", 0.25)
    assert not slot.fill("plan", 0.25)
    assert (ray.options["num_gpus"], ray.options["max_restarts"]) == (0.25, 0)
    assert (slot.listen(), slot.listen()) == (None, None)
    assert ray.actors[0].calls == ["run", "status"]
    clock[0] += 5
    ray.done["status"] = status()
    assert slot.listen() == status() == slot.status
    assert slot.heard == 1005
    assert slot.listen() is None
    slot.send("stop")
    assert ray.actors[0].calls == ["run", "status", "status", "stop"]


def test_a_worker_that_was_asked_to_end_is_no_failure(ray: FakeRay, clock: list[float]) -> None:
    slot = WorkerSlot(3)
    slot.fill("plan", 0)
    ray.done["run"] = Outcome()
    assert slot.ended() == Outcome()
    assert (slot.filled, slot.failures) == (False, 0)


def test_a_worker_that_died_is_told_in_one_line(ray: FakeRay, clock: list[float]) -> None:
    slot = WorkerSlot(3)
    slot.fill("plan", 0)
    ray.done["status"] = ray.done["run"] = RayError("killed\nand a page of stack")
    assert slot.listen() is None
    ray.done["run"] = RayError("killed\nand a page of stack")
    outcome = slot.ended()
    assert outcome is not None
    assert (outcome.code, "\n" in outcome.message) == ("died", False)


def test_replacements_come_at_once_and_then_later_and_later(ray: FakeRay, clock: list[float]) -> None:
    slot, pauses = WorkerSlot(3), []
    for _ in range(12):
        since = clock[0]
        while not slot.fill("plan", 0):
            clock[0] += 0.25
        pauses.append(clock[0] - since)
        ray.done["run"] = Outcome("kafka", "why")
        assert slot.ended() == Outcome("kafka", "why")
    assert pauses[:3] == [0, 0, 0]
    assert pauses[3:] == sorted(pauses[3:])
    assert pauses[3] == 1.0
    assert pauses[-1] == 30.0
    assert slot.failures == 12


def test_a_steady_run_starts_a_new_count(ray: FakeRay, clock: list[float]) -> None:
    slot = WorkerSlot(3)
    for _ in range(4):
        clock[0] += 60
        slot.fill("plan", 0)
        ray.done["run"] = Outcome("died")
        slot.ended()
    assert slot.failures == 4
    clock[0] += 60
    slot.fill("plan", 0)
    clock[0] += 11
    ray.done["run"] = Outcome("died")
    slot.ended()
    assert slot.failures == 1
    assert slot.fill("plan", 0)


def test_a_lost_cluster_is_not_the_workers_failure(ray: FakeRay, clock: list[float]) -> None:
    slot = WorkerSlot(3)
    slot.fill("plan", 0)
    slot.lose()
    assert (slot.filled, slot.failures) == (False, 0)
    assert slot.fill("plan", 0)


@pytest.mark.parametrize("node", [os.uname().nodename, "elsewhere"])
def test_a_worker_that_does_not_hear_is_killed_by_its_process_where_that_is_here(
    ray: FakeRay, clock: list[float], monkeypatch: pytest.MonkeyPatch, node: str
) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *which: killed.append(which))
    slot = WorkerSlot(3)
    slot.kill()
    slot.fill("plan", 0)
    slot.listen()
    ray.done["status"] = status(4321, node)
    slot.listen()
    slot.kill()
    assert ray.killed == ray.actors
    assert killed == ([(4321, signal.SIGKILL)] if node != "elsewhere" else [])
    assert (slot.filled, slot.failures) == (False, 1)
