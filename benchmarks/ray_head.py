"""A Ray head of this run's own, on loopback and free ports."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from benchmarks.traffic import wait_for
from foretell.demo.apache_kafka import free_ports
from foretell.demo.leash import Leashed

_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else the node listens on all addresses
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": token_hex(32),
}
_TRY = """
import sys, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
ray.get(ray.remote(lambda: 0).remote())
"""


@dataclass(frozen=True)
class RayHead:
    """Attributes: `address` of the head, `folder` of its session."""

    address: str
    folder: str

    def actors(self, class_name: str) -> set[int]:
        """Process ids of this Ray's actors of a class. Ray gives them its words as names."""
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "cmdline").read_text().startswith(f"ray::{class_name}"):
                    parent = (process / "stat").read_text().rpartition(") ")[2].split()[1]
                    if self.folder in Path("/proc", parent, "cmdline").read_text():
                        found.add(int(process.name))
        return found


@contextlib.contextmanager
def ray_head() -> Iterator[RayHead]:
    """Once it has run a task. Its token is in this process's environment, for those that it starts."""
    os.environ.update(_ENVIRONMENT)
    port, client, dashboard, agent = free_ports(4)
    with tempfile.TemporaryDirectory(prefix="foretell-ray-", ignore_cleanup_errors=True) as folder:
        head = Leashed(
            [
                *(str(Path(sys.executable).parent / "ray"), "start", "--head", "--block"),
                *("--node-ip-address=127.0.0.1", f"--port={port}", f"--ray-client-server-port={client}"),
                *("--include-dashboard=false", f"--dashboard-port={dashboard}"),
                *(f"--dashboard-agent-listen-port={agent}", "--disable-usage-stats", "--num-cpus=4"),
                *("--object-store-memory=100000000", f"--temp-dir={folder}"),
            ],
            Path(folder) / "console.log",
        )
        address = f"127.0.0.1:{port}"
        try:
            wait_for(lambda: _runs_a_task(address), "a task on Ray")
            yield RayHead(address, folder)
        finally:
            head.signal(signal.SIGTERM)  # it ends its own processes
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: head.ended, "the end of Ray", 20)
            head.kill()


def _runs_a_task(address: str) -> bool:
    done = subprocess.run([sys.executable, "-c", _TRY, address], capture_output=True, check=False, timeout=30)
    return done.returncode == 0
