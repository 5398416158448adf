"""A page for all replicas of a node: whichever is asked, and whoever has ended, no counter goes back."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from foretell.serve.replica import node_figures
from foretell.serve.replica.node_figures import NodeFigures, node_folder
from foretell.telemetry.meter import Meter
from foretell.telemetry.metrics import Kind, Metric

CALLS = Metric("calls_total", Kind.COUNTER, "Calls.", label="model")
DEPTH = Metric("depth", Kind.GAUGE, "Waiting.")
TIME = Metric("time_seconds", Kind.HISTOGRAM, "Time.", bounds=(1.0, 2.0))
TABLE = (CALLS, DEPTH, TIME)


class Replica:
    """Another process, as far as others can tell by its name: it ends when it is told."""

    def __init__(self, folder: Path) -> None:
        self.meter = Meter()
        self._process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        self.name = node_figures._name(self._process.pid)
        self.figures = NodeFigures(folder, self.meter.snapshot, TABLE, self.name)

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(5)


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], Replica]:
    def one() -> Replica:
        replica = Replica(tmp_path)
        request.addfinalizer(replica.end)
        return replica

    return one


def calls(replica: Replica) -> float:
    return replica.figures.sum().value(CALLS, "weather")


def test_whichever_is_asked_tells_of_all(start: Callable[[], Replica]) -> None:
    a, b = start(), start()
    for replica in (a, b):
        replica.meter.add(CALLS, 3, "weather")
        replica.meter.set(DEPTH, 2)
        replica.meter.observe(TIME, [0.5, 5.0])
        replica.figures.share()
    for replica in (a, b):
        told = replica.figures.sum()
        assert told.value(CALLS, "weather") == 6
        assert told.value(DEPTH) == 4
        assert told.buckets(TIME)[""].counts.tolist() == [2, 0, 2]
        assert told.buckets(TIME)[""].sum == 11.0


def test_what_one_has_shown_the_next_knows(start: Callable[[], Replica]) -> None:
    a, b = start(), start()
    shown = 0.0
    for turn in range(20):
        a.meter.add(CALLS, 1, "weather")
        b.meter.add(CALLS, 1, "weather")
        now = calls((a, b)[turn % 2])
        assert now > shown, "although the other did not share what it counted"
        shown = now


def test_what_the_ended_counted_stays_and_their_gauges_go(start: Callable[[], Replica]) -> None:
    a, b = start(), start()
    for _ in range(3):
        c = start()
        c.meter.add(CALLS, 5, "weather")
        c.meter.set(DEPTH, 7)
        c.meter.observe(TIME, [1.5])
        c.figures.share()
        c.end()
        before = a.figures.sum()
        start()  # puts the ended together
        told = b.figures.sum()
        assert told.value(CALLS, "weather") == before.value(CALLS, "weather")
        assert told.value(DEPTH) == 0
    assert told.value(CALLS, "weather") == 15
    assert told.buckets(TIME)[""].counts.tolist() == [0, 3, 0]


def test_one_that_was_put_together_halfway_is_not_counted_twice(
    start: Callable[[], Replica], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = start(), start()
    b.meter.add(CALLS, 5, "weather")
    b.figures.share()
    b.end()
    kept = (tmp_path / b.name).read_bytes()
    start()
    (tmp_path / b.name).write_bytes(kept)  # the one who did it died before the file was gone
    assert calls(a) == 5
    start()
    assert not (tmp_path / b.name).exists()
    assert calls(a) == 5


def test_replicas_that_come_and_go_while_it_is_asked(start: Callable[[], Replica]) -> None:
    a, over, seen = start(), threading.Event(), [0.0]

    def ask() -> None:
        while not over.is_set():
            seen.append(calls(a))

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(5):
        one = start()
        one.meter.add(CALLS, 1, "weather")
        one.figures.share()
        one.end()
    over.set()
    asking.join(5)
    assert seen == sorted(seen)
    assert calls(a) == 5


def test_a_process_with_the_number_of_an_ended_one_is_another() -> None:
    assert node_figures._alive(node_figures._name(os.getpid()))
    assert not node_figures._alive(f"{os.getpid()}.1")
    assert not node_figures._alive("ended")


def test_folders_of_fleets_that_are_gone_are_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    old, new = node_folder("a" * 56, top), node_folder("b" * 56, top)
    (old / "1.1").touch()
    os.utime(old, (0, 0))
    (new / "1.1").touch()
    mine = node_folder("c" * 56, top)
    (mine / node_figures._name(os.getpid())).touch()
    os.utime(mine, (0, 0))
    assert node_folder("c" * 56, top) == mine
    assert {folder.name for folder in top.iterdir()} == {"b" * 16, "c" * 16}


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir(mode=0o777)
    top.chmod(0o777)
    with pytest.raises(PermissionError):
        node_folder("a" * 56, top)


def test_a_folder_that_was_cleaned_away_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "top" / "node"
    folder.mkdir(parents=True)
    figures = NodeFigures(folder, Meter().snapshot, TABLE)
    shutil.rmtree(tmp_path / "top")
    assert figures.sum().total(CALLS) == 0
    assert folder.parent.stat().st_mode & 0o077 == 0


def test_it_is_cheap_enough_for_each_second(start: Callable[[], Replica]) -> None:
    a = start()
    for i in range(500):
        a.meter.add(CALLS, 1, str(i))
    began = time.monotonic()
    for _ in range(10):
        a.figures.share()
    assert time.monotonic() - began < 1.0
