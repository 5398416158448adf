"""What the supervisor makes of workers that end, and of a start that comes to nothing. Ray is not started."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foretell.config import Settings
from foretell.errors import BrokerUnreachable, ConfigError, EngineError, Fenced, ForetellError, RayUnreachable
from foretell.stream.supervision import supervisor as module
from foretell.stream.supervision.actor import Outcome
from foretell.stream.supervision.supervisor import Supervisor

MakeSupervisor = Callable[..., Supervisor]


@pytest.fixture
def make(weather: Path, closed: int) -> MakeSupervisor:
    """A supervisor of two workers whose Kafka and Ray are not there."""

    def supervisor(**parts: dict[str, object]) -> Supervisor:
        usual: dict[str, dict[str, object]] = {
            "kafka": {"bootstrap_servers": f"127.0.0.1:{closed}"},
            "ray": {"head_address": f"127.0.0.1:{closed}"},
            "stream": {"group": "g", "num_actors": 2, "wait": 0.3, "port": 0},
        }
        merged = {part: usual.get(part, {}) | parts.get(part, {}) for part in {**usual, **parts}}
        return Supervisor(Settings.model_validate(merged), weather)

    return supervisor


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"stream": {"forecast": {"x": "$nope"}}}, "no placeholder"),
        ({"windows": {"every": "7m"}}, "windows.every"),
        ({"rows": {"series": "temperature"}}, "wanted twice"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_asked(
    make: MakeSupervisor, parts: dict[str, dict[str, object]], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**parts)


def test_a_model_that_forecasts_nothing_is_refused_at_once(features_bundle: Path) -> None:
    with pytest.raises(ConfigError, match="no forecast of a target"):
        Supervisor(Settings(), features_bundle)


def test_no_kafka(make: MakeSupervisor) -> None:
    supervisor = make()
    with pytest.raises(BrokerUnreachable, match="nobody answers"):
        supervisor.start()
    supervisor.stop()


def test_no_ray_leaves_nothing_open(make: MakeSupervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "provision", lambda settings, deadline: 4)
    supervisor = make()
    before = {thread.name for thread in threading.enumerate()}
    with pytest.raises(RayUnreachable, match="tried"):
        supervisor.start()
    assert {thread.name for thread in threading.enumerate()} <= before
    with socket.socket() as again:
        again.bind(("127.0.0.1", supervisor.port))
    supervisor.stop()


def test_a_port_that_is_taken(make: MakeSupervisor, closed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "provision", lambda settings, deadline: 4)
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{closed}"):
        make(stream={"port": closed}).start()


class Slot:
    """A slot whose worker ends each time with the next of `outcomes`; after them it goes on for ever."""

    def __init__(self, index: int, outcomes: list[Outcome]) -> None:
        self.index, self._outcomes = index, outcomes
        self.filled, self.failures, self.fills, self.killed = False, 0, 0, 0
        self.status, self.heard = None, 0.0
        self.orders: list[tuple[object, ...]] = []

    def fill(self, plan: object, share: float) -> bool:
        if self.filled:
            return False
        self.fills += 1
        self.filled = True
        self.heard = time.monotonic()
        return True

    def ended(self) -> Outcome | None:
        if not self.filled or not self._outcomes:
            return None
        self.filled = False
        self.failures += 1
        return self._outcomes.pop(0)

    def listen(self) -> None:
        return None

    def send(self, *order: object) -> None:
        self.orders.append(order)
        if order[0] == "stop":
            self.filled = False

    def kill(self) -> None:
        self.killed += 1
        self.filled = False

    def lose(self) -> None:
        self.filled = False


class Cluster:
    """A Ray that is there."""

    own, address = True, "nowhere"

    def __init__(self, *_: object) -> None:
        self.closed = 0

    def connect(self, deadline: float) -> None:
        """At once."""

    def alive(self) -> bool:
        return True

    def close(self) -> None:
        self.closed += 1


class Probe:
    """A broker that answers."""

    answers = True

    def __init__(self, *_: object) -> None:
        """Nothing to ask."""

    def close(self) -> None:
        """Nothing to end."""


Run = Callable[..., tuple[Supervisor, Any]]


@pytest.fixture
def run(make: MakeSupervisor, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A supervisor at work, whose first worker ends in the ways that it is told."""
    monkeypatch.setattr(module, "provision", lambda settings, deadline: 4)
    monkeypatch.setattr(module, "Cluster", Cluster)
    monkeypatch.setattr(module, "BrokerProbe", Probe)
    monkeypatch.setattr(module, "_LOOK_S", 0.002)
    monkeypatch.setattr(module.Supervisor, "_make_plan", lambda self: None)
    started: list[Supervisor] = []

    def start(*outcomes: Outcome) -> tuple[Supervisor, Any]:
        supervisor = make()
        first = Slot(0, list(outcomes))
        supervisor._slots = [first, Slot(1, [])]  # type: ignore[list-item]
        started.append(supervisor)
        supervisor.start()
        return supervisor, first

    yield start
    for supervisor in started:
        supervisor.stop()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_workers_that_die_are_replaced_however_often(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="foretell")
    supervisor, slot = run(*[Outcome("died", "killed")] * 7, *[Outcome("kafka", "away")] * 7)
    until(lambda: slot.fills == 15)
    assert not supervisor.finished.is_set()
    supervisor.stop()
    assert supervisor.error is None
    assert supervisor.finished.is_set()
    told = [record.getMessage() for record in caplog.records]
    assert (
        told
        == ["worker 0 ended (killed); it is replaced"] * 7 + ["worker 0 ended (away); it is replaced"] * 7
    )
    assert slot.orders[-1] == ("stop",)


def test_a_worker_that_is_fenced_now_and_then_is_replaced(run: Run) -> None:
    supervisor, slot = run(*[Outcome("fenced", "another")] * 4)
    until(lambda: slot.fills == 5)
    assert not supervisor.finished.is_set()


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("fenced", Fenced, "another `foretell stream` runs as group g"),
        ("engine", EngineError, "out of memory"),
        ("input", ForetellError, "out of memory"),
    ],
)
def test_what_no_replacement_mends_ends_the_stream(
    run: Run, code: str, kind: type[ForetellError], said: str
) -> None:
    supervisor, slot = run(*[Outcome(code, "out of memory")] * 9)
    assert supervisor.finished.wait(5)
    assert isinstance(supervisor.error, kind)
    assert said in supervisor.error.message
    assert slot.fills == 5
    assert supervisor._cluster.closed == 1  # type: ignore[attr-defined]


def test_a_bug_of_ours_ends_the_stream_in_a_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise KeyError("odd")

    monkeypatch.setattr(module.Supervisor, "_look", fail)
    supervisor, _ = run()
    assert supervisor.finished.wait(5)
    assert supervisor.error is not None
    assert supervisor.error.message == "the supervisor failed: KeyError: 'odd'"


def test_to_be_stopped_twice_or_before_the_start_does_no_harm(run: Run, make: MakeSupervisor) -> None:
    make().stop()
    supervisor, _ = run()
    supervisor.stop()
    supervisor.stop()
    assert supervisor.finished.is_set()
