"""Reading a topic without a group: for people and tools, not for workers."""

import time
from collections.abc import Generator, Iterator, Mapping
from typing import Literal

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as ClientError

from foretell.config import KafkaSettings
from foretell.errors import TopicMissing
from foretell.stream.kafka.clients import explain, reader
from foretell.stream.kafka.topics import TopicAdmin

_PATIENCE = 10.0


def partitions_of(settings: KafkaSettings, topic: str, wait: float = _PATIENCE) -> int:
    """Raises: TopicMissing: names the topics that are there. BrokerUnreachable: after `wait` seconds."""
    admin = TopicAdmin(settings, time.monotonic() + wait)
    count = admin.partitions(topic)
    if count is None:
        there = ", ".join(admin.names()) or "none"
        raise TopicMissing(
            f"topic {topic} does not exist at {settings.bootstrap_servers}", cure=f"topics there: {there}"
        )
    return count


def read(
    settings: KafkaSettings,
    topic: str,
    *,
    start: Literal["earliest", "latest"] = "earliest",
    to_end: bool = False,
) -> Generator[Message, None, None]:
    """Committed records of all partitions, as they come; `to_end`: until the end that each partition has now.

    Raises:
        TopicMissing, BrokerUnreachable, KafkaError: reading cannot begin or go on.
    """
    beginning = OFFSET_BEGINNING if start == "earliest" else OFFSET_END
    places = dict.fromkeys(range(partitions_of(settings, topic)), beginning)
    consumer = reader(settings, group="foretell-reader")  # named because a client must; it is never joined
    try:
        yield from read_from(consumer, settings, topic, places, to_end=to_end)
    finally:
        consumer.close()


def read_from(
    consumer: Consumer, settings: KafkaSettings, topic: str, places: Mapping[int, int], *, to_end: bool
) -> Iterator[Message]:
    """Like `read`, with a consumer of one's own, from an offset for each partition."""
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in places.items()])
    open_partitions = set(places)
    while open_partitions or not to_end:
        message = consumer.poll(0.5)
        if message is None:
            continue
        error = message.error()
        if error is None:
            yield message
        elif error.code() == ClientError._PARTITION_EOF:
            open_partitions.discard(message.partition())
        elif not error.retriable():
            raise explain(KafkaException(error), f"reading {topic}", settings)
