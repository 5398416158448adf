"""Order, ageing, shares, and what is shed."""

import math
import time

import hypothesis.strategies as st
from hypothesis import given

from foretell.config import BatchSettings
from foretell.serve.backend import Priority
from foretell.serve.scheduler.queue import Queue
from foretell.serve.scheduler.work import Job, Work

LOW, MEDIUM, HIGH = Priority


def job(rows: int = 1, priority: Priority = LOW, deadline: float = math.inf) -> Job:
    return Job.of(Work(rows, 0.0, priority, deadline))


def drain(queue: Queue) -> list[Job]:
    """Whole jobs, in the order in which they are taken."""
    order = []
    while (head := queue.head()) is not None:
        queue.take(head, head.rows - head.taken)
        order.append(head)
    return order


classes = st.sampled_from(Priority)
deadlines = st.sampled_from([1.0, 2.0, 5.0, 100.0, math.inf])


@given(st.lists(st.tuples(classes, deadlines), max_size=40))
def test_class_then_deadline_then_arrival(asked: list[tuple[Priority, float]]) -> None:
    queue = Queue(BatchSettings(ageing=1e9))
    jobs = [job(1, priority, deadline) for priority, deadline in asked]
    for each in jobs:
        queue.put(each, 0.0)
    assert drain(queue) == sorted(jobs, key=lambda j: (-j.priority, j.deadline, j.order))
    assert (queue.jobs, queue.rows, queue.load) == (0, 0, 0)


@given(st.lists(st.tuples(classes, deadlines), max_size=40))
def test_first_come_is_arrival_alone(asked: list[tuple[Priority, float]]) -> None:
    queue = Queue(BatchSettings(order="first_come", ageing=0.001))
    jobs = [job(1, priority, deadline) for priority, deadline in asked]
    for at, each in enumerate(jobs):
        queue.put(each, float(at))
        queue.age(float(at))
    assert drain(queue) == jobs


def test_weighted_gives_each_class_its_share_of_rows() -> None:
    queue = Queue(BatchSettings(order="weighted", shares=(1, 4, 16), ageing=1e9))
    for priority in Priority:
        for _ in range(300):
            queue.put(job(2, priority), 0.0)
    served = dict.fromkeys(Priority, 0)
    for _ in range(210):
        head = queue.head()
        assert head is not None
        queue.take(head, 2)
        served[head.priority] += 1
    assert [round(served[p], -1) for p in Priority] == [10, 40, 160]


def test_a_class_that_was_empty_has_saved_nothing_up() -> None:
    queue = Queue(BatchSettings(order="weighted", shares=(1, 1, 1), ageing=1e9))
    for _ in range(100):
        queue.put(job(1, HIGH), 0.0)
    for _ in range(50):
        queue.take(queue.head() or job(), 1)
    for _ in range(50):
        queue.put(job(1, LOW), 0.0)
    firsts = [each.priority for each in drain(queue)[:20]]
    assert 9 <= firsts.count(LOW) <= 11


def test_a_job_rises_by_a_class_with_each_ageing() -> None:
    queue = Queue(BatchSettings(ageing=2.0))
    old = job(1, LOW)
    queue.put(old, 0.0)
    for now, level in ((1.9, 0), (2.0, 1), (3.9, 1), (4.1, 2)):
        queue.age(now)
        assert old.level == level
    newcomer = job(1, MEDIUM)
    queue.put(newcomer, 4.1)
    assert drain(queue) == [old, newcomer]


def test_a_long_pause_is_made_up_for_at_once() -> None:
    queue = Queue(BatchSettings(ageing=2.0))
    old = job(1, LOW)
    queue.put(old, 0.0)
    queue.age(60.0)
    assert old.level == 3


def test_the_overdue_get_one_row_in_nine_and_no_more() -> None:
    queue = Queue(BatchSettings(ageing=1.0, max_batch_size=4))
    olds = [job(1, LOW) for _ in range(20)]
    for each in olds:
        queue.put(each, 0.0)
    queue.age(10.0)
    for _ in range(180):
        queue.put(job(1, HIGH, deadline=99.0), 10.0)
    order = [each.priority for each in drain(queue)]
    assert 19 <= order[:180].count(LOW) <= 20
    assert all(order[i : i + 9].count(LOW) <= 2 for i in range(100))


def test_the_longest_waiting_of_the_overdue_comes_first() -> None:
    queue = Queue(BatchSettings(ageing=1.0, max_batch_size=4))
    first, hasty = job(1, LOW), job(1, LOW, deadline=50.0)
    queue.put(first, 0.0)
    queue.put(hasty, 0.5)
    queue.age(10.0)
    for _ in range(30):
        queue.put(job(1, HIGH, deadline=20.0), 10.0)
    order = drain(queue)
    assert order.index(first) < order.index(hasty) < 20


@given(st.lists(st.tuples(classes, deadlines), max_size=30))
def test_the_worst_first(asked: list[tuple[Priority, float]]) -> None:
    queue = Queue(BatchSettings())
    jobs = [job(1, priority, deadline) for priority, deadline in asked]
    for each in jobs:
        queue.put(each, 0.0)
    expected = sorted(jobs, key=lambda j: (j.priority, -j.deadline, -j.order))
    assert list(queue.worst_first()) == expected


def test_who_is_under_way_is_not_shed() -> None:
    queue = Queue(BatchSettings())
    begun, other = job(4), job(4)
    queue.put(begun, 0.0)
    queue.put(other, 0.0)
    queue.take(begun, 2)
    assert list(queue.worst_first()) == [other]


def test_a_job_that_becomes_more_urgent_takes_its_new_place() -> None:
    queue = Queue(BatchSettings())
    plain, hurried = job(1, MEDIUM), job(1, LOW)
    queue.put(plain, 0.0)
    queue.put(hurried, 0.0)
    queue.hurry(hurried, HIGH, 5.0, 0.0)
    assert queue.ahead(HIGH, 6.0, 0.0) == 1
    assert drain(queue) == [hurried, plain]


@given(st.lists(st.tuples(classes, deadlines, st.integers(1, 5)), max_size=30), classes, deadlines)
def test_what_lies_ahead_is_what_would_be_served_first(
    asked: list[tuple[Priority, float, int]], priority: Priority, deadline: float
) -> None:
    queue = Queue(BatchSettings(ageing=1e9))
    jobs = [job(rows, p, d) for p, d, rows in asked]
    for each in jobs:
        queue.put(each, 0.0)
    finite = min(deadline, 100.0)
    ahead = sum(j.rows for j in jobs if (-j.priority, j.deadline) <= (-priority, finite))
    assert queue.ahead(priority, finite, 0.0) == ahead


def test_jobs_that_left_do_not_stay_in_memory() -> None:
    queue = Queue(BatchSettings())
    for i in range(5000):
        each = job(1, HIGH, deadline=1e6)
        queue.put(each, i * 1e-4)
        if i % 2:
            queue.take(queue.head() or each, 1)
            queue.remove(queue.head() or each) if queue.jobs else None
    assert max(len(heap._entries) for heap in queue._heaps()) < 300


def test_a_decision_costs_the_same_with_ten_thousand_waiting() -> None:
    """Of a linear step among 10,000 the ratio would be in the hundreds."""

    def seconds(waiting: int) -> float:
        queue = Queue(BatchSettings(max_queue_rows=20_000))
        for i in range(waiting):
            queue.put(job(1, Priority(i % 3), deadline=50.0 + i), 0.0)
        best = math.inf
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(100):
                queue.put(job(1, HIGH, deadline=40.0), 0.0)
                queue.ahead(HIGH, 45.0, 0.0)
                queue.take(queue.head() or job(), 1)
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(10_000) < 20 * seconds(10)
