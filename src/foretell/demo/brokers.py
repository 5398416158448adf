"""Which broker the demo runs on, and what that guarantees."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from foretell.config import KafkaSettings, Loaded
from foretell.demo.apache_kafka import ApacheKafka, find_kafka
from foretell.demo.mock_broker import MockBroker
from foretell.errors import BrokerUnreachable
from foretell.stream.kafka.clients import admin


class Wanted(StrEnum):
    """What a person asks for."""

    AUTO = "auto"
    KAFKA = "kafka"
    MOCK = "mock"


@dataclass(frozen=True)
class Broker:
    """A broker that answers.

    Attributes:
        name, guarantee: in a person's words.
        real: keeps transactions apart, so that forecasts come exactly once whatever dies.
        lent: somebody else's: what the demo made there is removed at the end.
        close: ends it, when the demo started it.
    """

    kafka: KafkaSettings
    name: str
    guarantee: str
    real: bool
    lent: bool = False
    close: Callable[[], None] = lambda: None


EXACTLY_ONCE = (
    "Rows, windows and forecasts are committed together, so a worker will be killed half-way to show it."
)
AT_LEAST_ONCE = (
    "Good for a look. It keeps no transactional offsets and does not isolate what was aborted, "
    "so forecasts come at least once, and no worker is killed. "
    "`make kafka` fetches a real one (needs Java 17): then exactly once."
)


def open_broker(wanted: Wanted, loaded: Loaded) -> Broker:
    """The configured broker; else an Apache Kafka that is found on this machine; else the mock cluster.

    Raises:
        BrokerUnreachable: `kafka` was asked for and none is found, or the one found does not start.
    """
    if wanted is not Wanted.MOCK:
        if "kafka.bootstrap_servers" in loaded.sources:
            return _lent(loaded)
        libs = find_kafka()
        if libs is not None:
            return _own(libs)
        if wanted is Wanted.KAFKA:
            raise BrokerUnreachable(
                "no Kafka is configured, and no Apache Kafka with a Java 17 to run it is on this machine",
                cure="set KAFKA_BOOTSTRAP_SERVERS, or run `make kafka`, or set KAFKA_HOME",
            )
    return _mock()


def _lent(loaded: Loaded) -> Broker:
    kafka = loaded.settings.kafka
    name = f"Kafka at {kafka.bootstrap_servers} (from {loaded.sources['kafka.bootstrap_servers']})"
    return Broker(kafka, name, EXACTLY_ONCE, real=True, lent=True)


def _own(libs: Path) -> Broker:
    cluster = ApacheKafka(libs)
    kafka = KafkaSettings(bootstrap_servers=cluster.bootstrap_servers)
    name = f"a real Apache Kafka, started for this demo at {cluster.bootstrap_servers}"
    return Broker(kafka, name, EXACTLY_ONCE, real=True, close=cluster.close)


def _mock() -> Broker:
    mock = MockBroker()
    kafka = KafkaSettings(bootstrap_servers=mock.bootstrap_servers)
    name = f"librdkafka's mock cluster at {mock.bootstrap_servers}"
    return Broker(kafka, name, AT_LEAST_ONCE, real=False, close=mock.close)


def remove_topics(kafka: KafkaSettings, prefix: str) -> None:
    """Take back what the demo made on somebody else's broker."""
    client = admin(kafka)
    names = [name for name in client.list_topics(timeout=10).topics if name.startswith(prefix)]
    for future in client.delete_topics(names).values() if names else ():
        future.result(timeout=10)
