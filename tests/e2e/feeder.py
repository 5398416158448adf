"""Puts rows into the input topic at a pace, and keeps the book of promises."""

import threading
import time
from collections.abc import Iterable, Iterator
from itertools import islice

from confluent_kafka import Message, Producer
from tests.e2e.promises import Promises
from tests.e2e.rows import Row

_BATCH = 250


class Feeder:
    """A thread of its own, which lives through brokers that go away.

    Attributes:
        error: why it ended before its rows did.
    """

    def __init__(
        self, servers: str, topic: str, promises: Promises, rows: Iterable[Row], rows_per_s: float
    ) -> None:
        self._topic, self._promises, self._rows = topic, promises, iter(rows)
        self._spacing = _BATCH / rows_per_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self.error: Exception | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": True,  # an offset is a row's place in its partition
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
                self._promises.add(batch)
                for row in batch:
                    self._producer.produce(
                        self._topic,
                        row.value,
                        row.key,
                        row.partition,
                        timestamp=row.timestamp_ms,
                        on_delivery=self._note,
                    )
                self._producer.poll(0)
                due = max(due + self._spacing, time.monotonic() - 1.0)
                if self.error or self._stopping.wait(max(0.0, due - time.monotonic())):
                    break
            self._producer.flush()
        except Exception as error:
            self.error = error

    def _batches(self) -> Iterator[list[Row]]:
        while batch := list(islice(self._rows, _BATCH)):
            yield batch

    def _note(self, error: object, _message: Message) -> None:
        if error is not None:
            self.error = RuntimeError(f"a row was not taken: {error}")
