"""What did come out, held against what was promised."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
from confluent_kafka import Consumer, IsolationLevel, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from tests.e2e.feeder import NUMBER
from tests.e2e.promises import Origin, Promises
from tests.e2e.rows import PARTITIONS, Row

_QUIET = {"log_level": 0, "error_cb": lambda error: None, "metadata.recovery.strategy": "none"}
_SHOWN = 5
_PATIENCE_S = 30.0
_KEPT = 100_000  # rows
Place = tuple[str, int]  # topic, partition


class Audit:
    """Reads the input, forecasts and dead letters, and strikes off what was promised.

    Attributes:
        sent: rows by number, as the feeder made them.
        counts: records read, by kind.
        troubles: each in words; empty is what a test wants.
    """

    def __init__(self, servers: str, names: "Names", promises: Promises) -> None:
        self._servers, self._names, self._promises = servers, names, promises
        self._redeemed: set[tuple[str, Origin]] = set()
        topics = names.input, names.output, names.dead_letters
        self._next = {(topic, partition): 0 for topic in topics for partition in range(PARTITIONS)}
        self.sent: dict[int, Row] = {}
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []

    def all_committed(self) -> bool:
        """Whether the group has committed all rows that the input holds."""
        return self.committed() == self.produced()

    def produced(self) -> int:
        """Rows that the input holds."""
        return sum(self._ends([self._names.input]).values())

    def committed(self) -> int:
        """Rows that the group has committed; less than none when the broker does not say."""
        places = [TopicPartition(self._names.input, p) for p in range(PARTITIONS)]
        consumer = Consumer({"bootstrap.servers": self._servers, "group.id": self._names.group, **_QUIET})
        try:
            committed = consumer.committed(places, 5.0)
        except KafkaException:
            return -1
        finally:
            consumer.close()
        if any(place.error is not None for place in committed):
            return -1
        return sum(max(0, int(place.offset)) for place in committed)

    def owners(self) -> dict[str, set[int]]:
        """Partitions by the identity of the worker that has them; empty while the group does not say."""
        asking = self._asking()
        future = asking.describe_consumer_groups([self._names.group])[self._names.group]
        try:
            members = future.result(10.0).members
        except (KafkaException, TimeoutError):
            return {}
        return {m.group_instance_id: {p.partition for p in m.assignment.topic_partitions} for m in members}

    def read(self) -> None:
        """Read on up to where the topics end now; open transactions are waited for."""
        ends = self._ends([self._names.output, self._names.dead_letters])
        # Rows first, and as far as any outcome can be. A row stands there twice where its producer retried.
        rows = list(self._messages(self._ends([self._names.input])))
        self._promises.add([(_place(message), self._row(message)) for message in rows])
        for message in self._messages(ends):
            self._judge(message)

    def finish(self) -> None:
        """Read to the end; what is still promised now was lost."""
        self.read()
        for kind in ("forecasts", "dead_letters"):
            lost = getattr(self._promises, kind)
            self.counts["lost"] += len(lost)
            self._trouble(*(f"{kind}: {origin} is lost: {lost[origin]}" for origin in sorted(lost)[:_SHOWN]))

    def _row(self, message: Message) -> Row:
        """A row is kept for a while: it can come a second time, but not much later."""
        number = int(dict(message.headers())[NUMBER])
        self.sent.pop(number - _KEPT, None)
        return self.sent[number]

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

    def _asking(self) -> AdminClient:
        """One that has asked before a leader changed would keep to the old leader's epoch for ever.

        It has to be held on to: a client that is let go leaves its answers open.
        """
        return AdminClient({"bootstrap.servers": self._servers, **_QUIET})

    def _ends(self, topics: Sequence[str]) -> dict[Place, int]:
        """High watermarks: behind the records of transactions that are still open. Waits for leaders."""
        wanted = {TopicPartition(t, p): OffsetSpec.latest() for t in topics for p in range(PARTITIONS)}
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            asking = self._asking()
            answers = asking.list_offsets(
                wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=5.0
            )
            try:
                return {(p.topic, p.partition): future.result(10).offset for p, future in answers.items()}
            except (KafkaException, TimeoutError):
                if time.monotonic() > deadline:
                    raise

    def _messages(self, ends: dict[Place, int]) -> Iterator[Message]:
        """Committed records from where reading stood to these ends: it may take long, but not stand still."""
        waiting = {place for place, end in ends.items() if end > self._next[place]}
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
        moved = time.monotonic()
        try:
            while waiting:
                if time.monotonic() - moved > _PATIENCE_S:
                    self._trouble(f"{sorted(waiting)} cannot be read to its end: is a transaction left open?")
                    return
                for message in consumer.consume(10_000, 0.2):
                    place = message.topic(), message.partition()
                    known = message.error() is None or message.error().name() == "_PARTITION_EOF"
                    if place not in waiting or not known:
                        continue
                    if message.error() is None and message.offset() < ends[place]:
                        yield message
                    self._next[place] = min(message.offset() + (message.error() is None), ends[place])
                    moved = time.monotonic()
                    if self._next[place] == ends[place]:
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


def _place(message: Message) -> Origin:
    return message.partition(), message.offset()
