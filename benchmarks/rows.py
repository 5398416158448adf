"""Weather rows of many stations, hour by hour, keyed by station, and the backlog that they make."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from confluent_kafka import Producer

STATIONS = 200
LOOKBACK = 7  # of model A: so many rows of a station make its first forecast
_BEGIN = datetime(2013, 1, 1, tzinfo=UTC)


def row(number: int) -> tuple[bytes, bytes]:
    """Key and JSON value of row `number`: the stations one after the other, then the next hour."""
    hour, station = divmod(number, STATIONS)
    name = f"station-{station:03}"
    told = {
        "station": name,
        "timestamp": (_BEGIN + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "temperature": round(50 + 15 * float(np.sin(hour / 24 + station)), 2),
        "wind_speed": round(50 + 10 * float(np.cos(hour / 7 + station)), 1),
        "dewpoint": round(45 + 12 * float(np.sin(hour / 30 + station)), 2),
    }
    return name.encode(), json.dumps(told).encode()


def rows(count: int) -> Iterator[tuple[bytes, bytes]]:
    """The first `count` of them."""
    return map(row, range(count))


def forecasts_of(count: int) -> int:
    """How many forecasts the first `count` rows make."""
    return max(0, count - (LOOKBACK - 1) * STATIONS)


def fill(bootstrap_servers: str, topic: str, records: Iterator[tuple[bytes, bytes]]) -> None:
    """Append records to a topic, as fast as it goes."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "linger.ms": 20,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1_048_576,
        }
    )
    for number, (key, value) in enumerate(records):
        producer.produce(topic, value, key)
        if number % 10_000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise RuntimeError(f"the broker did not take the backlog of {topic}")
