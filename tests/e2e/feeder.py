"""Puts rows into the input topic at a pace."""

import threading
import time
from collections.abc import Iterable, Iterator
from itertools import count, islice

from confluent_kafka import Message, Producer
from tests.e2e.rows import Row

NUMBER = "row"  # header
_BATCH = 250


class Feeder:
    """A thread of its own, which lives through brokers that go away.

    Attributes:
        error: why it ended before its rows did.
    """

    def __init__(
        self, servers: str, topic: str, sent: dict[int, Row], rows: Iterable[Row], rows_per_s: float
    ) -> None:
        """`sent`: takes each row by its number, which its record bears in a header."""
        self._topic, self._sent, self._rows = topic, sent, iter(rows)
        self._numbers = count()
        self._spacing = _BATCH / rows_per_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self.error: Exception | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": True,
                "metadata.recovery.strategy": "none",
                "linger.ms": 5,
                "log_level": 0,
                "error_cb": lambda error: None,
            }
        )

    def start(self) -> None:
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether all rows are in the topic; raises what went wrong."""
        if self.error is not None:
            raise self.error
        return not self._thread.is_alive()

    def stop(self) -> None:
        """No rows but those that are promised already; waits for these to be in the topic."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        try:
            for batch in self._batches():
                for row in batch:
                    self._produce(row)
                self._producer.poll(0)
                due = max(due + self._spacing, time.monotonic() - 1.0)
                if self.error or self._stopping.wait(max(0.0, due - time.monotonic())):
                    break
            self._producer.flush()
        except Exception as error:
            self.error = error

    def _produce(self, row: Row) -> None:
        number = next(self._numbers)
        self._sent[number] = row
        self._producer.produce(
            self._topic,
            row.value,
            row.key,
            row.partition,
            timestamp=row.timestamp_ms,
            headers={NUMBER: str(number)},
            on_delivery=self._note,
        )

    def _batches(self) -> Iterator[list[Row]]:
        while batch := list(islice(self._rows, _BATCH)):
            yield batch

    def _note(self, error: object, _message: Message) -> None:
        if error is not None:
            self.error = RuntimeError(f"a row was not taken: {error}")
