"""What did come out, held against what was promised."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np
from confluent_kafka import Consumer, IsolationLevel, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from tests.e2e.promises import Origin, Promises
from tests.e2e.rows import PARTITIONS

_QUIET = {"log_level": 0, "error_cb": lambda error: None}
_SHOWN = 5


class Audit:
    """Reads forecasts and dead letters, read_committed and in their order, and strikes off what was promised.

    Attributes:
        counts: records read, by kind.
        troubles: each in words; empty is what a test wants.
    """

    def __init__(self, servers: str, names: "Names", promises: Promises) -> None:
        self._servers, self._names, self._promises = servers, names, promises
        self._redeemed: set[tuple[str, Origin]] = set()
        self._next = dict.fromkeys(
            [(t, p) for t in (names.output, names.dead_letters) for p in range(PARTITIONS)], 0
        )
        self._admin = AdminClient({"bootstrap.servers": servers, **_QUIET})
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []

    def all_committed(self) -> bool:
        """Whether the group has committed all rows that were produced; a broker that is away has not."""
        return self.behind() == 0

    def behind(self) -> int | None:
        """Rows that are not committed; `None` when the broker does not say."""
        places = [TopicPartition(self._names.input, p) for p in range(PARTITIONS)]
        consumer = Consumer({"bootstrap.servers": self._servers, "group.id": self._names.group, **_QUIET})
        try:
            committed = consumer.committed(places, 5.0)
        except KafkaException:
            return None
        finally:
            consumer.close()
        if any(place.error is not None for place in committed):
            return None
        done: int = sum(max(0, place.offset) for place in committed)
        return sum(self._promises.next_offsets) - done

    def read(self, limit_s: float = 30.0) -> None:
        """Read on up to where the topics end now; open transactions are waited for."""
        ends = self._ends()
        waiting = {place for place, end in ends.items() if end > self._next[place]}
        if not waiting:
            return
        for message in self._messages(waiting, ends, time.monotonic() + limit_s):
            self._judge(message)

    def finish(self) -> None:
        """Read to the end; what is still promised now was lost."""
        self.read()
        for kind in ("forecasts", "dead_letters"):
            lost = getattr(self._promises, kind)
            self.counts["lost"] += len(lost)
            self._trouble(*(f"{kind}: {origin} is lost: {lost[origin]}" for origin in sorted(lost)[:_SHOWN]))

    def _judge(self, message: Message) -> None:
        headers = dict(message.headers() or [])
        topic, partition, offset = headers["foretell-origin"].decode().split("/")
        origin = int(partition), int(offset)
        kind = "forecast" if message.topic() == self._names.output else "dead letter"
        self.counts[kind + "s"] += 1
        if (kind, origin) in self._redeemed:
            self.counts["duplicates"] += 1
            self._trouble(f"{kind} of {origin} came twice, again at {message.partition()}/{message.offset()}")
            return
        wrong = f"origin in {topic}" if topic != self._names.input else self._check(kind)(message, origin)
        self._redeemed.add((kind, origin))
        if wrong:
            self.counts["wrong"] += 1
            self._trouble(f"{kind} of {origin}: {wrong}")

    def _check(self, kind: str) -> Callable[[Message, Origin], str]:
        return self._check_forecast if kind == "forecast" else self._check_dead_letter

    def _check_forecast(self, message: Message, origin: Origin) -> str:
        promised = self._promises.forecasts.pop(origin, None)
        if promised is None:
            return "was never promised"
        headers = dict(message.headers())
        told = json.loads(message.value())
        values = np.array(told["forecast"]["temperature"])
        off = np.abs(values - promised.values).max() if values.shape == promised.values.shape else np.inf
        issued = datetime.fromtimestamp(promised.newest_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        revision = "foretell-revision" in headers
        wanted = (promised.series, promised.series.encode(), issued, promised.filled, promised.revision)
        found = (told["series"], message.key(), told["issued_at"], told["filled"], revision)
        if found != wanted:
            return f"{found} instead of {wanted}"
        return f"off by {off}" if not off <= self._promises.tolerance else ""

    def _check_dead_letter(self, message: Message, origin: Origin) -> str:
        promised = self._promises.dead_letters.pop(origin, None)
        if promised is None:
            return "was never promised"
        headers = dict(message.headers())
        wanted = promised.reason, promised.row.key, promised.row.value
        found = headers["foretell-error-reason"].decode(), message.key(), message.value()
        return f"{found} instead of {wanted}" if found != wanted else ""

    def _trouble(self, *words: str) -> None:
        self.troubles += words[: max(0, 4 * _SHOWN - len(self.troubles))]

    def _ends(self) -> dict[tuple[str, int], int]:
        """High watermarks: behind the records of transactions that are still open."""
        wanted = {TopicPartition(*place): OffsetSpec.latest() for place in self._next}
        answers = self._admin.list_offsets(
            wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=10.0
        )
        return {(p.topic, p.partition): future.result().offset for p, future in answers.items()}

    def _messages(
        self, waiting: set[tuple[str, int]], ends: dict[tuple[str, int], int], deadline: float
    ) -> Iterator[Message]:
        consumer = Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": f"{self._names.group}-audit",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                **_QUIET,
            }
        )
        consumer.assign([TopicPartition(*place, self._next[place]) for place in waiting])
        try:
            while waiting:
                if time.monotonic() > deadline:
                    self._trouble(f"{sorted(waiting)} cannot be read to its end: is a transaction left open?")
                    return
                for message in consumer.consume(10_000, 0.2):
                    place = message.topic(), message.partition()
                    if message.error() is None:
                        yield message
                        self._next[place] = message.offset() + 1
                    elif message.error().name() == "_PARTITION_EOF":
                        self._next[place] = message.offset()
                    if self._next[place] >= ends[place]:
                        waiting.discard(place)
        finally:
            consumer.close()

    def told(self) -> str:
        """One line of figures, and what was wrong."""
        made = self._promises.made
        figures = (
            f"{made['rows']} rows, {self.counts['forecasts']} forecasts of {made['forecasts']}, "
            f"{self.counts['dead letters']} dead letters of {made['dead letters']}, "
            f"{self.counts['duplicates']} duplicates, {self.counts['lost']} lost, "
            f"{self.counts['wrong']} wrong"
        )
        return "\n  ".join([figures, *self.troubles])


class Names:
    """The topics and the group of one test."""

    def __init__(self, name: str) -> None:
        self.group = name
        self.input, self.output = f"{name}-rows", f"{name}-forecasts"
        self.dead_letters = f"{self.input}-dead-letters"
