"""How Ray is reached: as a node of its cluster, as a Ray client, or as a Ray of our own on this machine."""

import logging
import os
import socket
import threading
import time

import ray

from foretell.cluster import local_ray
from foretell.cluster.ray_init import in_a_line, init
from foretell.config import RaySettings
from foretell.errors import RayUnreachable

log = logging.getLogger(__name__)
_CLIENT_PORT = 10001
_AGAIN_S = 1.0
_LEAST_S = 5.0
_TOKEN = "a cluster with token authentication wants RAY_AUTH_MODE=token and RAY_AUTH_TOKEN here, too"


class Cluster:
    """A connection to Ray that can be made again.

    Attributes:
        own: it is a Ray that we started, and that ends with us.
        address: how it was reached, for people.
    """

    def __init__(self, settings: RaySettings, workers: int) -> None:
        self._settings = settings
        self._workers = workers
        self.own = not settings.client_url and settings.head_address in (None, "local")
        self.address = ""

    def connect(self, deadline: float) -> None:
        """Try each way until `deadline` (of `time.monotonic`).

        Raises:
            RayUnreachable: names what was tried, and what to start.
        """
        if self.own:
            # One more than are used: Ray then has a process ready for the first replacement.
            cpus = self._settings.num_cpus or max(os.cpu_count() or 1, self._workers) + 1
            local_ray.start(cpus, deadline)
            self.address = "this machine"
            return
        while True:
            failures = []
            for url in self._ways():
                reason = self._try(url, deadline)
                if reason is None:
                    self.address = url
                    log.info("Ray reached at %s", url)
                    return
                failures.append(f"{url}: {reason}")
            if time.monotonic() > deadline:
                raise RayUnreachable(
                    "Failed to connect to Ray cluster; tried\n" + "\n".join(failures),
                    cure="start one with `ray start --head --ray-client-server-port 10001`, or set "
                    "RAY_CLIENT_URL (ray://host:10001) or RAY_HEAD_ADDRESS (host:6379)\n" + _TOKEN,
                )
            time.sleep(_AGAIN_S)

    def alive(self) -> bool:
        """Whether the connection still holds. A Ray of our own is alive while all its processes are."""
        if not ray.is_initialized():
            return False
        if self.own:
            node = ray._private.worker._global_node
            return node is not None and not node.dead_processes()
        return True

    def answers(self) -> bool:
        """Whether somebody listens where it was reached; Ray itself waits a minute, and ends this process."""
        if self.own:
            return True
        try:
            _knock(self.address)
        except OSError:
            return False
        return True

    def gpus(self) -> float:
        """GPUs of the cluster."""
        return float(ray.cluster_resources().get("GPU", 0))

    def close(self) -> None:
        """Leave; a Ray of our own ends."""
        if ray.is_initialized():
            ray.shutdown()

    def _ways(self) -> list[str]:
        if self._settings.client_url:
            return [self._settings.client_url]
        head = self._settings.head_address or ""
        return [head, f"ray://{head.rpartition(':')[0]}:{_CLIENT_PORT}"]

    def _try(self, url: str, deadline: float) -> str | None:
        """Connect; what went wrong, in one line."""
        try:
            # Ray itself would try for a minute, and print a page, where nobody listens.
            _knock(url)
        except (OSError, ValueError) as error:
            return str(error)
        failure = _init(url, max(deadline - time.monotonic(), _LEAST_S))
        if failure is not None:
            ray.shutdown()
        return failure


def _knock(url: str) -> None:
    """Raises OSError, ValueError: nobody listens there."""
    host, _, port = url.removeprefix("ray://").rpartition(":")
    socket.create_connection((host, int(port)), timeout=2).close()


def _init(url: str, patience_s: float) -> str | None:
    """Connect, in a thread, as Ray bounds it by nothing that one can set; what went wrong, in one line.

    Raises:
        RayUnreachable: no answer at all; no second way can be tried, as the first is still under way.
    """
    failures: list[str] = []

    def connect() -> None:
        try:
            init(url, ignore_reinit_error=True)
        except Exception as error:  # Ray raises whatever its layers raise
            failures.append(in_a_line(error))

    thread = threading.Thread(target=connect, name="ray", daemon=True)
    thread.start()
    thread.join(patience_s)
    if thread.is_alive():
        raise RayUnreachable(
            f"Failed to connect to Ray cluster; {url} takes connections and does not answer",
            cure="is it of the same Ray version, and reached under the address that its nodes know?\n"
            + _TOKEN,
        )
    return failures[0] if failures else None
