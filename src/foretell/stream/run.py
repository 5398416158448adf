"""`foretell stream` from start to end: signals, progress, exit status."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from foretell.config import Settings
from foretell.stream.status import StreamStatus
from foretell.stream.supervisor import Supervisor

log = logging.getLogger("foretell.stream")
_PROGRESS_S = 0.5


def run_stream(settings: Settings, bundle: Path, progress: Callable[[StreamStatus], None]) -> int:
    """Run until SIGTERM, Ctrl-C, the end of `--until-end`, or an error; gives the exit status.

    Raises:
        ForetellError: why it could not start, or not go on.
    """
    if settings.stream.delivery == "at_least_once":
        log.warning("delivery: at_least_once: no transactions; a forecast can come twice after a failure")
    with _asked_to_end() as asked:
        supervisor = Supervisor(settings, bundle)
        supervisor.start()
        log.info("/healthz and /metrics at http://%s:%d", settings.stream.host, supervisor.port)
        try:
            while not supervisor.finished.wait(_PROGRESS_S) and not asked.is_set():
                progress(supervisor.status())
        finally:
            supervisor.stop()
    progress(supervisor.status())
    if supervisor.error is not None:
        raise supervisor.error
    return 0


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Set by SIGTERM and SIGINT, whose handlers are put back afterwards."""
    asked = threading.Event()
    before = {s: signal.signal(s, lambda *_: asked.set()) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
