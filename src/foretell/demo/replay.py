"""Weather as a stream of rows: produced to a topic at a steady pace, keyed by airport."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import Message, Producer

from foretell.config import KafkaSettings
from foretell.demo.weather import DEWPOINT, TEMPERATURE, WIND_SPEED, Weather
from foretell.errors import KafkaError
from foretell.stream.kafka.clients import client_config


@dataclass(frozen=True, slots=True)
class Row:
    """An observation as the stream door's defaults read it."""

    airport: str
    time_s: int
    values: tuple[float, float, float]

    def encode(self, series: str) -> bytes:
        return msgspec.json.encode(
            {
                "station": series,
                "timestamp": datetime.fromtimestamp(self.time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "temperature": self.values[TEMPERATURE],
                "dewpoint": self.values[DEWPOINT],
                "wind_speed": self.values[WIND_SPEED],
            }
        )


def rows(weather: Mapping[str, Weather]) -> list[Row]:
    """Every whole observation of all airports, hour by hour."""
    found = [
        Row(airport, int(time_s), (float(values[0]), float(values[1]), float(values[2])))
        for airport, observed in weather.items()
        for time_s, values in zip(observed.time_s, observed.values, strict=True)
        if np.isfinite(values).all()
    ]
    return sorted(found, key=lambda row: (row.time_s, row.airport))


class Replay(threading.Thread):
    """Produces the rows once, or in a loop.

    In a loop each round has series of its own (`JFK`, then `JFK 2`), because event time never runs back.

    Args:
        rate: rows a second.

    Attributes:
        sent: rows so far.
        sent_at: seconds since 1970 at which a row went out, by series and event time.
    """

    def __init__(
        self, kafka: KafkaSettings, topic: str, rows: Sequence[Row], rate: float, loop: bool = False
    ) -> None:
        super().__init__(name="replay", daemon=True)
        self.sent = 0
        self.sent_at: dict[tuple[str, int], float] = {}
        self._rows, self._topic, self._rate, self._loop = rows, topic, rate, loop
        self._stopping = threading.Event()
        self._failed: str | None = None
        role = {"enable.idempotence": True, "linger.ms": 2, "on_delivery": self._note}
        self._producer = Producer(client_config(kafka, role))

    def run(self) -> None:
        began, round_ = time.monotonic(), 1
        while not self._stopping.is_set():
            for row in self._rows:
                due = began + self.sent / self._rate
                if self._stopping.wait(max(0.0, due - time.monotonic())):
                    break
                self._send(row, row.airport if round_ == 1 else f"{row.airport} {round_}")
            round_ += 1
            if not self._loop:
                break
        self._producer.flush(10)

    def stop(self) -> None:
        """End early, and wait until what was sent has arrived."""
        self._stopping.set()
        self.join()

    def check(self) -> None:
        """Raises: KafkaError: a row was not taken."""
        if self._failed:
            raise KafkaError(f"the broker did not take a row of the replay: {self._failed}")

    def _send(self, row: Row, series: str) -> None:
        if not self._loop:  # a loop has no end, and nobody asks when its rows went out
            self.sent_at[series, row.time_s] = time.time()
        self._producer.produce(self._topic, row.encode(series), series)
        self._producer.poll(0)
        self.sent += 1

    def _note(self, error: Any, _message: Message) -> None:
        if error is not None:
            self._failed = error.str()
