"""The fleet under test, as the tests hold it: its ports, its processes, and a line to its manager."""

import signal
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

from tests.e2e.processes import Running, named_below, wait_until

from foretell.errors import DeployFailed
from foretell.serve.replica.doors import ReplicaStats

HOST = "127.0.0.1"
_START_S = 150.0


class Fleet:
    """Replicas behind one port of HTTP and one of gRPC; their driver runs in a process of its own.

    Attributes:
        port, grpc_port: of the lane.
    """

    def __init__(
        self,
        folder: Path,
        tree: dict[str, Any],
        bundles: Sequence[Path],
        environ: dict[str, str] | None = None,
    ) -> None:
        """`tree`: settings. Returns when all replicas answer."""
        place = folder / "fleet.socket"
        self._process = Running(["-m", "tests.e2e.serve.server", str(place)], folder / "fleet.log", environ)
        self._lock = threading.Lock()
        try:
            wait_until(lambda: place.exists() or self._process.ended, _START_S, "the fleet's socket")
            self._line = Client(str(place), "AF_UNIX")
            self._line.send((tree, [str(bundle) for bundle in bundles]))
            self.port, self.grpc_port = self._answer()
        except (EOFError, OSError, AssertionError):
            wait_until(lambda: self._process.ended, 10.0, "the end of a fleet that cannot be asked")
            raise AssertionError(f"the fleet did not start:\n{self.last_words()}") from None

    @property
    def driver(self) -> int:
        """Process id of the manager's program."""
        return self._process.pid

    def call(self, name: str, *arguments: Any) -> Any:
        """Ask its manager. Raises `DeployFailed`: whatever error it told."""
        with self._lock:
            self._line.send((name, arguments))
            return self._answer()

    def replicas(self) -> list[ReplicaStats]:
        told: list[ReplicaStats] = self.call("replicas")
        return told

    def pids(self) -> set[int]:
        """Of the replicas that run."""
        return {replica.pid for replica in self.replicas()}

    def wait_for(self, count: int, *, without: set[int] = frozenset(), limit_s: float = 120.0) -> None:  # type: ignore[assignment]
        """So many replicas answer, none of them `without`, and Serve has nothing left to do."""

        def there() -> bool:
            pids = self.pids()
            return len(pids) == count and not pids & without and self.call("health_check")["is_healthy"]

        wait_until(there, limit_s, f"{count} replicas, {self.last_words(10)}")

    def named(self, name: str) -> list[int]:
        """Processes of its Ray, by a part of their command."""
        return named_below(self.driver, name)

    def close(self) -> None:
        """It drains, and its Ray ends."""
        self._line.close()
        limit = time.monotonic() + 30.0
        while not self._process.ended and time.monotonic() < limit:
            time.sleep(0.05)
        if not self._process.ended:
            self._process.signal(signal.SIGTERM)
            self._process.kill()

    def last_words(self, lines: int = 40) -> str:
        return self._process.last_words(lines)

    def _answer(self) -> Any:
        word, told = self._line.recv()
        if word == "error":
            raise DeployFailed(told)
        return told
