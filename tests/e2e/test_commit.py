"""A commit fails at each of its steps: the worker dies there, or the transaction must be aborted."""

import pytest
from tests.e2e.lone_worker import STEPS
from tests.e2e.processes import wait_until
from tests.e2e.rows import Source
from tests.e2e.trial import Trial

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]

SEED = 20131002


def test_a_worker_dies_at_each_step_of_a_commit(trial: Trial) -> None:
    print(f"seed {SEED}")
    feeder = trial.feed(Source(SEED, reject=True).rows(), rows_per_s=2000)
    trial.worker(1)
    for step in STEPS:
        worker = trial.worker(0, fault=f"{step}:7")
        wait_until(lambda worker=worker: worker.ended, 30, f"death at {step}")  # type: ignore[misc]
        assert worker.exit_status == 256 - 9, worker.last_words()
    trial.worker(0)
    feeder.stop()
    trial.settle(40)


def test_transactions_are_aborted_at_each_step(trial: Trial) -> None:
    print(f"seed {SEED}")
    workers = [trial.worker(index, fault=f"abort:{SEED + index}") for index in range(2)]
    trial.feed(Source(SEED, reject=True).generation(0, hours=60), rows_per_s=4000)
    trial.settle(40)
    aborted = [worker.log.read_text().count("a transaction was aborted") for worker in workers]
    assert sum(aborted) > 5, aborted
