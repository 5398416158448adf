"""What more replicas give, and what a decision of the scheduler costs as its queue grows."""

import math
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, Part
from benchmarks.models import model_a
from benchmarks.serve import wrk
from benchmarks.serve.door import foretell
from benchmarks.serve.sizes import Sizes
from foretell.config import BatchSettings
from foretell.serve.backend import Priority
from foretell.serve.scheduler.cost import CostModel
from foretell.serve.scheduler.scheduler import Scheduler
from foretell.serve.scheduler.work import Batch, Work

CONNECTIONS = 32
_ROW_S = 1e-5  # what the engine of this queue takes for a row
_DECISIONS = 2_000


def measure(sizes: Sizes) -> Part:
    """Throughput and p99 by replicas; microseconds a work by queue length."""
    part = Part("growth")
    for waiting in sizes.waiting:
        costs = [decision(waiting) * 1e6 for _ in range(max(3, sizes.repeats))]
        part.figures.append(
            Figure(f"taking a work in and into a batch, {waiting:,} waiting", costs, "µs a work")
        )
    if wrk.absent():
        part.details["replicas"] = wrk.ABSENT
        return part
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as name:
        bundle = model_a(Path(name))
        for replicas in sizes.replicas:
            with foretell(bundle, Path(name), replicas=replicas) as door:
                asked = door.as_json()
                shots = [
                    wrk.load(door.port, asked, CONNECTIONS, sizes.seconds, sizes.warm_s)
                    for _ in range(sizes.repeats)
                ]
            what = f"{replicas} replica{'s' if replicas > 1 else ''}, {CONNECTIONS} connections"
            part.figures.append(Figure(what, [shot.rate for shot in shots], "requests/s"))
            part.figures.append(Figure(f"{what}: p99", [shot.p99_ms for shot in shots], "ms"))
    return part


def decision(waiting: int) -> float:
    """Seconds a work for all that the scheduler does with it, while so many others wait: mixed urgencies."""
    settings = BatchSettings(max_batch_size=32, max_queue_rows=10 * waiting + 1_000, ageing=1e6)
    cost = CostModel(settings.max_batch_size)
    cost.seed({rows: 1e-4 + rows * _ROW_S for rows in cost.shapes})
    scheduler = Scheduler(settings, cost)
    rng = np.random.default_rng(waiting)
    priorities = [Priority(int(p)) for p in rng.integers(0, 3, waiting + _DECISIONS)]
    patience = rng.uniform(100, 200, waiting + _DECISIONS)
    now = 0.0

    def offer(number: int) -> None:
        nonlocal now
        now += 1e-6
        deadline = now + float(patience[number]) if number % 2 else math.inf
        work = Work(1, now, priorities[number], deadline, content=number)
        assert scheduler.offer(work, now) is None

    for number in range(waiting):
        offer(number)
    begin, taken = time.perf_counter(), 0
    for number in range(waiting, waiting + _DECISIONS):
        offer(number)
        taken += 1
        if scheduler.rows > waiting + settings.max_batch_size:
            batch = scheduler.next(now)
            assert isinstance(batch, Batch)
            now += 1e-3
            scheduler.finished(batch, cost.seconds(batch.load), now)
    return (time.perf_counter() - begin) / taken
