"""Reading without a group: from the start or from now, and to an end where one is asked for."""

import threading
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import Protocol

import pytest
from confluent_kafka import Producer

from foretell.config import KafkaSettings
from foretell.errors import TopicMissing
from foretell.stream.kafka.reader import partitions_of, read

pytestmark = pytest.mark.kafka


class Broker(Protocol):
    bootstrap_servers: str


Produce = Callable[..., None]


@pytest.fixture
def settings(kafka: Broker) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)


@pytest.fixture
def topic(settings: KafkaSettings) -> str:
    from foretell.stream.kafka.topics import Topic, TopicAdmin

    name = f"read-{uuid.uuid4().hex[:8]}"
    TopicAdmin(settings, deadline=float("inf")).ensure(Topic(name, 2))
    return name


@pytest.fixture
def produce(settings: KafkaSettings, topic: str) -> Produce:
    """One transaction of values, by turns in both partitions."""
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "transactional.id": topic})
    producer.init_transactions(10)

    def put(*values: str, commit: bool = True) -> None:
        producer.begin_transaction()
        for i, value in enumerate(values):
            producer.produce(topic, value=value, partition=i % 2)
        producer.flush(10)
        if commit:
            producer.commit_transaction(10)
        else:
            producer.abort_transaction(10)

    return put


def test_all_that_is_committed_and_then_the_end(
    settings: KafkaSettings, topic: str, produce: Produce
) -> None:
    produce("a", "b", "c")
    produce("lost", "too", commit=False)
    produce("d")
    assert sorted(m.value() for m in read(settings, topic, to_end=True)) == [b"a", b"b", b"c", b"d"]


def test_an_empty_topic_ends_at_once(settings: KafkaSettings, topic: str) -> None:
    assert list(read(settings, topic, to_end=True)) == []


def test_from_now_on(settings: KafkaSettings, topic: str, produce: Produce) -> None:
    produce("old", "old")
    told = threading.Event()

    def keep_coming() -> None:
        while not told.wait(0.2):
            produce("new", "new")

    thread = threading.Thread(target=keep_coming)
    thread.start()
    try:
        with closing(read(settings, topic, start="latest")) as records:
            assert next(records).value() == b"new"
    finally:
        told.set()
        thread.join()


def test_no_such_topic(settings: KafkaSettings, topic: str) -> None:
    with pytest.raises(TopicMissing, match="nope does not exist") as raised:
        partitions_of(settings, "nope")
    assert topic in (raised.value.cure or "")
