"""Nothing is lost, nothing is answered twice, and everybody gets the answer to his own question."""

import math
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from foretell.config import BatchSettings
from foretell.serve.backend import Priority, Refusal
from foretell.serve.scheduler.cost import CostModel
from foretell.serve.scheduler.scheduler import Scheduler, Wait
from foretell.serve.scheduler.work import Batch, State, Work

MAX_BATCH, MAX_QUEUE = 8, 20
PER_ROW = 0.01


def urgency(work: Work) -> tuple[float, ...]:
    return (-work.priority, work.deadline, work.arrived)


def made(order: str = "strict", *, ageing: float = 1e9, **more: Any) -> Scheduler:
    """The cost of a batch is 10 ms and 10 ms a row."""
    batch = BatchSettings.model_validate(
        {
            "max_batch_size": MAX_BATCH,
            "max_queue_rows": MAX_QUEUE,
            "order": order,
            "ageing": ageing,
            "batch_wait_timeout_s": 0.0,
            **more,
        }
    )
    cost = CostModel(MAX_BATCH)
    cost.seed({rows: PER_ROW * (1 + rows) for rows in cost.shapes})
    return Scheduler(batch, cost)


class Callers(RuleBasedStateMachine):
    """Callers come, go and are answered in any order; beside the scheduler stands a plain list of works."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = made()
        self.now = 100.0
        self.live: list[Work] = []
        self.batch: Batch | None = None
        self.computed: dict[int, list[tuple[int, int]]] = {}
        self.ended: dict[Work, str] = {}

    @rule(
        rows=st.integers(1, 12),
        priority=st.sampled_from(Priority),
        patience=st.sampled_from([0.02, 0.1, 0.5, math.inf]),
        content=st.sampled_from([None, None, "a", "b"]),
    )
    def offer(self, rows: int, priority: Priority, patience: float, content: str | None) -> None:
        if content:
            rows = 3  # equal content is of equal size
        self.now += 1e-6
        work = Work(
            rows, self.now, priority, self.now + patience, content=content, payload=content or object()
        )
        work.caller = work.payload
        before = list(self.live)
        refusal = self.scheduler.offer(work, self.now)
        shed = self.take_refused()
        if refusal:
            assert work.state is State.REFUSED
            self.ended[work] = refusal.reason
            assert not [w for w in shed if self.ended[w] == "shed"], "somebody was shed for nothing"
        else:
            self.live.append(work)
        victims = [w for w in shed if self.ended[w] == "shed"]
        for victim in victims:
            assert victim.job is not None
            worst = max(map(urgency, victim.job.works or [victim]))
            assert worst > urgency(work), "who is shed is worse than the newcomer"
        self.check_victims(victims, before)

    def check_victims(self, victims: list[Work], before: list[Work]) -> None:
        """Whoever stays, and could have been shed, is no worse than any who was."""
        kept = [w for w in before if w in self.live and w.job and w.job.waiting and not w.job.taken]
        for victim in victims:
            assert victim.job is not None
            badness = (victim.job.priority, -victim.job.deadline)
            assert all((w.job.priority, -w.job.deadline) >= badness for w in kept if w.job)

    @rule(seconds=st.sampled_from([0.001, 0.03, 0.2, 2.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.scheduler.expire(self.now)
        for work in self.take_refused():
            assert self.ended[work] == "deadline_passed"
            assert work.deadline <= self.now
        assert all(w.deadline > self.now for w in self.live)

    @precondition(lambda self: self.batch is None)
    @rule()
    def take(self) -> None:
        waiting = [w for w in self.live if w.job and w.job.waiting]
        step = self.scheduler.next(self.now)
        dropped = self.take_refused()
        assert all(self.ended[w] in ("deadline_unreachable", "deadline_passed") for w in dropped)
        assert not isinstance(step, Wait), "with a wait of 0 every batch is taken at once"
        if step is None:
            assert not [w for w in waiting if w in self.live]
            return
        assert 1 <= step.rows <= MAX_BATCH
        self.batch = step
        for piece in step.pieces:
            assert piece.job.works, "computed for nobody"
            assert piece.start < piece.stop <= piece.job.rows
            self.computed.setdefault(id(piece.job), []).append((piece.start, piece.stop))
        taken = [piece.job for piece in step.pieces]
        left = [w.job for w in waiting if w in self.live and w.job and w.job.waiting and w.job not in taken]
        for job in left:
            worst = max((-t.priority, t.deadline, t.order) for t in taken)
            assert (-job.priority, job.deadline, job.order) > worst, "a more urgent one was left behind"

    @precondition(lambda self: self.batch is not None)
    @rule(seconds=st.sampled_from([0.01, 0.05, 0.5]))
    def finish(self, seconds: float) -> None:
        assert self.batch is not None
        self.now += seconds
        for piece in self.batch.pieces:
            piece.job.results.append((piece.start, piece.stop, piece.job.payload))
        for job in self.scheduler.finished(self.batch, seconds, self.now):
            ends = [0, *(stop for _, stop, _ in job.results)]
            assert [start for start, _, _ in job.results] == ends[:-1], "rows in order, each once"
            assert ends[-1] == job.rows
            for work in job.works:
                assert work not in self.ended, "answered twice"
                assert all(question == work.caller for _, _, question in job.results), "another's answer"
                self.ended[work] = "answered"
                self.live.remove(work)
        self.take_refused()
        self.batch = None

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        work = data.draw(st.sampled_from(self.live))
        self.scheduler.cancel(work)
        self.scheduler.cancel(work)
        assert work.state is State.CANCELLED
        self.live.remove(work)
        self.ended[work] = "cancelled"

    @invariant()
    def counts_agree(self) -> None:
        jobs = {id(w.job): w.job for w in self.live if w.job and w.job.waiting}
        assert self.scheduler.rows == sum(job.rows - job.taken for job in jobs.values())
        assert sum(self.scheduler.waiting.values()) == len(self.live)
        assert self.scheduler.rows <= MAX_QUEUE

    def teardown(self) -> None:
        while self.live:
            if self.batch is None:
                self.take()
            if self.batch is not None:
                self.finish(0.01)
        assert self.scheduler.rows == 0
        assert not any(self.scheduler.waiting.values())

    def take_refused(self) -> list[Work]:
        refused = self.scheduler.refused()
        for work, refusal in refused:
            assert work not in self.ended, "refused after its end"
            assert work.state is State.REFUSED
            self.ended[work] = refusal.reason
            self.live.remove(work)
        return [work for work, _ in refused]


Callers.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, suppress_health_check=list(HealthCheck)
)
# The timeout is for the search of a small example where it fails.
TestCallers = pytest.mark.timeout(120)(Callers.TestCase)


def run(scheduler: Scheduler, batch: Batch, now: float) -> float:
    """Evaluates the batch at the cost that was foreseen; gives the time after it."""
    seconds = scheduler.cost.seconds(batch.load)
    scheduler.finished(batch, seconds, now + seconds)
    return now + seconds


def taken(scheduler: Scheduler, now: float) -> Batch:
    batch = scheduler.next(now)
    assert isinstance(batch, Batch)
    return batch


def test_an_idle_server_never_waits() -> None:
    scheduler = made(batch_wait_timeout_s=1.0)
    now = 0.0
    for _ in range(200):
        assert scheduler.offer(Work(1, now), now) is None
        now = run(scheduler, taken(scheduler, now), now) + 0.001  # one connection: the next after the answer


def test_in_a_burst_an_engine_with_a_large_fixed_cost_waits_for_more() -> None:
    scheduler = made(batch_wait_timeout_s=0.1)
    scheduler.cost.seed(dict.fromkeys(scheduler.cost.shapes, 0.02))
    now = 0.0
    for _ in range(100):
        now += 0.001
        scheduler.offer(Work(1, now), now)
        if scheduler.rows >= MAX_BATCH:
            run(scheduler, taken(scheduler, now), now)
    while scheduler.rows:
        run(scheduler, taken(scheduler, now + 1), now)
    for _ in range(MAX_BATCH - 1):
        now += 0.001
        scheduler.offer(Work(1, now), now)
        step = scheduler.next(now)
        assert isinstance(step, Wait)
        assert now < step.until <= now + 0.1
    scheduler.offer(Work(1, now), now)
    assert taken(scheduler, now).rows == MAX_BATCH


def test_a_wait_ends_before_a_deadline_would_break() -> None:
    scheduler = made(batch_wait_timeout_s=10.0)
    scheduler.cost.seed(dict.fromkeys(scheduler.cost.shapes, 0.02))
    now = 0.0
    for _ in range(100):
        now += 0.001
        scheduler.offer(Work(1, now), now)
        scheduler.cancel(next(iter(scheduler._works)))
    scheduler.offer(Work(1, now, deadline=now + 0.0245), now)
    step = scheduler.next(now)
    assert isinstance(step, Batch) or step is not None
    assert isinstance(step, Batch) or step.until <= now + 0.0045


def test_a_large_request_is_split_and_an_urgent_one_goes_between() -> None:
    scheduler = made()
    large, urgent = Work(2 * MAX_BATCH + 1, 0.0), Work(1, 0.01, Priority.HIGH)
    scheduler.offer(large, 0.0)
    first = taken(scheduler, 0.0)
    scheduler.offer(urgent, 0.01)
    now = run(scheduler, first, 0.0)
    second = taken(scheduler, now)
    assert second.pieces[0].job is urgent.job
    now = run(scheduler, second, now)
    assert urgent.state is State.ANSWERED
    while scheduler.rows:
        assert large.state is State.WAITING
        now = run(scheduler, taken(scheduler, now), now)
    assert large.state is State.ANSWERED


def test_a_batch_is_closed_where_more_rows_would_break_the_earliest_deadline() -> None:
    scheduler = made()
    hasty = Work(1, 0.0, Priority.HIGH, deadline=0.05)
    scheduler.offer(hasty, 0.0)
    for _ in range(7):
        scheduler.offer(Work(1, 0.0), 0.0)
    batch = taken(scheduler, 0.0)
    assert batch.pieces[0].job is hasty.job
    assert 0.0 + scheduler.cost.at_most(batch.rows) <= 0.05
    assert 1 < batch.rows < 8


def test_what_cannot_be_in_time_is_refused_at_once() -> None:
    scheduler = made()
    refusal = scheduler.offer(Work(MAX_BATCH, 0.0), 0.0)
    assert refusal is None
    run(scheduler, taken(scheduler, 0.0), 0.0)
    scheduler.offer(Work(MAX_BATCH, 0.1, Priority.HIGH), 0.1)
    late = scheduler.offer(Work(1, 0.1, Priority.LOW, deadline=0.15), 0.1)
    assert isinstance(late, Refusal)
    assert late.reason == "deadline_unreachable"
    assert scheduler.offer(Work(1, 0.1, Priority.HIGH, deadline=0.15), 0.1) is None


def test_a_wrong_estimate_is_put_right() -> None:
    """Warm-up told 50 times the truth: everybody would be refused, for ever, if nobody were let in."""
    scheduler = made()
    scheduler.cost.seed({rows: 0.5 * rows for rows in scheduler.cost.shapes})
    now, served = 0.0, 0
    for _ in range(200):
        now += 0.1
        if scheduler.offer(Work(1, now, deadline=now + 0.05), now) is None:
            step = scheduler.next(now)
            if isinstance(step, Batch):
                scheduler.finished(step, 0.01, now + 0.01)
                served += 1
    assert served > 100


def test_a_deadline_that_is_too_short_is_refused_by_an_idle_server_too() -> None:
    scheduler = made()
    refusal = scheduler.offer(Work(1, 0.0, deadline=0.001), 0.0)
    assert refusal is not None
    assert refusal.reason == "deadline_unreachable"


def test_what_has_become_hopeless_makes_room_for_what_is_not() -> None:
    scheduler = made()
    first = Work(MAX_BATCH, 0.0)
    scheduler.offer(first, 0.0)
    batch = taken(scheduler, 0.0)
    hopeless, sound = Work(1, 0.0, Priority.HIGH, deadline=0.13), Work(1, 0.0, Priority.LOW, deadline=9.0)
    assert scheduler.offer(hopeless, 0.0) is None
    assert scheduler.offer(sound, 0.0) is None
    scheduler.finished(batch, 0.12, 0.12)  # 30 ms later than was foreseen
    step = taken(scheduler, 0.12)
    assert [piece.job for piece in step.pieces] == [sound.job]
    assert [(w, r.reason) for w, r in scheduler.refused()] == [(hopeless, "deadline_unreachable")]


def test_equal_calls_are_computed_once_and_the_most_urgent_counts() -> None:
    scheduler = made()
    low = Work(2, 0.0, content="same", deadline=9.0)
    other = Work(MAX_BATCH, 0.0, Priority.MEDIUM)
    high = Work(2, 0.0, Priority.HIGH, content="same", deadline=5.0)
    for work in (low, other, high):
        assert scheduler.offer(work, 0.0) is None
    assert scheduler.rows == 2 + MAX_BATCH
    batch = taken(scheduler, 0.0)
    assert batch.pieces[0].job is low.job is high.job
    late = Work(2, 0.01, content="same")
    assert scheduler.offer(late, 0.01) is None
    scheduler.cancel(low)
    run(scheduler, batch, 0.0)
    assert (low.state, high.state, late.state) == (State.CANCELLED, State.ANSWERED, State.ANSWERED)
    again = Work(2, 1.0, content="same")
    scheduler.offer(again, 1.0)
    assert again.job is not high.job


def test_a_call_whose_caller_has_gone_takes_no_place() -> None:
    scheduler = made()
    gone, stays = Work(1, 0.0, Priority.HIGH), Work(1, 0.0)
    scheduler.offer(gone, 0.0)
    scheduler.offer(stays, 0.0)
    scheduler.cancel(gone)
    assert [piece.job for piece in taken(scheduler, 0.0).pieces] == [stays.job]


def test_a_failed_job_is_refused_and_its_rest_is_dropped() -> None:
    scheduler = made()
    work = Work(2 * MAX_BATCH, 0.0)
    scheduler.offer(work, 0.0)
    batch = taken(scheduler, 0.0)
    assert work.job is not None
    scheduler.drop(work.job, Refusal("engine", "broke", cure="again"))
    assert scheduler.finished(batch, 0.0, 0.1) == []
    assert scheduler.rows == 0
    assert [r.reason for _, r in scheduler.refused()] == ["engine"]


@pytest.mark.parametrize("order", ["strict", "weighted", "first_come"])
def test_a_low_request_is_served_within_a_bound_under_a_flood_of_high_ones(order: str) -> None:
    """The engine has no time left over. The bound: three ageings, and the share of the overdue."""
    scheduler = made(order, ageing=0.5)
    now, lows = 0.0, [Work(1, 0.0) for _ in range(4)]
    for low in lows:
        scheduler.offer(low, 0.0)
    while any(low.state is not State.ANSWERED for low in lows):
        while scheduler.rows < MAX_QUEUE:
            assert scheduler.offer(Work(1, now, Priority.HIGH, deadline=now + 60), now) is None
        now = run(scheduler, taken(scheduler, now), now)
        assert now < 3 * 0.5 + 9 * len(lows) * PER_ROW * 2 + 0.5


@pytest.mark.parametrize(("fixed", "row", "best"), [(75e-6, 16e-6, 128), (320e-6, 263e-6, 32)])
def test_the_size_that_pays_is_found_without_a_warm_up(fixed: float, row: float, best: int) -> None:
    """Under load, of a light model and of a heavy one: throughput within 5 % of the best fixed size."""
    batch = BatchSettings(max_queue_rows=2000)
    scheduler = Scheduler(batch, CostModel(batch.max_batch_size))
    now, rows = 0.0, []
    for _ in range(1800):
        while scheduler.rows < 1000:
            scheduler.offer(Work(20, now), now)
        step = taken(scheduler, now)
        now += fixed + row * step.load
        scheduler.finished(step, fixed + row * step.load, now)
        rows.append(step.rows)
    late = rows[1600:]
    rate = sum(late) / sum(fixed + row * r for r in late)
    assert rate >= 0.95 * 512 / (fixed + row * 512)
    assert sorted(late)[100] <= 2 * best


def test_a_wrong_warm_up_is_unlearned() -> None:
    """It told that nothing larger than one row pays."""
    batch = BatchSettings(max_queue_rows=2000)
    scheduler = Scheduler(batch, CostModel(batch.max_batch_size))
    scheduler.cost.seed({rows: 1e-3 * rows for rows in scheduler.cost.shapes})
    now, rows = 0.0, []
    for _ in range(600):
        while scheduler.rows < 1000:
            scheduler.offer(Work(20, now), now)
        step = taken(scheduler, now)
        now += 1e-3 + 1e-5 * step.load
        scheduler.finished(step, 1e-3 + 1e-5 * step.load, now)
        rows.append(step.rows)
    assert sorted(rows[400:])[100] >= 128


def test_a_batch_leaves_urgent_callers_time_for_the_one_after_it() -> None:
    """Costs as a machine that had become slow left them: large ones still stand as on a quick one."""
    batch = BatchSettings(max_queue_rows=2000)
    cost = CostModel(batch.max_batch_size)
    measured = (1.0, 1.3, 2.0, 4.6, 7.0, 14.6, 33.0, 54.1, 75.7, 131.3)
    cost.seed({rows: ms / 1e3 for rows, ms in zip(cost.shapes, measured, strict=True)})
    assert cost.fair == 128
    scheduler = Scheduler(batch, cost)
    for _ in range(1000):
        assert scheduler.offer(Work(1, 0.0), 0.0) is None
    assert scheduler.offer(Work(1, 0.0, Priority.HIGH, deadline=0.1), 0.0) is None
    now = run(scheduler, taken(scheduler, 0.0), 0.0)
    assert 0.015 < run(scheduler, taken(scheduler, now), now) - now < 0.1 / 3


@pytest.mark.parametrize(
    ("fixed", "pause", "rows"),
    [(0.001, 0.006, 32), (0.001, 0.0005, 64), (0.010, 0.006, 64), (0.001, 1.0, 64)],
    ids=["split", "a pause that is worth no batch more", "a batch that costs more than the pause", "idle"],
)
def test_of_callers_who_all_ask_again_at_once_half_are_evaluated_while_the_others_are_read(
    fixed: float, pause: float, rows: int
) -> None:
    batch = BatchSettings(batch_wait_timeout_s=0.0)
    cost = CostModel(batch.max_batch_size)
    cost.seed({size: fixed + 0.000_24 * size for size in cost.shapes})
    scheduler, now = Scheduler(batch, cost), 0.0
    for _ in range(64):
        scheduler.offer(Work(1, now), now)
    first = taken(scheduler, now)
    assert first.rows == 64, "nobody was answered before"
    now = run(scheduler, first, now) + pause
    for _ in range(64):
        scheduler.offer(Work(1, now), now)
    assert taken(scheduler, now).rows == rows
