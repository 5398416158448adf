"""Models that take as long as they are told, served on a real Ray; callers that count what they lose."""

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.serve.on_ray.spinning import write_spinning_bundle

from foretell.config import Settings

LIMIT_S = 120.0


@pytest.fixture(scope="session")
def spinning() -> Callable[..., Path]:
    """`write_spinning_bundle`."""
    return write_spinning_bundle


@pytest.fixture(scope="session")
def settings_on_ray() -> Callable[..., Settings]:
    """A Ray of one's own, free ports, and little patience; other settings of `serve` by name."""

    def make(**serve: Any) -> Settings:
        usual = {
            "port": 0,
            "grpc_port": 0,
            "replicas": 2,
            "gpu": False,
            "drain": 5,
            "wait": 90,
            "watch": 1,
            "batch": {"max_batch_size": 8},
        }
        return Settings.model_validate({"ray": {"head_address": "local"}, "serve": usual | serve})

    return make


def window(value: float = -1.0) -> list[list[float]]:
    """(10, 60), all of one value."""
    return [[value] * 60] * 10


def ask(url: str, value: float = -1.0, timeout: float = 20.0) -> dict[str, Any]:
    """One window over HTTP, on a connection of its own."""
    data = {"name": "windows", "shape": [1, 10, 60], "datatype": "FP64", "data": [window(value)]}
    request = urllib.request.Request(f"{url}/v2/models/spin/infer", json.dumps({"inputs": [data]}).encode())
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        told: dict[str, Any] = json.loads(answer.read())
    return told


class Callers:
    """Threads that ask all the time. `patient`: asks again after a lost connection, as clients do.

    Attributes:
        answers: of all, as they came. lost: what was not answered.
    """

    def __init__(self, url: str, count: int, value: float = -1.0, *, patient: bool = False) -> None:
        self._url, self._value, self._patient = url, value, patient
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(count)]
        self.answers: list[dict[str, Any]] = []
        self.lost: list[Exception] = []

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(LIMIT_S)

    def versions(self) -> set[str]:
        return {answer["model_version"] for answer in self.answers}

    def _ask(self) -> None:
        while not self._ended.is_set():
            for attempt in range(10):
                try:
                    self.answers.append(ask(self._url, self._value))
                    break
                except (OSError, ValueError, http.client.HTTPException) as error:
                    if not self._patient or attempt == 9:
                        self.lost.append(error)
                        break
                    time.sleep(0.1 * attempt)


@pytest.fixture(scope="session")
def callers() -> Callable[..., Callers]:
    return Callers


@pytest.fixture(scope="session")
def asked() -> Callable[..., dict[str, Any]]:
    """`ask`."""
    return ask


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait until a condition holds."""

    def wait(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, f"not so after {limit_s:.0f} s"
            time.sleep(0.1)

    return wait
