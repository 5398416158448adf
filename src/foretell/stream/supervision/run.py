"""`foretell stream` from start to end: signals, progress, exit status."""

import logging
from collections.abc import Callable
from pathlib import Path

from foretell.config import Settings
from foretell.ending import Interrupted, asked_to_end
from foretell.stream.supervision.status import StreamStatus
from foretell.stream.supervision.supervisor import Supervisor
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
    with asked_to_end() as asked:
        try:
            supervisor.start()
            asked.starting = False
            asked.listen()
            log.info("/healthz and /metrics at http://%s:%d", settings.stream.host, supervisor.port)
            while not supervisor.finished.wait(_PROGRESS_S) and not asked.is_set():
                asked.listen()
                progress(supervisor.status())
        except Interrupted:
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
