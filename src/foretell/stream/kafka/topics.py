"""Topics: waiting for the broker, making what is missing, and naming the command where that is refused."""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata, NewTopic

from foretell.config import KafkaSettings
from foretell.errors import BrokerUnreachable, KafkaError, TopicMissing
from foretell.stream.kafka.clients import UNREACHABLE_CURE, BrokerWatch, admin, explain

log = logging.getLogger(__name__)
_ASK = 2.0  # seconds that one question may take


@dataclass(frozen=True)
class Topic:
    """A topic that is wanted; `partitions` unset: as the settings say."""

    name: str
    partitions: int | None = None
    config: Mapping[str, str] | None = None


class TopicAdmin:
    """An admin client with a deadline (of `time.monotonic`) for all that it waits for."""

    def __init__(self, settings: KafkaSettings, deadline: float) -> None:
        """Wait for the broker.

        Raises:
            BrokerUnreachable: nobody answered until the deadline, or we are not let in.
        """
        self._settings, self._deadline = settings, deadline
        self._watch = BrokerWatch(settings.bootstrap_servers)
        self._admin: AdminClient = admin(settings, self._watch)
        self._metadata()

    def partitions(self, name: str) -> int | None:
        """How many a topic has; `None` when there is no such topic."""
        topic = self._metadata().topics.get(name)
        return len(topic.partitions) if topic and topic.partitions else None

    def names(self) -> list[str]:
        """Of all topics but the broker's own."""
        return sorted(name for name in self._metadata().topics if not name.startswith("__"))

    def ensure(self, topic: Topic) -> int:
        """Make a topic unless it is there, wait until it can be used, and give its number of partitions.

        Raises:
            TopicMissing: it is not there and may not be made; names the command that makes it.
        """
        there = self.partitions(topic.name)
        if there is None and self._settings.create_topics:
            self._create(topic)
        while there is None:
            if time.monotonic() > self._deadline:
                raise self._missing(
                    topic, "kafka.create_topics is off" if not self._settings.create_topics else ""
                )
            time.sleep(0.1)
            there = self.partitions(topic.name)
        return there

    def _create(self, topic: Topic) -> None:
        known = self._metadata()
        if known.controller_id not in known.brokers:
            # librdkafka's mock cluster cannot create, but makes a topic that is asked about by name.
            self._admin.list_topics(topic.name, timeout=_ASK)
            return
        new = NewTopic(
            topic.name,
            num_partitions=topic.partitions or self._settings.partitions,
            replication_factor=self._settings.replication_factor,
            config=dict(topic.config or {}),
        )
        future: Future[None] = self._admin.create_topics([new], request_timeout=5 * _ASK)[topic.name]
        try:
            future.result(timeout=10 * _ASK)
            log.info("topic %s created", topic.name, extra={"partitions": new.num_partitions})
        except KafkaException as error:
            if error.args[0].code() != ClientError.TOPIC_ALREADY_EXISTS:  # another one was quicker
                raise self._missing(topic, _why(error.args[0])) from None

    def _missing(self, topic: Topic, reason: str) -> TopicMissing:
        options = "".join(f" --config {k}={v}" for k, v in (topic.config or {}).items())
        factor = self._settings.replication_factor
        return TopicMissing(
            f"topic {topic.name} does not exist and was not created" + (f": {reason}" if reason else ""),
            cure=f"kafka-topics.sh --bootstrap-server {self._settings.bootstrap_servers} --create"
            f" --topic {topic.name} --partitions {topic.partitions or self._settings.partitions}"
            + (f" --replication-factor {factor}" if factor > 0 else "")
            + options,
        )

    def _metadata(self) -> ClusterMetadata:
        while True:
            left = self._deadline - time.monotonic()
            try:
                metadata = self._admin.list_topics(timeout=max(0.1, min(_ASK, left)))
                self._watch.well()
                return metadata
            except KafkaException as error:
                self._admin.poll(0)  # hands us what the client found out
                if self._watch.refused:
                    raise self._refused(self._watch.refused) from None
                if time.monotonic() < self._deadline:
                    continue
                if self._watch.away is None:
                    raise explain(error, "Failed to initialize Kafka", self._settings) from None
                raise self._unreachable(self._watch.away) from None

    def _unreachable(self, reason: str) -> BrokerUnreachable:
        return BrokerUnreachable(
            f"Failed to initialize Kafka: nobody answers at {self._settings.bootstrap_servers} ({reason})",
            cure=UNREACHABLE_CURE,
        )

    def _refused(self, reason: str) -> KafkaError:
        return KafkaError(
            f"Failed to initialize Kafka: {self._settings.bootstrap_servers} refuses us ({reason})",
            cure="check security.protocol, sasl.* and ssl.* under kafka.properties",
        )


def _why(cause: ClientError) -> str:
    """Why a topic was not created; whom a broker does not let see a topic, it tells that there is none."""
    if cause.code() in (ClientError.TOPIC_AUTHORIZATION_FAILED, ClientError.CLUSTER_AUTHORIZATION_FAILED):
        return "this user may not create it, or not see that it exists"
    return str(cause.str())
