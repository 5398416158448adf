"""Topics are waited for, made, or named in an error."""

import socket
import time
import uuid
from typing import Protocol

import pytest

from foretell.config import KafkaSettings
from foretell.errors import BrokerUnreachable, TopicMissing
from foretell.stream.kafka.topics import Topic, TopicAdmin


class Broker(Protocol):
    bootstrap_servers: str


def settings(servers: str, **more: object) -> KafkaSettings:
    return KafkaSettings.model_validate({"bootstrap_servers": servers, **more})


def soon(seconds: float = 20.0) -> float:
    return time.monotonic() + seconds


def test_nobody_answers() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        servers = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BrokerUnreachable) as raised:
            TopicAdmin(settings(servers), soon(0.5))
    assert raised.value.message.startswith(f"Failed to initialize Kafka: nobody answers at {servers} (")
    assert "Connection refused" in raised.value.message
    assert "KAFKA_BOOTSTRAP_SERVERS" in (raised.value.cure or "")


def test_a_name_that_is_not_known() -> None:
    with pytest.raises(BrokerUnreachable, match=r"nobody answers at kafka\.invalid:9092"):
        TopicAdmin(settings("kafka.invalid:9092"), soon(0.5))


def test_on_the_mock_broker_asking_makes_a_topic(mock_broker: Broker) -> None:
    admin = TopicAdmin(settings(mock_broker.bootstrap_servers), soon())
    assert admin.partitions("rows") is None
    assert admin.ensure(Topic("rows", 4, {"cleanup.policy": "compact"})) == 4
    assert admin.names() == ["rows"]


@pytest.mark.kafka
def test_a_topic_is_made_once_as_wanted(kafka: Broker) -> None:
    name = f"made-{uuid.uuid4().hex[:8]}"
    admin = TopicAdmin(settings(kafka.bootstrap_servers), soon())
    assert admin.partitions(name) is None
    assert admin.ensure(Topic(name, 3, {"cleanup.policy": "compact"})) == 3
    assert admin.ensure(Topic(name, 9)) == 3
    rival = TopicAdmin(settings(kafka.bootstrap_servers), soon())
    rival._create(Topic(name))  # another worker was quicker: no error
    assert rival.ensure(Topic(f"{name}-default")) == 4


@pytest.mark.kafka
def test_a_topic_that_may_not_be_made_is_named_with_its_command(kafka: Broker) -> None:
    servers = kafka.bootstrap_servers
    admin = TopicAdmin(settings(servers, create_topics=False), soon(1))
    with pytest.raises(TopicMissing, match="create_topics is off") as raised:
        admin.ensure(Topic("log", 3, {"cleanup.policy": "compact"}))
    assert raised.value.cure == (
        f"kafka-topics.sh --bootstrap-server {servers} --create --topic log --partitions 3"
        " --config cleanup.policy=compact"
    )
    refused = TopicAdmin(settings(servers, replication_factor=7), soon())
    with pytest.raises(TopicMissing, match="replication factor") as raised:
        refused.ensure(Topic("log", 3))
    assert "--replication-factor 7" in (raised.value.cure or "")
