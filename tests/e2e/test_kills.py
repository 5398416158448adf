"""Actors are killed at random moments, and one is added: nothing is lost, nothing comes twice."""

import os
import random
import signal
import time

import pytest
from tests.e2e.processes import wait_until
from tests.e2e.rows import Source
from tests.e2e.trial import Trial

from foretell.rows.reasons import Reason

pytestmark = [pytest.mark.kafka, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

SEED = 20131001
KILLS = 6
ROWS = 48_000


def test_killed_actors_lose_and_double_nothing(trial: Trial) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    stream = trial.stream()
    stream.wait_for_workers(3)
    feeder = trial.feed(Source(SEED, reject=True).rows(), rows_per_s=4000)
    for _ in range(KILLS):
        moment = time.monotonic() + rng.uniform(0.5, 2.0)
        wait_until(lambda moment=moment: time.monotonic() > moment, 5, "the moment")  # type: ignore[misc]
        actors = wait_until(stream.actors, 30, f"an actor to kill\n{stream.last_words()}")
        os.kill(rng.choice(sorted(actors)), signal.SIGKILL)
    wait_until(lambda: len(trial.audit.sent) > ROWS, 120, "all kinds of rows")
    feeder.stop()
    trial.settle(120)
    made = trial.promises.made
    assert made["forecasts"] > 30_000
    assert {r.word for r in Reason} - {"ok", "engine_error"} <= set(made), "a kind of bad row is not there"
