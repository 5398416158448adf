"""`foretell serve` from start to end: signals, what is said, exit status."""

import logging
from collections.abc import Callable, Sequence

from foretell.config import Settings
from foretell.ending import Interrupted, asked_to_end
from foretell.errors import RayUnreachable
from foretell.serve.deployment.deployed import Deployed
from foretell.serve.deployment.fleet import FleetStatus
from foretell.serve.deployment.service import Service

log = logging.getLogger("foretell.serve")
_LOOK_S = 1.0


def run_serve(settings: Settings, models: Sequence[str], ready: Callable[[Deployed], None]) -> int:
    """Serve until SIGTERM, Ctrl-C or an error; `ready` is told once. Gives the exit status.

    Raises:
        ForetellError: why it could not start, or not go on.
    """
    service = Service(settings)
    with asked_to_end() as asked:
        try:
            deployed = service.start(models)
            asked.starting = False
            asked.listen()
            ready(deployed)
            before = ""
            while not asked.wait(_LOOK_S):
                before = _look(service, before)
        except Interrupted:
            return 0
        finally:
            asked.starting = False
            service.stop()
    log.info("ended")
    return 0


def _look(service: Service, before: str) -> str:
    """One line a change of state."""
    if not service.alive():
        raise RayUnreachable("Ray is gone, and the replicas with it", cure="start `foretell serve` again")
    status = service.fleet.status()
    if status.state != before:
        if status.state in ("RUNNING", "DEPLOYING"):
            log.info("%s", _words(status))
        else:
            log.warning("%s %s", _words(status), status.message)
    return status.state


def _words(status: FleetStatus) -> str:
    replicas = ", ".join(f"{n} {state.lower()}" for state, n in sorted(status.replicas.items()))
    return f"{status.state.lower()}; replicas: {replicas or 'none'}"
