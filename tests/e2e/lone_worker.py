"""One worker in a process of its own: `python -m tests.e2e.lone_worker CONFIG BUNDLE INDEX [FAULT]`.

FAULT is `STEP:TURN`, where it kills itself at a step of that turn's commit, or `abort:SEED`, where now and
then a step of a transaction fails so that all of it must be aborted.
"""

import faulthandler
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from foretell.config import load
from foretell.errors import ForetellError
from foretell.forecasting.forecaster import Forecaster
from foretell.stream.worker.transaction import ExactlyOnce
from foretell.stream.worker.worker import Worker
from foretell.telemetry.log import setup

STEPS = ("before_begin", "after_produce", "after_offsets", "during_commit", "after_commit")
_ABORTS = 0.2  # of all transactions
_SOON_S = 0.002  # in the middle of a commit, which takes some 5 ms


class FaultyProducer:
    """A transactional producer that tells `fault` at which step it is; all else goes through."""

    def __init__(self, producer: Any, fault: Callable[[str, int], None]) -> None:
        self._producer, self._fault, self._turn = producer, fault, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def begin_transaction(self) -> None:
        self._turn += 1
        self._fault("before_begin", self._turn)
        self._producer.begin_transaction()

    def send_offsets_to_transaction(self, *arguments: Any) -> None:
        self._producer.flush()  # the records are written: the hard case
        self._fault("after_produce", self._turn)
        self._producer.send_offsets_to_transaction(*arguments)
        self._fault("after_offsets", self._turn)

    def commit_transaction(self, *arguments: Any) -> None:
        self._fault("during_commit", self._turn)
        self._producer.commit_transaction(*arguments)
        self._fault("after_commit", self._turn)


def die(step: str, turn: int) -> Callable[[str, int], None]:
    """SIGKILL at a step of a turn; `during_commit` a moment later, from another thread."""

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def fault(at: str, in_turn: int) -> None:
        if (at, in_turn) != (step, turn):
            return
        if step == "during_commit":
            threading.Timer(_SOON_S, kill).start()
        else:
            kill()

    return fault


def abort(seed: int) -> Callable[[str, int], None]:
    """An abortable error after the records, after the offsets or at the commit."""
    rng = random.Random(seed)

    def fault(at: str, _turn: int) -> None:
        if at in STEPS[1:4] and rng.random() < _ABORTS / 3:
            cause = KafkaError(KafkaError.INVALID_TXN_STATE, f"made up, {at}", False, False, True)
            raise KafkaException(cause)

    return fault


def main(config: str, bundle: str, index: str, fault: str = "") -> None:
    settings = load(Path(config), environ={}).settings
    setup(settings.log)
    worker = Worker(settings, Forecaster.open(Path(bundle)), int(index))
    if fault:
        step, _, number = fault.partition(":")
        assert isinstance(worker.delivery, ExactlyOnce)
        producer: Any = FaultyProducer(
            worker.delivery._producer, abort(int(number)) if step == "abort" else die(step, int(number))
        )
        worker.delivery._producer = producer
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # where it hangs, for whoever looks into it
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    try:
        worker.run()
    except ForetellError as error:
        print(f"ended by {error.code}: {error}", flush=True)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main(*sys.argv[1:])
