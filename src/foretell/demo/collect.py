"""Reads forecasts back from the output topic, as any consumer would: committed ones only."""

import threading
import time
from dataclasses import dataclass
from datetime import datetime

import msgspec
from confluent_kafka import OFFSET_BEGINNING, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as ClientError

from foretell.config import KafkaSettings
from foretell.stream.kafka.clients import explain, reader


class _Forecast(msgspec.Struct):
    series: str
    issued_at: datetime
    forecast: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A forecast that came.

    Attributes:
        issued_s: event time of its newest row, seconds since 1970.
        values: of the first target, a number a step.
        at: when it was read, seconds since 1970.
    """

    series: str
    issued_s: int
    values: list[float]
    at: float


class Collector(threading.Thread):
    """Collects from all partitions until `stop`.

    Args:
        keep: hold the forecasts; without it they are only counted.

    Attributes:
        count: of forecasts so far. arrivals: they themselves, in the order in which they came.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, partitions: int, keep: bool = True) -> None:
        super().__init__(name="collector", daemon=True)
        self.count = 0
        self.arrivals: list[Arrival] = []
        self._kafka, self._topic, self._keep = kafka, topic, keep
        self._stopping = threading.Event()
        self._failed: KafkaException | None = None
        self._consumer = reader(kafka, group="foretell-demo-collector")  # named, but never joined
        self._consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
        self._decode = msgspec.json.Decoder(_Forecast).decode

    def run(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.1)
            if message is not None:
                self._take(message)
        self._consumer.close()

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def check(self) -> None:
        """Raises: KafkaError: the topic cannot be read."""
        if self._failed is not None:
            raise explain(self._failed, f"reading {self._topic}", self._kafka)

    def _take(self, message: Message) -> None:
        error, value = message.error(), message.value()
        if error is not None:
            if error.code() != ClientError._PARTITION_EOF and not error.retriable():
                self._failed = KafkaException(error)
        elif value is not None:
            now = time.time()
            if self._keep:
                said = self._decode(value)
                first = next(iter(said.forecast.values()))
                self.arrivals.append(Arrival(said.series, int(said.issued_at.timestamp()), first, now))
            self.count += 1
