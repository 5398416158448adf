"""What a replica tells beyond its own calls: whether it is healthy, its GPUs, and the fleet that it is in.

How many replicas there are is told by each of them, as Ray Serve's controller sees it: so it is there whoever
is scraped, and whether or not the program that deployed them still runs.
"""

import logging
import threading
import time
from collections.abc import Callable

from foretell.serve.deployment.fleet import Fleet
from foretell.serve.deployment.ledger import keep
from foretell.serve.models.figures import Figures
from foretell.serve.replica.doors import ReplicaStats
from foretell.telemetry import serve_metrics
from foretell.telemetry.gpu import Gpus, GpuUse

log = logging.getLogger(__name__)
_PAUSE_S = 1.0
_ASK_S = 5.0  # between questions to the controller
_STALE_S = 15.0  # what it said so long ago is not told any more
_ALWAYS = ("running", "starting", "stopping")  # told as 0, too


class Outlook:
    """Ray is talked to in a thread of its own: while Ray is away it hangs there, and nothing else does."""

    def __init__(
        self,
        figures: Figures,
        healthy: Callable[[], bool],
        stats: Callable[[], ReplicaStats],
        gpus: Gpus | None,
        fleet: Fleet | None = None,
    ) -> None:
        """
        Args:
            figures: where it is told.
            healthy: whether the replica takes calls, and nothing is wrong with it.
            stats: what is put into the ledger.
        """
        self._figures, self._healthy, self._stats, self._gpus = figures, healthy, stats, gpus
        self._fleet = fleet or Fleet()
        self._replicas: dict[str, int] = {}
        self._heard = -_STALE_S
        self._uses: list[GpuUse] = []
        self._read = -_PAUSE_S
        self._ended = threading.Event()

    def begin(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._talk, name="outlook", daemon=True).start()

    def end(self) -> None:
        """What was counted last goes into the ledger."""
        self._ended.set()
        self.talk()

    def tell(self) -> None:
        """Bring the gauges up to date; quick, from any thread."""
        now = time.monotonic()
        if self._gpus is not None and now - self._read >= _PAUSE_S:
            self._read, self._uses = now, self._gpus.read()
        replicas = self._replicas if now - self._heard < _STALE_S else {}
        uses = self._uses
        self._figures.gauge(serve_metrics.HEALTHY, {"": float(self._healthy())})
        self._figures.gauge(serve_metrics.REPLICAS, replicas)
        busy = {use.name: use.busy for use in uses if use.busy is not None}
        self._figures.gauge(serve_metrics.GPU_UTILIZATION, busy)
        self._figures.gauge(serve_metrics.GPU_MEMORY, {use.name: use.used for use in uses})
        self._figures.gauge(serve_metrics.GPU_MEMORY_TOTAL, {use.name: use.total for use in uses})

    def talk(self) -> None:
        """Tell Ray what was counted and, ever so often, hear how many replicas there are."""
        try:
            keep(self._stats())
            if time.monotonic() - self._heard >= _ASK_S and not self._ended.is_set():
                states = {state.lower(): n for state, n in self._fleet.status().replicas.items()}
                self._replicas = dict.fromkeys(_ALWAYS, 0) | states
                self._heard = time.monotonic()
        except Exception as error:  # Ray raises whatever its layers raise; a second later it may be back
            log.debug("Ray does not answer: %s", error)

    def _talk(self) -> None:
        while not self._ended.wait(_PAUSE_S):
            self.talk()
