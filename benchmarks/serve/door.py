"""`foretell serve` as a person starts it, in a process of its own with a Ray of its own."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.serve import requests
from benchmarks.serve.offer import MARK
from benchmarks.serve.server import Answers, running
from foretell.bundle.bundle import Bundle
from foretell.demo.apache_kafka import free_ports

FORETELL = str(Path(sys.executable).parent / "foretell")
_ENVIRONMENT = {"RAY_HEAD_ADDRESS": "local", "RAY_USAGE_STATS_ENABLED": "0"}
_MANY = 1_000_000  # a second: a rate that is counted, and never reached


@dataclass(frozen=True)
class Door:
    """An open request door of one model.

    Attributes:
        key: what a request has to bear, if any.
    """

    bundle: Bundle
    port: int
    grpc_port: int
    key: str = ""

    @property
    def path(self) -> str:
        return f"/v2/models/{self.bundle.manifest.name}/infer"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def as_json(self, rows: int = 1) -> list[bytes]:
        """Requests for so many windows each."""
        return [
            requests.post(self.path, requests.oip_json(block), self.headers)
            for block in requests.windows(self.bundle, rows)
        ]

    def as_bytes(self, rows: int) -> list[bytes]:
        """The same with binary tensors."""
        return [self._binary(block) for block in requests.windows(self.bundle, rows, 64)]

    def marked(self, parameters: Mapping[str, Any] | None = None) -> bytes:
        """One for a window, with a mark for the load to write over: its first two numbers."""
        block = next(requests.windows(self.bundle, 1))
        body, headers = requests.oip_binary(block, parameters)
        at = len(body) - block.size * 4
        body = body[:at] + MARK + body[at + len(MARK) :]
        return requests.post(self.path, body, {**self.headers, **headers})

    def _binary(self, block: NDArray[np.float64]) -> bytes:
        body, headers = requests.oip_binary(block)
        return requests.post(self.path, body, {**self.headers, **headers})


@contextlib.contextmanager
def foretell(
    bundle: Bundle,
    folder: Path,
    *,
    replicas: int = 1,
    everything: bool = False,
    access_log: bool = False,
    queue_rows: int | None = None,
) -> Iterator[Door]:
    """Without keys and limits; `everything`: with both, and a rate that each request is counted against."""
    port, grpc_port = free_ports(2)
    serve: dict[str, object] = {
        "port": port,
        "grpc_port": grpc_port,
        "replicas": replicas,
        "gpu": False,
        "access_log": access_log,
    }
    if queue_rows is not None:
        serve["batch"] = {"max_queue_rows": queue_rows}
    key = ""
    if everything:
        keys = folder / f"keys-{port}.json"
        key = _new_key(keys)
        serve["security"] = {"keys": str(keys)}
    config = folder / f"foretell-{port}.yaml"
    config.write_text(yaml.safe_dump({"serve": serve}))
    door = Door(bundle, port, grpc_port, key)
    body = requests.oip_json(next(requests.windows(bundle, 1)))
    answers = Answers(f"http://127.0.0.1:{port}{door.path}", body, door.headers)
    command = [FORETELL, "serve", str(bundle.path), "--config", str(config)]
    with running(command, folder / f"foretell-{port}.log", _ENVIRONMENT, answers):
        yield door


def _new_key(file: Path) -> str:
    done = subprocess.run(
        [
            *(FORETELL, "keys", "new", "--client", "bench", "--models", "*", "--max-priority", "high"),
            *("--rate", str(_MANY), "--file", str(file)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
