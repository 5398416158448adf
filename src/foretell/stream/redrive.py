"""Dead letters go back to the input topic: each once, however often and from wherever this is run.

What was put back is kept in the offsets of the group `<group>-dlq-redrive`, in the same transaction.
An offset says where the first letter lies that was not put back; its metadata says how much further each
reason has come, so that letters of one reason can go before the others.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka import KafkaError as ClientError

from foretell.config import Settings
from foretell.stream.kafka.clients import client_config, explain, reader
from foretell.stream.kafka.reader import partitions_of, read_from
from foretell.stream.messages.deadletter import REDRIVEN, WORDS, DeadLetter, dead_letter_topic

_BATCH = 1000  # letters a transaction
_PATIENCE = 30.0
# A broker that has just started looks for the group's coordinator first; and offsets are unstable for a
# moment after their transaction was committed.
_PASSING = {
    ClientError.NOT_COORDINATOR,
    ClientError.COORDINATOR_NOT_AVAILABLE,
    ClientError.COORDINATOR_LOAD_IN_PROGRESS,
    ClientError.UNSTABLE_OFFSET_COMMIT,
}


class Progress:
    """How far each reason has come in each partition."""

    def __init__(self, committed: list[TopicPartition]) -> None:
        self.next = {at.partition: _by_reason(at) for at in committed}

    def is_back(self, letter: DeadLetter) -> bool:
        return letter.offset < self.next[letter.partition][letter.reason]

    def advance(self, partition: int, reasons: tuple[str, ...], offset: int) -> None:
        """Letters of these reasons before `offset` are dealt with."""
        known = self.next[partition]
        for reason in reasons:
            known[reason] = max(known[reason], offset)

    def offsets(self, topic: str) -> list[TopicPartition]:
        """In the form in which they are committed."""
        return [
            TopicPartition(topic, partition, low := min(known.values()), _metadata(known, low))
            for partition, known in self.next.items()
        ]

    def first(self, reasons: tuple[str, ...]) -> dict[int, int]:
        """By partition: where letters of these reasons may lie."""
        return {partition: min(known[r] for r in reasons) for partition, known in self.next.items()}


def _by_reason(at: TopicPartition) -> dict[str, int]:
    low = max(at.offset, 0)
    further = msgspec.json.decode(at.metadata or "{}", type=dict[str, int])
    return {reason: further.get(reason, low) for reason in WORDS}


def _metadata(known: dict[str, int], low: int) -> str:
    return msgspec.json.encode({r: offset for r, offset in known.items() if offset > low}).decode()


class Redrive:
    """Puts letters back. One that starts ends another's unfinished transaction and fences it.

    Raises:
        Fenced: another redrive of the group was started meanwhile; what it did not finish, this one can.
    """

    def __init__(self, settings: Settings) -> None:
        self._kafka = settings.kafka
        self._input = settings.stream.input_topic
        self._topic = dead_letter_topic(self._input)
        self._partitions = partitions_of(self._kafka, self._topic)
        self._input_partitions = partitions_of(self._kafka, self._input)
        name = _name(settings)
        self._producer = Producer(
            client_config(self._kafka, {"transactional.id": name, "retry.backoff.ms": 10})
        )
        self._consumer = reader(self._kafka, group=name)

    def run(self, reason: str | None = None, limit: int | None = None) -> dict[str, int]:
        """Put back letters of one reason or of all, at most `limit`; gives how many, by reason."""
        reasons = (reason,) if reason else WORDS
        done: dict[str, int] = {}
        try:
            self._producer.init_transactions(_PATIENCE)  # from here on nobody else's offsets can change
            progress = Progress(_committed(self._consumer, self._topic, self._partitions))
            letters = islice(self._waiting(progress, reasons), limit)
            while batch := list(islice(letters, _BATCH)):
                self._put_back(batch, progress, reasons)
                for letter in batch:
                    done[letter.reason] = done.get(letter.reason, 0) + 1
        except KafkaException as error:
            raise explain(error, f"putting back letters of {self._topic}", self._kafka) from None
        finally:
            self._consumer.close()
        return done

    def _waiting(self, progress: Progress, reasons: tuple[str, ...]) -> Iterator[DeadLetter]:
        places = progress.first(reasons)
        for record in read_from(self._consumer, self._kafka, self._topic, places, to_end=True):
            letter = DeadLetter.of(record)
            if letter.reason in reasons and not progress.is_back(letter):
                yield letter

    def _put_back(self, batch: list[DeadLetter], progress: Progress, reasons: tuple[str, ...]) -> None:
        self._producer.begin_transaction()
        try:
            for letter in batch:
                self._produce(letter)
                progress.advance(letter.partition, reasons, letter.offset + 1)
            membership = self._consumer.consumer_group_metadata()
            self._producer.send_offsets_to_transaction(progress.offsets(self._topic), membership, _PATIENCE)
            self._producer.commit_transaction(_PATIENCE)
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                self._producer.abort_transaction(_PATIENCE)
            raise

    def _produce(self, letter: DeadLetter) -> None:
        """To the partition that the row came from: another partitioner than its producer's could miss it."""
        home = letter.origin[1] if letter.origin and letter.origin[0] == self._input else None
        self._producer.produce(
            self._input,
            value=letter.value,
            key=letter.key,
            partition=home if home is not None and home < self._input_partitions else -1,
            timestamp=letter.row_time_ms,
            headers=[
                *letter.headers,
                (REDRIVEN, f"{self._topic}/{letter.partition}/{letter.offset}".encode()),
            ],
        )


@dataclass
class Group:
    """Dead letters of one reason; the example is the newest one's message."""

    reason: str
    count: int = 0
    put_back: int = 0
    newest_ms: int = 0
    example: str = ""

    def add(self, letter: DeadLetter, is_back: bool) -> None:
        self.count += 1
        self.put_back += is_back
        if letter.time_ms >= self.newest_ms:
            self.newest_ms, self.example = letter.time_ms, letter.message


def summarize(settings: Settings) -> list[Group]:
    """All dead letters of the input topic, the most frequent reason first.

    Raises:
        TopicMissing, BrokerUnreachable, KafkaError: they cannot be read.
    """
    topic = dead_letter_topic(settings.stream.input_topic)
    partitions = partitions_of(settings.kafka, topic)
    consumer = reader(settings.kafka, group=_name(settings))
    groups: dict[str, Group] = {}
    try:
        progress = Progress(_committed(consumer, topic, partitions))
        for record in read_from(
            consumer, settings.kafka, topic, dict.fromkeys(range(partitions), 0), to_end=True
        ):
            letter = DeadLetter.of(record)
            groups.setdefault(letter.reason, Group(letter.reason)).add(letter, progress.is_back(letter))
    except KafkaException as error:
        raise explain(error, f"reading {topic}", settings.kafka) from None
    finally:
        consumer.close()
    return sorted(groups.values(), key=lambda g: (-g.count, g.reason))


def _name(settings: Settings) -> str:
    return f"{settings.stream.group}-dlq-redrive"


def _committed(consumer: Consumer, topic: str, partitions: int) -> list[TopicPartition]:
    """Offsets of the consumer's group, with their metadata.

    Raises:
        KafkaException: the broker does not tell them.
    """
    wanted = [TopicPartition(topic, partition) for partition in range(partitions)]
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            offsets: list[TopicPartition] = consumer.committed(wanted, _PATIENCE)
            errors = [at.error for at in offsets if at.error]
        except KafkaException as error:
            offsets, errors = [], [error.args[0]]
        if not errors:
            break
        if errors[0].code() not in _PASSING or time.monotonic() > deadline:
            raise KafkaException(errors[0])
        time.sleep(0.1)
    for at in offsets:
        at.offset = max(at.offset, 0)  # OFFSET_INVALID, where the group has none yet
    return offsets
