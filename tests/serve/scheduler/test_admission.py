"""Room for those who push others out is kept before they come."""

import math

import pytest

from foretell.config import BatchSettings
from foretell.serve.backend import Priority
from foretell.serve.scheduler.cost import CostModel
from foretell.serve.scheduler.scheduler import Scheduler
from foretell.serve.scheduler.work import Batch, Work

MAX_QUEUE = 80


def made() -> Scheduler:
    cost = CostModel(8)
    cost.seed({1: 0.02, 8: 0.09})
    return Scheduler(BatchSettings(max_batch_size=8, max_queue_rows=MAX_QUEUE), cost)


def fill(scheduler: Scheduler, now: float) -> None:
    """With low ones, as long as they had better come."""
    while not scheduler.full:
        assert scheduler.offer(Work(1, now), now) is None


def evaluate(scheduler: Scheduler, now: float) -> None:
    batch = scheduler.next(now)
    assert isinstance(batch, Batch)
    scheduler.finished(batch, 0.09, now + 0.09)


def test_without_urgent_ones_all_of_the_queue_is_there() -> None:
    scheduler = made()
    fill(scheduler, 0.0)
    assert scheduler.rows == MAX_QUEUE
    assert "of them" not in scheduler.shed().message


def test_room_is_kept_for_as_many_as_pushed_others_out() -> None:
    scheduler = made()
    fill(scheduler, 0.0)
    for _ in range(4):
        assert scheduler.offer(Work(1, 0.0, Priority.HIGH), 0.0) is None
    assert len(scheduler.refused()) == 4
    evaluate(scheduler, 0.0)
    fill(scheduler, 1.0)
    assert MAX_QUEUE - 4 <= scheduler.rows < MAX_QUEUE
    assert "4 of them for higher priorities" in scheduler.shed().message
    for _ in range(2):
        assert scheduler.offer(Work(1, 1.0, Priority.HIGH), 1.0) is None
    assert not scheduler.refused(), "nobody was taken in to be pushed out"


@pytest.mark.parametrize(("priority", "deadline"), [(Priority.MEDIUM, math.inf), (Priority.LOW, 60.0)])
def test_it_is_kept_from_the_lowest_alone(priority: Priority, deadline: float) -> None:
    """Whichever door it comes by: one that is not asked first would take what the others leave."""
    scheduler = made()
    fill(scheduler, 0.0)
    for _ in range(4):
        scheduler.offer(Work(1, 0.0, Priority.HIGH), 0.0)
    evaluate(scheduler, 0.0)
    fill(scheduler, 1.0)
    refusal = scheduler.offer(Work(1, 1.0), 1.0)
    assert refusal is not None
    assert refusal.reason == "shed"
    while scheduler.rows < MAX_QUEUE:
        assert scheduler.offer(Work(1, 1.0, priority, deadline), 1.0) is None


def test_no_room_is_kept_from_equals() -> None:
    """One of the lowest class pushes another out where it has a deadline: that is no higher class."""
    scheduler = made()
    fill(scheduler, 0.0)
    for _ in range(8):
        assert scheduler.offer(Work(1, 0.0, deadline=60.0), 0.0) is None
    assert len(scheduler.refused()) == 8
    evaluate(scheduler, 0.0)
    fill(scheduler, 1.0)
    assert scheduler.rows == MAX_QUEUE


def test_no_more_than_a_part_is_kept_and_it_is_given_back() -> None:
    scheduler = made()
    fill(scheduler, 0.0)
    for _ in range(MAX_QUEUE // 2):
        scheduler.offer(Work(1, 0.0, Priority.HIGH), 0.0)
    evaluate(scheduler, 0.0)
    fill(scheduler, 1.0)
    assert scheduler.rows >= MAX_QUEUE * 7 // 8
    for turn in range(200):
        evaluate(scheduler, 2.0 + turn)
        fill(scheduler, 2.0 + turn)
    assert scheduler.rows == MAX_QUEUE
