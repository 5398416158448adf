"""The mock cluster: reachable, speaks transactions, and is gone with its owner."""

import subprocess
import sys

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from foretell.demo.mock_broker import MockBroker

OWNER = """
import os, signal
from foretell.demo.mock_broker import MockBroker
broker = MockBroker()
print(broker.bootstrap_servers, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def answers(bootstrap_servers: str) -> bool:
    quiet = {"log_level": 0, "error_cb": lambda error: None}
    try:
        AdminClient({"bootstrap.servers": bootstrap_servers, **quiet}).list_topics(timeout=0.5)
    except KafkaException:
        return False
    return True


def test_a_committed_message_is_read_back(mock_broker: MockBroker) -> None:
    producer = Producer({"bootstrap.servers": mock_broker.bootstrap_servers, "transactional.id": "t"})
    producer.init_transactions(5)
    producer.begin_transaction()
    producer.produce("rows", b"one", key=b"JFK")
    producer.commit_transaction(5)
    consumer = Consumer(
        {"bootstrap.servers": mock_broker.bootstrap_servers, "group.id": "g", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["rows"])
    message = consumer.poll(8)
    consumer.close()
    assert message is not None
    assert (message.key(), message.value()) == (b"JFK", b"one")


def test_close_ends_it() -> None:
    with MockBroker() as broker:
        assert answers(broker.bootstrap_servers)
    assert not answers(broker.bootstrap_servers)


def test_it_dies_with_an_owner_that_was_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    # Both hold the pipe's other end or a copy of it, so `communicate` returns when owner and broker are gone.
    address, _ = owner.communicate(timeout=8)
    assert owner.returncode == -9
    assert not answers(address.strip())


@pytest.mark.parametrize("brokers", [3])
def test_several_brokers(brokers: int) -> None:
    with MockBroker(brokers) as broker:
        assert len(broker.bootstrap_servers.split(",")) == brokers
