"""What changes in the fleet while it runs, a line each for the log."""

import logging
import re
import threading
import time

from foretell.serve.deployment.autoscaling import AutoscalingConfig
from foretell.serve.deployment.fleet import Fleet, FleetStatus

log = logging.getLogger("foretell.serve")
_COUNTS = re.compile(r"from (\d+) to (\d+) replicas")  # in Serve's words for what it is about to do
_DONE = ("CONFIG_UPDATE_COMPLETED", "UPSCALE_COMPLETED", "DOWNSCALE_COMPLETED")
_LOOK_S = 1.0
_WELL = ("RUNNING", "DEPLOYING")


class Changes:
    """Says so when the state or a number of replicas changed.

    Attributes:
        heard: on the clock of `time.monotonic`: when Ray Serve answered last.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._before = FleetStatus("")
        self._ended = threading.Event()
        self.heard = time.monotonic()

    def watch(self) -> None:
        """Look every second, in a thread of its own: a call to a Ray that dies meanwhile may never end."""
        threading.Thread(target=self._watch, name="changes", daemon=True).start()

    def end(self) -> None:
        """Look no more; nobody waits for a look that is under way."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_S):
            try:
                self.look()
                self.heard = time.monotonic()
            except Exception as error:  # Ray raises whatever its layers raise
                log.debug("Ray Serve does not answer: %s", error)

    def look(self) -> None:
        """Raises what Ray raises where it does not answer."""
        status, before = self._fleet.status(), self._before
        if (status.state, status.replicas) == (before.state, before.replicas):
            return
        why = self._why(status)
        if self._ended.is_set():
            return
        self._before = status
        if status.state in _WELL:
            log.info("%s%s", _words(status), f" ({why})" if why else "")
        else:
            log.warning("%s %s", _words(status), status.message)

    def _why(self, status: FleetStatus) -> str:
        """Of a change that somebody decided on, and that has not been told yet."""
        counts, before = _COUNTS.search(status.message), self._before
        if counts is not None and status.message != before.message:
            told = f"from {counts[1]} to {counts[2]}"
        elif status.trigger in _DONE and before.trigger in _DONE and status.running != before.running:
            told = f"from {before.running} to {status.running}"  # it was quicker than a look
        else:
            return ""
        deployed = self._fleet.deployed()
        if deployed is None or not isinstance(deployed.scale, AutoscalingConfig):
            return f"{told}, as asked"
        loads = [one.load for one in self._fleet.replicas()]
        if status.trigger == "CONFIG_UPDATE_STARTED" or not loads:
            return f"{told}, by other bounds"
        mean, target = sum(loads) / len(loads), deployed.scale.target_ongoing_requests
        return f"{told} by load: {mean:.1f} requests under way a replica, the target is {target:g}"


def _words(status: FleetStatus) -> str:
    replicas = ", ".join(f"{n} {state.lower()}" for state, n in sorted(status.replicas.items()))
    return f"{status.state.lower()}; replicas: {replicas or 'none'}"
