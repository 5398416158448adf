"""Workers come, go, and sleep through what happens meanwhile."""

import signal

import pytest
from tests.e2e.processes import wait_until
from tests.e2e.rows import Source
from tests.e2e.trial import Trial

from foretell.errors import Fenced

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]

SEED = 20131003


def owned(trial: Trial, index: int) -> set[int]:
    return trial.audit.owners().get(f"{trial.names.group}-{index}", set())


def test_a_worker_is_added_and_drained(trial: Trial) -> None:
    print(f"seed {SEED}")
    feeder = trial.feed(Source(SEED, reject=True).rows(), rows_per_s=2000)
    first = trial.worker(0)
    wait_until(lambda: owned(trial, 0) == {0, 1, 2, 3}, 30, "all partitions for the first")
    added = trial.worker(1)
    wait_until(lambda: len(owned(trial, 1)) == 2, 30, "two partitions for the second")
    trial.wait_for_work(5_000)
    added.signal(signal.SIGTERM)
    wait_until(lambda: added.ended, 20, "the end of the second")
    assert added.exit_status == 0, added.last_words()
    wait_until(lambda: owned(trial, 0) == {0, 1, 2, 3}, 30, "all partitions for the first again")
    feeder.stop()
    trial.settle(40)
    first.signal(signal.SIGTERM)
    wait_until(lambda: first.ended, 20, "the end of the first")
    assert first.exit_status == 0, first.last_words()


def test_a_worker_that_was_replaced_in_its_sleep_does_no_harm(trial: Trial) -> None:
    print(f"seed {SEED}")
    feeder = trial.feed(Source(SEED, reject=True).rows(), rows_per_s=2000)
    sleeper, other = trial.worker(0), trial.worker(1)
    wait_until(lambda: len(owned(trial, 0)) == len(owned(trial, 1)) == 2, 30, "two partitions each")
    sleeper.signal(signal.SIGSTOP)
    replacement = trial.worker(0)
    trial.wait_for_work(10_000)
    assert not replacement.ended, replacement.last_words()
    sleeper.signal(signal.SIGCONT)
    wait_until(lambda: sleeper.ended, 20, "the end of the one that slept")
    assert sleeper.exit_status == Fenced.exit_status, sleeper.last_words()
    feeder.stop()
    trial.settle(40)
    assert not other.ended, other.last_words()
    if replacement.ended:  # librdkafka may fence itself as it recovers its id (its issue 3928)
        assert replacement.exit_status == Fenced.exit_status, replacement.last_words()


def test_a_worker_that_sleeps_past_its_session_goes_on_without_harm(trial: Trial) -> None:
    print(f"seed {SEED}")
    feeder = trial.feed(Source(SEED, reject=True).rows(), rows_per_s=2000)
    sleeper, other = trial.worker(0), trial.worker(1)
    wait_until(lambda: len(owned(trial, 0)) == len(owned(trial, 1)) == 2, 30, "two partitions each")
    sleeper.signal(signal.SIGSTOP)
    wait_until(lambda: owned(trial, 1) == {0, 1, 2, 3}, 40, "all partitions for the one that is awake")
    trial.wait_for_work(5_000)
    sleeper.signal(signal.SIGCONT)
    wait_until(lambda: sleeper.ended or len(owned(trial, 0)) == 2, 40, "the sleeper's end or return")
    if sleeper.ended:  # its transaction was open, and has timed out
        assert sleeper.exit_status == Fenced.exit_status, sleeper.last_words()
    feeder.stop()
    trial.settle(40)
    assert not other.ended, other.last_words()
