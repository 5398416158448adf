"""Twice the load that it can bear, in simulated time: urgent ones are in time, and everybody is answered."""

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from foretell.config import BatchSettings
from foretell.serve.backend import Priority
from foretell.serve.scheduler.cost import CostModel
from foretell.serve.scheduler.scheduler import Scheduler, Wait
from foretell.serve.scheduler.work import Batch, State, Work

Cost = Callable[[int], float]


def light(rows: int) -> float:
    return 75e-6 + 16e-6 * rows


def heavy(rows: int) -> float:
    return 320e-6 + 263e-6 * rows


def model_b(rows: int) -> float:
    """0.58 ms for a row, 0.27 ms a row in a batch of 32."""
    return max(320e-6 + 260e-6 * rows, 270e-6 * rows)


@dataclass(frozen=True)
class Noise:
    """Of what a batch takes: log-normal, and some of them take several times as long."""

    sigma: float
    outliers: float = 0.0
    times: float = 5.0

    @property
    def mean(self) -> float:
        return math.exp(self.sigma**2 / 2) * (1 + self.outliers * (self.times - 1))

    def of(self, random: random.Random) -> float:
        return random.lognormvariate(0.0, self.sigma) * (
            self.times if random.random() < self.outliers else 1.0
        )


CALM, NOISY = Noise(0.1), Noise(0.2, outliers=0.02)


class Simulation:
    """An open loop of single windows: who comes does not wait for who came before."""

    def __init__(
        self,
        cost: Cost,
        load: float,
        seconds: float,
        settings: BatchSettings,
        seed: int = 1,
        noise: Noise = CALM,
    ) -> None:
        self.noise = noise
        self.random, self.cost, self.seconds = random.Random(seed), cost, seconds
        self.capacity = 512 / cost(512) / noise.mean
        self.rate = load * self.capacity
        self.scheduler = Scheduler(settings, CostModel(settings.max_batch_size))
        self.scheduler.cost.seed({rows: cost(rows) for rows in self.scheduler.cost.shapes})
        self.works: list[Work] = []
        self.outcomes: Counter[tuple[Priority, str]] = Counter()
        self.goodput = 0  # in time, and while the load lasted
        self.waits: dict[Priority, list[float]] = {priority: [] for priority in Priority}

    def run(self, high: float, patience: float) -> None:
        """`high`: share of requests with high priority, which have a deadline after `patience`."""
        arrival, ends, wake = 0.0, math.inf, math.inf
        batch: Batch | None = None
        while arrival < self.seconds or batch or self.scheduler.rows:
            now = min(ends, arrival if arrival < self.seconds else math.inf)
            if now == math.inf:
                now = wake
            if now == ends and batch:
                self.finish(batch, now)
                batch, ends = None, math.inf
            elif now == arrival:
                self.offer(now, high, patience)
                arrival += self.random.expovariate(self.rate)
            wake = math.inf
            if batch is None:
                step = self.scheduler.next(now)
                if isinstance(step, Wait):
                    wake = step.until
                elif step is not None:
                    batch = step
                    self.took = self.cost(batch.load) * self.noise.of(self.random)
                    ends = now + self.took
            self.told()

    def offer(self, now: float, high: float, patience: float) -> None:
        urgent = self.random.random() < high
        work = Work(1, now, Priority.HIGH if urgent else Priority.LOW, now + patience if urgent else math.inf)
        self.works.append(work)
        refusal = self.scheduler.offer(work, now)
        if refusal:
            self.outcomes[work.priority, refusal.reason] += 1

    def finish(self, batch: Batch, now: float) -> None:
        for job in self.scheduler.finished(batch, self.took, now):
            for work in job.works:
                self.outcomes[work.priority, "in time" if now <= work.deadline else "late"] += 1
                self.goodput += now <= min(work.deadline, self.seconds)
                self.waits[work.priority].append(now - work.arrived)

    def told(self) -> None:
        for work, refusal in self.scheduler.refused():
            self.outcomes[work.priority, refusal.reason] += 1

    def count(self, priority: Priority, outcome: str | None = None) -> int:
        return sum(n for (p, o), n in self.outcomes.items() if p is priority and outcome in (None, o))


@pytest.mark.parametrize("cost", [light, heavy])
@pytest.mark.parametrize("rows", [300, 10_000])
def test_twice_the_capacity(cost: Cost, rows: int) -> None:
    seconds = 3.0 if cost is heavy else 0.3
    simulation = Simulation(cost, 2.0, seconds, BatchSettings(max_queue_rows=rows))
    simulation.run(high=0.2, patience=0.1)
    assert simulation.count(Priority.HIGH, "in time") >= 0.9 * simulation.count(Priority.HIGH)
    assert simulation.goodput >= 0.9 * simulation.capacity * seconds
    assert sum(simulation.outcomes.values()) == len(simulation.works), "each has one outcome"
    assert all(work.state in (State.ANSWERED, State.REFUSED) for work in simulation.works)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_noisy_machine_makes_no_urgent_call_late(seed: int) -> None:
    """The load of the benchmark. What was thought to pay may be a batch as long as the deadline by chance."""
    settings, seconds = BatchSettings(max_queue_rows=1_000), 4.0
    simulation = Simulation(model_b, 2.0, seconds, settings, seed, NOISY)
    shapes = simulation.scheduler.cost.shapes
    warm_up = {rows: model_b(rows) * NOISY.of(simulation.random) for rows in shapes}
    simulation.scheduler.cost.seed(warm_up)
    simulation.run(high=0.2, patience=0.1)
    assert simulation.count(Priority.HIGH, "in time") >= 0.95 * simulation.count(Priority.HIGH)
    assert simulation.goodput >= 0.95 * simulation.capacity * seconds
    assert sum(simulation.outcomes.values()) == len(simulation.works), "each has one outcome"


def test_more_urgent_work_than_the_engine_can_do_still_makes_use_of_it() -> None:
    """All have a deadline and half cannot be met: what is evaluated is what is in time."""
    simulation = Simulation(heavy, 2.0, 2.0, BatchSettings())
    simulation.run(high=1.0, patience=0.1)
    assert simulation.goodput >= 0.9 * simulation.capacity * 2.0


def test_at_half_the_capacity_everybody_is_served_soon() -> None:
    simulation = Simulation(heavy, 0.5, 4.0, BatchSettings())
    simulation.run(high=0.2, patience=0.1)
    assert simulation.count(Priority.HIGH, "in time") >= 0.99 * simulation.count(Priority.HIGH)
    low = simulation.waits[Priority.LOW]
    assert len(low) == simulation.count(Priority.LOW)
    assert heapq.nlargest(len(low) // 100, low)[-1] < 0.05, "p99"
