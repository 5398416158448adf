"""Everything at once, at random, for as long as FORETELL_CHAOS_SECONDS says: see docs/testing.md."""

import os
import random

import pytest
from tests.e2e.chaos import Chaos
from tests.e2e.conftest import MakeTrial
from tests.e2e.rows import Source

from foretell.demo.apache_kafka import ApacheKafka

SECONDS = float(os.environ.get("FORETELL_CHAOS_SECONDS", "40"))
SEED = int(os.environ.get("FORETELL_CHAOS_SEED", "20131006"))
ROWS_PER_S = 800

pytestmark = [pytest.mark.kafka, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(SECONDS + 400)]


def test_nothing_is_lost_or_doubled_whatever_happens(kafka_cluster: ApacheKafka, trials: MakeTrial) -> None:
    print(f"\nseed {SEED}, {SECONDS:g} s")
    rng = random.Random(SEED)
    reject = rng.random() < 0.5
    rules = {"same_time": "keep", "out_of_range": "reject"} if reject else {"gap": "interpolate"}
    trial = trials(f"chaos-{SEED}", kafka_cluster.bootstrap_servers, replicas=3, **rules)
    trial.tree["stream"]["stall"] = "10s"
    stream = trial.stream()
    stream.wait_for_workers(3)
    feeder = trial.feed(Source(SEED, reject=reject).rows(), ROWS_PER_S)
    chaos = Chaos(trial, stream, kafka_cluster, rng)
    while chaos.seconds < SECONDS:
        chaos.strike()
        assert not stream.ended, stream.last_words()
        assert not feeder.done
    feeder.stop()
    trial.settle(120)
    told = ", ".join(f"{name} {count}" for name, count in sorted(chaos.done.items()))
    print(f"{chaos.done.total()} faults in {chaos.seconds:.0f} s: {told}")
