"""Rows at 200 a second on a warm broker: from append to committed forecast, exactly once."""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.broker import ABSENT, flags_for, ready, real_kafka
from benchmarks.figures import Figure, Part, Target
from benchmarks.models import model_a
from benchmarks.rows import LOOKBACK, STATIONS, fill, rows
from benchmarks.sizes import Sizes
from benchmarks.traffic import Offer, Watch, wait_for
from benchmarks.worker import Done, Job, WorkerProcess

RATE = 200.0
P99 = Target("<", 60.0)


def measure(sizes: Sizes) -> Part:
    """p50 and p99 as a reader of the forecasts sees them, and as the worker counts them."""
    part = Part("latency")
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as folder, real_kafka() as servers:
        if servers is None:
            return Part("latency", skipped=ABSENT)
        bundle = str(model_a(Path(folder)).path)
        runs = [_offered(servers, bundle, sizes, repeat) for repeat in range(sizes.repeats)]
    seen = [np.percentile(np.array(latencies) * 1e3, (50, 99)) for latencies, _ in runs]
    counted = [((done.p50_s or 0) * 1e3, (done.p99_s or 0) * 1e3) for _, done in runs]
    part.figures = [
        Figure("p99, from append to a reader's hand", [p99 for _, p99 in seen], "ms", P99),
        Figure("p50, from append to a reader's hand", [p50 for p50, _ in seen], "ms"),
        Figure("p99, as the worker counts (to its commit)", [p99 for _, p99 in counted], "ms"),
        Figure("p50, as the worker counts (to its commit)", [p50 for p50, _ in counted], "ms"),
        Figure("transactions", [done.commits / done.wall_s for _, done in runs], "a second"),
    ]
    return part


def _offered(servers: str, bundle: str, sizes: Sizes, repeat: int) -> tuple[list[float], Done]:
    """Seconds from offer to arrival of each forecast, and what the worker says."""
    group = f"latency-{repeat}"
    flags = flags_for(servers, group, topic=f"{group}-rows")
    ready(flags)
    first = STATIONS * LOOKBACK
    fill(servers, f"{group}-rows", rows(first))
    watch = Watch(servers, f"{group}-forecasts")
    worker = WorkerProcess(Job(flags, bundle))
    wait_for(lambda: watch.ready, "the watch of the forecasts")
    wait_for(lambda: len(watch.seen) > 0, "the first forecast")
    offer = Offer(servers, f"{group}-rows", first, RATE)
    time.sleep(sizes.settle_s)
    worker.say("mark")
    begin = time.time()
    time.sleep(sizes.offered_s)
    end = time.time()
    offer.close()
    counted = {place: at for place, at in list(offer.times.items()) if begin <= at < end}
    wait_for(lambda: counted.keys() <= {seen.place for seen in watch.seen}, "the last forecast")
    worker.say("stop")
    done = worker.done()
    watch.close()
    return [seen.at - counted[seen.place] for seen in watch.seen if seen.place in counted], done
