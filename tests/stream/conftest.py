"""Short ways to a bundle, its forecaster, rows, and blocks of records."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Message

from foretell.bundle.bundle import open_bundle
from foretell.bundle.manifest import Manifest
from foretell.forecasting.forecaster import Forecaster
from foretell.stream.messages import Incoming

START = datetime(2013, 10, 1, tzinfo=UTC)
DAY_MS = int(START.timestamp() * 1000) + 86_400_000  # of records, where a test does not say


@pytest.fixture(scope="session")
def weather(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hourly bundle of lookback 3 and horizon 7."""
    return make_bundle(tmp_path_factory.mktemp("bundle"), lookback=3)


@pytest.fixture(scope="session")
def manifest(weather: Path) -> Manifest:
    return open_bundle(weather).manifest


@pytest.fixture(scope="session")
def forecaster(weather: Path) -> Forecaster:
    return Forecaster.open(weather)


@pytest.fixture(scope="session")
def row() -> Callable[..., bytes]:
    """A row of the weather, `hour` hours after the start; other fields by name."""

    def make(series: object, hour: float, **fields: object) -> bytes:
        usual = {
            "station": series,
            "timestamp": (START + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "temperature": 50.0 + hour,
            "wind_speed": 40.0,
            "dewpoint": 45.0,
        }
        return json.dumps(usual | fields).encode()

    return make


@pytest.fixture(scope="session")
def block() -> Callable[..., Incoming]:
    """Records of the topic `rows` out of values, in one partition or in one each, from an offset on."""

    def make(
        values: Iterable[bytes | None],
        *,
        partition: int | list[int] = 0,
        offset: int = 0,
        key: bytes | None = None,
        headers: list[tuple[str, bytes]] | None = None,
        timestamp_ms: int = DAY_MS,
    ) -> Incoming:
        return Incoming.of(
            "rows",
            [
                Message(
                    topic="rows",
                    partition=partition if isinstance(partition, int) else partition[i],
                    offset=offset + i,
                    key=key,
                    value=value,
                    headers=headers,
                    timestamp=(1, timestamp_ms),
                )
                for i, value in enumerate(values)
            ],
        )

    return make
