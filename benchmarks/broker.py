"""The broker that everything is measured on: a real Apache Kafka, or nothing is measured."""

import contextlib
import time
from collections.abc import Iterator

from confluent_kafka import Consumer, TopicPartition

from foretell.config import Settings, load
from foretell.demo.apache_kafka import ApacheKafka, find_kafka
from foretell.stream.supervision.provision import provision

ABSENT = "no Apache Kafka here: run `make kafka`, or set KAFKA_HOME (Java 17 is needed)"
PARTITIONS = 4
_PATIENCE_S = 10.0


@contextlib.contextmanager
def real_kafka() -> Iterator[str | None]:
    """A broker of this run's own, by its address; `None` where there is no Kafka."""
    libs = find_kafka()
    if libs is None:
        yield None
        return
    with ApacheKafka(libs) as kafka:
        yield kafka.bootstrap_servers


def flags_for(bootstrap_servers: str, group: str, topic: str = "rows") -> dict[str, object]:
    """Settings by dotted name: rows from a topic, forecasts to one of the group's own."""
    return {
        "kafka.bootstrap_servers": bootstrap_servers,
        "kafka.replication_factor": 1,
        "kafka.partitions": PARTITIONS,
        "stream.input_topic": topic,
        "stream.output_topic": f"{group}-forecasts",
        "stream.group": group,
        "stream.gpu": False,
    }


def settings_for(flags: dict[str, object]) -> Settings:
    """The settings of these flags alone."""
    return load(flags=flags, environ={}).settings


def ready(flags: dict[str, object]) -> None:
    """Make the topics of a stream."""
    provision(settings_for(flags), time.monotonic() + 30)


def committed(bootstrap_servers: str, topic: str, wanted: int) -> int:
    """Records of a topic that a read_committed consumer sees, at the end or when `wanted` never come.

    A commit returns before its markers stand in all partitions: the last records are seen a little later.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "benchmarks-count",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    count, at_end, deadline = 0, set[int](), time.monotonic() + _PATIENCE_S
    while (count < wanted or len(at_end) < PARTITIONS) and time.monotonic() < deadline:
        for message in consumer.consume(10_000, 0.1):
            if message.error() is None:
                count += 1
                at_end.discard(message.partition())
                deadline = time.monotonic() + _PATIENCE_S
            else:
                at_end.add(message.partition())
    consumer.close()
    return count
