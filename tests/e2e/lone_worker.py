"""One worker in a process of its own: `python -m tests.e2e.lone_worker CONFIG BUNDLE INDEX [STEP:TURN]`."""

import signal
import sys
from pathlib import Path

from foretell.config import load
from foretell.forecasting.forecaster import Forecaster
from foretell.stream.worker import Worker
from foretell.telemetry.log import setup


def main(config: str, bundle: str, index: str, die_at: str = "") -> None:
    settings = load(Path(config), environ={}).settings
    setup(settings.log)
    worker = Worker(settings, Forecaster.open(Path(bundle)), int(index))
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
