"""One fleet for all tests here: two replicas with two models, on a Ray of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.serve.fleet import Fleet
from tests.serve.on_ray.spinning import write_spinning_bundle

from foretell.demo.apache_kafka import free_ports

SETTINGS: dict[str, Any] = {
    "port": 0,
    "grpc_port": 0,
    "replicas": 2,
    "gpu": False,
    "drain": 2,
    "wait": 90,
    "watch": 0.1,
    "stuck": 3,
    "batch": {"max_batch_size": 16, "max_queue_rows": 64},
    "limits": {"slow": 1.5},
}


@dataclass(frozen=True, slots=True)
class Models:
    """`weather`, `other`: two versions of a forecast model. `spin`: takes as long as it is told."""

    weather: Path
    other: Path
    spin: Path

    @property
    def served(self) -> list[Path]:
        return [self.weather, self.spin]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[..., Path]) -> Models:
    folder = tmp_path_factory.mktemp("models")
    return Models(
        make_bundle(folder / "one"),
        make_bundle(folder / "other", seed=1),
        # Never so quick that it is evaluated where it came in: that is for models that take no time.
        write_spinning_bundle(folder, least=1000),
    )


@pytest.fixture(scope="session")
def proxy_port() -> int:
    """Of Serve's own proxy."""
    return free_ports(1)[0]


@pytest.fixture(scope="session")
def fleet(models: Models, proxy_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Each test leaves it with two replicas that are well."""
    tree = {"ray": {"head_address": "local"}, "serve": {**SETTINGS, "proxy_port": proxy_port}}
    made = Fleet(tmp_path_factory.mktemp("fleet"), tree, models.served)
    yield made
    made.close()
