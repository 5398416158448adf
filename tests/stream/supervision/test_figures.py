"""What workers tell, added up: health, trouble, and words that are said once. The clock is played."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from foretell.stream.messages.blocks import Place
from foretell.stream.supervision import figures as module
from foretell.stream.supervision.figures import Figures
from foretell.stream.worker.worker import WorkerStatus
from foretell.telemetry import metrics
from foretell.telemetry.meter import Meter

STALL = 10.0
ROWS = ("rows", 0)


@dataclass
class Slot:
    """Stands for a `WorkerSlot`."""

    index: int = 0
    filled: bool = True
    status: WorkerStatus | None = None
    heard: float = 0.0


class Played:
    """Figures, a clock, and workers that tell what a test has them tell."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.figures: Figures
        self.meters: dict[int, Meter] = {}

    def tell(self, slot: Any, turns: int, waiting: int, still_s: float = 0.0, **words: Any) -> None:
        """`waiting`: rows of its only partition."""
        lag: dict[Place, int] = {("rows", slot.index): waiting}
        meter = self.meters.setdefault(slot.index, Meter())
        slot.status = WorkerStatus(
            index=slot.index,
            pid=1,
            node="here",
            state="running",
            turns=turns,
            still_s=still_s,
            lag=lag,
            reached=set(),
            figures=meter.snapshot(),
            **words,
        )
        slot.heard = self.now
        self.figures.take(slot.status)

    def note(self, *slots: Any, broker: bool = True) -> str:
        """What is wrong; the health is bad where there is something."""
        status = self.figures.status(slots, broker)
        assert status.healthy is not bool(status.note)
        return status.note


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    made = Played()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: made.now))
    made.figures = Figures(STALL)
    return made


@pytest.fixture
def slot() -> Any:
    return Slot()


def test_a_worker_that_commits_is_well_and_so_is_one_without_lag(played: Played, slot: Any) -> None:
    for i in range(100):
        played.now += 1
        played.tell(slot, turns=i, waiting=1_000_000)
        assert (played.figures.trouble(slot), played.note(slot)) == (None, "")
    for _ in range(100):
        played.now += 1
        played.tell(slot, turns=99, waiting=0)
        assert (played.figures.trouble(slot), played.note(slot)) == (None, "")


def test_a_worker_that_commits_nothing_while_rows_wait_is_in_trouble(played: Played, slot: Any) -> None:
    played.tell(slot, turns=5, waiting=0)
    for waited in range(1, 15):
        played.now += 1
        played.tell(slot, turns=5, waiting=70 + waited)
        if waited <= STALL:
            assert played.figures.trouble(slot) is None
    assert played.figures.trouble(slot) == "has committed nothing for 14 s, while 84 rows wait"
    assert played.note(slot) == "worker 0 stands still"
    played.figures.replaced(slot, "stalled")
    played.tell(slot, turns=0, waiting=84)  # the replacement has its own time
    assert played.figures.trouble(slot) is None


def test_a_worker_that_is_silent_is_in_trouble(played: Played, slot: Any) -> None:
    played.tell(slot, turns=1, waiting=0)
    played.now += 6
    assert played.figures.trouble(slot) is None
    assert played.note(slot) == "waiting for worker 0"
    played.now += 5
    assert played.figures.trouble(slot) == "has not answered for 11 s"


def test_a_worker_that_does_not_come_up_is_in_trouble(played: Played, slot: Any) -> None:
    slot.heard = played.now
    played.now += STALL + 59
    assert played.figures.trouble(slot) is None
    assert played.note(slot) == "waiting for worker 0"
    played.now += 2
    assert played.figures.trouble(slot) == "has not come up"


def test_a_loop_that_does_not_come_round_is_in_trouble_though_its_worker_answers(
    played: Played, slot: Any
) -> None:
    played.tell(slot, turns=1, waiting=0, still_s=STALL + 239)
    assert played.figures.trouble(slot) is None  # it may be restoring a million series
    played.tell(slot, turns=1, waiting=0, still_s=STALL + 241)
    assert played.figures.trouble(slot) == "has been busy with one block for 251 s"


def test_an_empty_slot_is_waited_for_and_in_no_trouble(played: Played) -> None:
    slots: list[Any] = [Slot(0), Slot(1, filled=False), Slot(2, filled=False)]
    played.tell(slots[0], turns=1, waiting=0)
    assert played.figures.trouble(slots[1]) is None
    status = played.figures.status(slots, True)
    assert (status.workers, status.wanted, status.healthy) == (1, 3, False)
    assert status.note == "waiting for worker 1, 2"


def test_a_broker_that_is_away_comes_before_all_else(played: Played, slot: Any) -> None:
    assert played.note(slot, broker=False) == "Kafka does not answer"


def test_partitions_that_nobody_reads_are_no_health(played: Played) -> None:
    slots: list[Any] = [Slot(0), Slot(1)]
    played.figures.places = {("rows", 0), ("rows", 1), ("rows", 2)}
    for _ in range(11):
        for i, slot in enumerate(slots):
            played.tell(slot, turns=1, waiting=0)
            assert slot.index == i
        assert played.note(*slots) == ""  # a rebalance takes its time
        played.now += 1
    for slot in slots:
        played.tell(slot, turns=1, waiting=0)
    assert played.note(*slots) == "no worker reads rows/2"


def test_figures_are_added_up_and_none_is_lost_with_its_worker(played: Played) -> None:
    slots: list[Any] = [Slot(0), Slot(1)]
    for slot in slots:
        played.tell(slot, turns=0, waiting=0)
        played.meters[slot.index].add(metrics.ROWS, 10)
        played.meters[slot.index].set(metrics.SERIES, 3)
        played.tell(slot, turns=1, waiting=0)
    figures = played.figures.status(slots, True).figures
    assert (figures.value(metrics.ROWS), figures.value(metrics.SERIES)) == (20, 6)
    assert figures.value(metrics.WORKERS) == 2
    played.figures.replaced(slots[0], "died")
    del played.meters[0]
    played.tell(slots[0], turns=0, waiting=0)
    played.meters[0].add(metrics.ROWS, 1)
    played.tell(slots[0], turns=1, waiting=0)
    figures = played.figures.status(slots, True).figures
    assert figures.value(metrics.ROWS) == 21
    assert figures.by_label(metrics.RESTARTS) == {"died": 1}


Lines = Callable[[], list[str]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    return lambda: [record.getMessage() for record in caplog.records]


def test_notices_are_told_once_whoever_has_them(played: Played, lines: Lines) -> None:
    for i in range(3):
        played.tell(Slot(i), turns=0, waiting=0, notices=["is the unit right?", f"only {i}"])
    assert lines() == ["is the unit right?", "only 0", "only 1", "only 2"]


def test_a_series_in_two_partitions_is_told_once_with_the_cure(played: Played, lines: Lines) -> None:
    played.tell(Slot(0), turns=0, waiting=0, fresh=[("a", 0), ("b", 1), ("a", 0)])
    assert lines() == []
    played.tell(Slot(1), turns=0, waiting=0, fresh=[("b", 2), ("a", 3)])
    played.tell(Slot(1), turns=0, waiting=0, fresh=[("c", 2), ("c", 3)])
    assert lines() == [
        "series b turns up in two partitions, so neither of its windows is whole: key the producer by "
        "series, or set stream.repartition: true"
    ]


def test_a_series_that_moved_with_its_partition_is_not_shared(played: Played, lines: Lines) -> None:
    played.tell(Slot(0), turns=0, waiting=0, fresh=[("a", 1)])
    played.tell(Slot(1), turns=0, waiting=0, fresh=[("a", 1)])
    assert lines() == []


def test_names_of_series_are_not_kept_without_end(
    played: Played, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KNOWN_SERIES", 2)
    played.tell(Slot(0), turns=0, waiting=0, fresh=[("a", 0), ("b", 0), ("c", 0), ("c", 1)])
    assert lines() == []
