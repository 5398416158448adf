"""`foretell stream` in a process of its own, and what is left behind of it."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.marked import marked_environ, wait_for_the_end

FORETELL = Path(sys.executable).with_name("foretell")


class Process:
    """`foretell stream` with its output in a file.

    Attributes:
        port: of /healthz and /metrics, once it is told.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], *options: str) -> None:
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(FORETELL), "stream", *options], env=environ, stdout=log, stderr=log, cwd=folder
            )

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def port(self) -> int | None:
        found = re.search(r"/healthz and /metrics at http://127\.0\.0\.1:(\d+)", self.said)
        return int(found[1]) if found else None

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; 0 while nobody listens."""
        if self.port is None:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except OSError as error:
            return getattr(error, "code", 0), ""

    def until(self, condition: Callable[[], object], limit_s: float = 120.0) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert self._process.poll() is None, f"it ended: {self.said}"
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def status(self, limit_s: float = 120.0) -> int:
        """Wait for its end."""
        return self._process.wait(limit_s)

    def end(self) -> None:
        """Whatever became of the test."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def environ() -> Mapping[str, str]:
    """Of this test alone, so that what is left behind can be told from others' processes."""
    return marked_environ()


@pytest.fixture
def start(environ: Mapping[str, str], tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts it with settings as a file and flags; nothing of it outlives the test by more than a moment."""
    started: list[Process] = []

    def run(settings: dict[str, Any], *options: str) -> Process:
        file = tmp_path / "foretell.yaml"
        file.write_text(json.dumps(settings))  # JSON is YAML
        started.append(Process(tmp_path, environ, "--config", str(file), *options))
        return started[-1]

    yield run
    for process in started:
        process.end()
    wait_for_the_end(environ, 15)


@pytest.fixture(scope="session")
def process_settings() -> Callable[..., dict[str, Any]]:
    """`process_settings(servers, bundle, …)`: a tree; a Ray of its own, one actor, a free port."""
    return settings


def settings(servers: str, bundle: Path, **stream: object) -> dict[str, Any]:
    return {
        "kafka": {"bootstrap_servers": servers},
        "ray": {"head_address": "local", "num_cpus": 2},
        "model": {"bundle": str(bundle)},
        "stream": {"num_actors": 1, "port": 0, **stream},
    }
