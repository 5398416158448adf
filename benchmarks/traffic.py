"""Rows offered at a steady rate, and forecasts watched as they are committed, each by its own thread."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import OFFSET_END, Consumer, KafkaError, Message, Producer, TopicPartition

from benchmarks.broker import PARTITIONS
from benchmarks.rows import row

Place = tuple[int, int]  # partition and offset of a row


class Offer:
    """Appends rows from number `first` on, `rate` a second, until it is closed.

    Attributes:
        times: when each row was handed over (`time.time`), by its place in the topic.
    """

    def __init__(self, bootstrap_servers: str, topic: str, first: int, rate: float) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 0})
        self._topic, self._first, self._rate = topic, first, rate
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._offer, name="offer", daemon=True)
        self.times: dict[Place, float] = {}
        self._thread.start()

    def close(self) -> None:
        """Offer no more."""
        self._ending.set()
        self._thread.join()
        self._producer.flush(10)

    def _offer(self) -> None:
        begin, count = time.monotonic(), 0
        while not self._ending.wait(max(0.0, begin + count / self._rate - time.monotonic())):
            key, value = row(self._first + count)
            self._producer.produce(self._topic, value, key, on_delivery=self._note(time.time()))
            self._producer.poll(0)
            count += 1

    def _note(self, offered: float) -> Callable[[KafkaError | None, Message], None]:
        def note(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self.times[message.partition(), message.offset()] = offered

        return note


@dataclass(frozen=True)
class Seen:
    """A forecast that was committed.

    Attributes:
        at: when it came (`time.time`). place: of the row that it is due to.
    """

    at: float
    place: Place


class Watch:
    """Reads a topic of forecasts from its end on, read_committed, until it is closed.

    Attributes:
        seen: all that came, in order.
    """

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "benchmarks-watch",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
                "fetch.min.bytes": 1,
            }
        )
        self._consumer.assign([TopicPartition(topic, p, OFFSET_END) for p in range(PARTITIONS)])
        self._ending = threading.Event()
        self._at_end: set[int] = set()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self.seen: list[Seen] = []
        self._thread.start()

    @property
    def ready(self) -> bool:
        """It stands at the end of every partition: nothing that comes from now on is missed."""
        return len(self._at_end) == PARTITIONS

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._consumer.close()

    def _watch(self) -> None:
        while not self._ending.is_set():
            message = self._consumer.poll(0.1)
            if message is None:
                continue
            if message.error() is not None:
                self._at_end.add(message.partition())
                continue
            headers = dict(message.headers() or ())
            _, partition, offset = headers["foretell-origin"].rsplit(b"/", 2)
            self.seen.append(Seen(time.time(), (int(partition), int(offset))))


def wait_for(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    """Raises TimeoutError: says what did not happen."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {limit_s:.0f} s")
        time.sleep(0.005)
