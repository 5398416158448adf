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
from foretell.telemetry import metrics
from foretell.telemetry.meter import Snapshot

log = logging.getLogger("foretell.stream")
_PROGRESS_S = 0.5


def run_stream(settings: Settings, bundle: Path, progress: Callable[[StreamStatus], None]) -> int:
    """Run until SIGTERM, Ctrl-C, the end of `--until-end`, or an error; gives the exit status.

    Raises:
        ForetellError: why it could not start, or not go on.
    """
    if settings.stream.delivery == "at_least_once":
        log.warning("delivery: at_least_once: no transactions; a forecast can come twice after a failure")
    supervisor = Supervisor(settings, bundle)
    with _asked_to_end() as asked:
        try:
            supervisor.start()
            asked.starting = False
            asked.listen()
            log.info("/healthz and /metrics at http://%s:%d", settings.stream.host, supervisor.port)
            while not supervisor.finished.wait(_PROGRESS_S) and not asked.is_set():
                asked.listen()
                progress(supervisor.status())
        except _Interrupted:
            return 0
        finally:
            supervisor.stop()
    _sum_up(supervisor.status().figures)
    if supervisor.error is not None:
        raise supervisor.error
    return 0


def _sum_up(figures: Snapshot) -> None:
    dead = {word: int(n) for word, n in figures.by_label(metrics.DEAD_LETTERS).items()}
    reasons = f" ({', '.join(f'{word} {n:,}' for word, n in sorted(dead.items()))})" if dead else ""
    log.info(
        "ended: %s rows, %s forecasts, %s dead letters%s",
        f"{figures.value(metrics.ROWS):,.0f}",
        f"{figures.value(metrics.FORECASTS):,.0f}",
        f"{sum(dead.values()):,}",
        reasons,
    )


class _Interrupted(BaseException):
    """Asked to end while still waiting for Kafka or Ray: nothing is to be drained."""


class _Asked(threading.Event):
    starting = True

    def listen(self) -> None:
        """To be called again after Ray was started: it puts handlers of its own over ours."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.hear)

    def hear(self, *_: object) -> None:
        self.set()
        if self.starting:
            raise _Interrupted


@contextmanager
def _asked_to_end() -> Iterator[_Asked]:
    """Set by SIGTERM and SIGINT, whose handlers are put back afterwards."""
    asked = _Asked()
    before = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)}
    asked.listen()
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
