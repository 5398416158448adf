"""A turn's records and offsets, delivered together: in one Kafka transaction, or flushed at least once."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from foretell.config import KafkaSettings
from foretell.errors import Fenced, KafkaError
from foretell.stream.kafka.clients import client_config
from foretell.stream.messages.blocks import Outgoing

# What says that another producer or consumer has taken over.
_FENCING = {
    "_FENCED",
    "PRODUCER_FENCED",
    "INVALID_PRODUCER_EPOCH",
    "FENCED_INSTANCE_ID",
    "FENCED_MEMBER_EPOCH",
}
_PATIENCE_S = 5.0

EXACTLY_ONCE = {
    "enable.idempotence": True,
    "transaction.timeout.ms": 10_000,
    # A transaction right after the last one meets CONCURRENT_TRANSACTIONS; the default wait is 100 ms.
    "retry.backoff.ms": 1,
    "retry.backoff.max.ms": 100,
}
THROUGHPUT = {
    "linger.ms": 1,
    "batch.num.messages": 10_000,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 1_048_576,
    "message.max.bytes": 10_000_000,
    "delivery.report.only.error": True,
}


class Aborted(Exception):
    """Nothing of the turn was delivered: windows go back, and the consumer seeks back."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """The topic of each kind of record."""

    forecasts: str
    dead_letters: str
    changelog: str
    rows: str


class Delivery(Protocol):
    """How a turn leaves the worker."""

    def start(self) -> None:
        """Take over from a predecessor, which is fenced by this."""
        ...

    def send(self, out: Outgoing, offsets: list[TopicPartition], membership: Any) -> None:
        """Deliver records and offsets.

        Raises:
            Aborted: nothing was delivered, and the turn can be taken again.
            Fenced: another worker has taken over; stop at once.
            KafkaError: it cannot go on.
        """
        ...

    def confirm(self, offsets: list[TopicPartition]) -> None:
        """What is left to do after `send`, in the thread that polls. Raises as `send`."""
        ...


class ExactlyOnce:
    """One transactional producer (Kafka KIP-98 and KIP-447).

    Its id is `<group>-<index>`, so that a replacement fences the worker that it replaces and by that
    ends its open transaction; the group's generation in `membership` fences a worker that lost
    its partitions.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        destinations: Destinations,
        transactional_id: str,
        give_up: Callable[[], bool],
    ) -> None:
        self._producer = Producer(
            client_config(kafka, THROUGHPUT | EXACTLY_ONCE | {"transactional.id": transactional_id})
        )
        self._destinations = destinations
        self._give_up = give_up

    def start(self) -> None:
        with contextlib.suppress(KafkaException):
            # Its coordinator, asked for before there is a connection, is asked for again only after 500 ms.
            self._producer.list_topics(self._destinations.forecasts, timeout=_PATIENCE_S)
        try:
            self._patiently(self._producer.init_transactions)
        except KafkaException as error:
            _raise_if_over(error)
            raise KafkaError(f"transactions cannot begin: {error.args[0].str()}") from None

    def send(self, out: Outgoing, offsets: list[TopicPartition], membership: Any) -> None:
        """Deliver in one transaction.

        1. begin; 2. produce forecasts, dead letters and changed windows; 3. send the offsets with the
        consumer's membership; 4. commit, which waits until all of it is written. A failure at
        any step aborts the rest.
        """
        try:
            self._producer.begin_transaction()
            produce_all(self._producer, self._destinations, out)
            self._patiently(self._producer.send_offsets_to_transaction, offsets, membership)
            self._patiently(self._producer.commit_transaction)
        except KafkaException as error:
            self._abort(error)

    def confirm(self, offsets: list[TopicPartition]) -> None:
        """Nothing: the transaction held them."""

    def _patiently(self, call: Callable[..., object], *args: object) -> None:
        """Call again for as long as the client says that the same call may succeed."""
        while True:
            try:
                call(*args, _PATIENCE_S)
                return
            except KafkaException as error:
                if not error.args[0].retriable() or self._give_up():
                    raise

    def _abort(self, error: KafkaException) -> None:
        """End the transaction so that nothing of it is seen, and say so by raising."""
        _raise_if_over(error)
        try:
            self._patiently(self._producer.abort_transaction)
        except KafkaException as second:
            _raise_if_over(second)
            raise KafkaError(f"a transaction could not be aborted: {second.args[0].str()}") from None
        raise Aborted(error.args[0].str()) from None


class AtLeastOnce:
    """A plain producer: forecasts and rows that go on first, then windows, then offsets, each waited for.

    In that order a crash repeats forecasts and never loses one: a window that is already stored makes its row
    a duplicate, for which nothing is sent again.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        destinations: Destinations,
        consumer: Callable[[], Consumer],
        give_up: Callable[[], bool],
    ) -> None:
        self._producer = Producer(
            client_config(kafka, THROUGHPUT | {"enable.idempotence": True}) | {"on_delivery": self._note}
        )
        self._consumer = consumer
        self._destinations = destinations
        self._give_up = give_up
        self._failed: str | None = None

    def start(self) -> None:
        """Nothing to take over."""

    def send(self, out: Outgoing, offsets: list[TopicPartition], membership: Any) -> None:
        self._flush(Outgoing(forecasts=out.forecasts, dead_letters=out.dead_letters, rows=out.rows))
        self._flush(Outgoing(changes=out.changes))

    def confirm(self, offsets: list[TopicPartition]) -> None:
        try:
            self._consumer().commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            _raise_if_over(error)
            raise Aborted(error.args[0].str()) from None

    def _flush(self, out: Outgoing) -> None:
        self._failed = None
        produce_all(self._producer, self._destinations, out)
        while self._producer.flush(_PATIENCE_S) and not self._give_up():
            continue
        if self._failed is not None or len(self._producer):
            self._producer.purge()
            raise Aborted(self._failed or "the broker did not take all records")

    def _note(self, error: Any, _message: object) -> None:
        if error is not None:
            self._failed = error.str()


def produce_all(producer: Producer, to: Destinations, out: Outgoing) -> None:
    """Queue all records of a turn."""
    produce = producer.produce
    try:
        for key, value, headers in out.forecasts:
            produce(to.forecasts, value, key, headers=headers)
        for dead_key, dead_value, headers in out.dead_letters:
            produce(to.dead_letters, dead_value, dead_key, headers=headers)
        for partition, key, state in out.changes:
            produce(to.changelog, state, key, partition)
        for key, row, headers in out.rows:
            produce(to.rows, row, key, headers=headers)
    except BufferError:
        raise KafkaError(
            "a block does not fit the producer's queue", cure="lower stream.block_rows"
        ) from None


def _raise_if_over(error: KafkaException) -> None:
    cause = error.args[0]
    if cause.name() in _FENCING:
        raise Fenced(f"another worker has taken over: {cause.str()}") from None
    if cause.name() in ("MSG_SIZE_TOO_LARGE", "_MSG_SIZE_TOO_LARGE"):
        raise KafkaError(
            "a record is larger than its topic takes",
            cure="raise max.message.bytes of the output, dead-letter and changelog topics",
        ) from None
    if cause.fatal():
        raise KafkaError(f"the producer cannot go on: {cause.str()}") from None
