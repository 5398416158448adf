"""A Ray of our own on this machine."""

import logging
import os
import time
import traceback

from ray._private import ray_constants
from ray._private.node import Node

from foretell.cluster.ray_init import in_a_line, init
from foretell.errors import RayUnreachable

log = logging.getLogger(__name__)
_OBJECT_STORE = 100_000_000  # bytes; rows never pass through it
_AGAIN_S = 1.0
_ENVIRONMENT = {
    ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0",  # otherwise it listens on all addresses
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def start(num_cpus: int, deadline: float) -> None:
    """Start it, and once more until `deadline` (of `time.monotonic`): its raylet gives an agent of its own
    15 s to start, however busy the machine is, and then ends (Ray's issue 65983).

    Raises:
        RayUnreachable: what Ray says, and where its logs are.
    """
    os.environ.update({k: v for k, v in _ENVIRONMENT.items() if k not in os.environ})
    ray_constants.ENABLE_RAY_CLUSTER = False  # this process read the variable when it imported Ray
    while (failure := _try(num_cpus)) is not None:
        if time.monotonic() > deadline:
            raise RayUnreachable(
                f"Ray does not start on this machine: {failure}",
                cure="are memory, disk and cores free? "
                "Its logs (ray/session_latest/logs of the temporary folder) tell more",
            )
        log.warning("Ray did not start, and is started again: %s", failure)
        time.sleep(_AGAIN_S)
    log.info("Ray started on this machine", extra={"num_cpus": num_cpus})


def _try(num_cpus: int) -> str | None:
    """What went wrong, in one line."""
    try:
        init("local", num_cpus=num_cpus, include_dashboard=False, object_store_memory=_OBJECT_STORE)
    except Exception as error:  # a plain one, where it takes too long
        _end_what_started(error)
        return in_a_line(error)
    return None


def _end_what_started(error: Exception) -> None:
    """Ray keeps the processes of a start that failed until this one ends, and tells nobody which they are."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        node = frame.f_locals.get("self")
        if isinstance(node, Node):
            node.kill_all_processes(check_alive=False)
            return
