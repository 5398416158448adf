"""How Kafka is reached: the one place where clients are configured, and their troubles put in our words."""

import logging
import re
import threading
from collections.abc import Mapping
from typing import TypeVar

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import KafkaError as ClientError
from confluent_kafka.admin import AdminClient

from foretell.config import KafkaSettings
from foretell.errors import BrokerUnreachable, ConfigError, Fenced, KafkaError

log = logging.getLogger(__name__)
_T = TypeVar("_T")
# What librdkafka itself says is for those who ask for DEBUG; a change of state is told by `BrokerWatch`.
_librdkafka = logging.getLogger("foretell.librdkafka")
_librdkafka.addFilter(lambda _: logging.getLogger("foretell").isEnabledFor(logging.DEBUG))

# What makes a forecast come out exactly once is no matter of taste.
OURS = {
    "bootstrap.servers": "kafka.bootstrap_servers",
    "group.id": "stream.group",
    "group.instance.id": "stream.group",
    "transactional.id": "stream.group",
    "enable.auto.commit": None,
    "enable.auto.offset.store": None,
    "enable.idempotence": "stream.delivery",
    "isolation.level": None,
}
_SECRET = re.compile(r"password|secret|token|jaas|ssl\.key|oauthbearer\.config", re.IGNORECASE)
_REFUSED = {ClientError._AUTHENTICATION, ClientError._SSL, ClientError.SASL_AUTHENTICATION_FAILED}
_AWAY = {ClientError._TRANSPORT, ClientError._ALL_BROKERS_DOWN, ClientError._RESOLVE, ClientError._TIMED_OUT}


class BrokerWatch:
    """Says once when the broker is lost and once when it is back; librdkafka repeats itself every 100 ms.

    Attributes:
        away: what the client said last of a broker that does not answer; `None` while it answers.
        refused: why the broker does not let us in, for instance a wrong password; waiting does not mend it.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers
        self._lock = threading.Lock()
        self.away: str | None = None
        self.refused: str | None = None

    def error(self, error: ClientError) -> None:
        """The `error_cb` of a client; runs inside its `poll`."""
        text, code = _plain(error.str()), error.code()
        with self._lock:
            if code in _REFUSED:
                known, self.refused = self.refused, text
                if known is None:
                    log.error("Kafka at %s refuses us: %s", self._servers, text)
            elif code in _AWAY:
                known = self.away
                # "all brokers are down" follows the reason; the reason is what helps.
                self.away = known if known and code == ClientError._ALL_BROKERS_DOWN else text
                if known is None:
                    log.warning("Kafka at %s does not answer, trying on: %s", self._servers, text)
            else:
                log.warning("Kafka: %s", text, extra={"code": error.name()})

    def well(self) -> None:
        """To be called when the broker has answered something."""
        if self.away is None and self.refused is None:
            return
        with self._lock:
            self.away = self.refused = None
        log.info("Kafka at %s answers again", self._servers)


def client_config(
    settings: KafkaSettings, role: Mapping[str, object] | None = None, watch: BrokerWatch | None = None
) -> dict[str, object]:
    """What a confluent_kafka client is made with.

    Args:
        role: properties of this client's part; the user's `kafka.properties` win over them.
        watch: hears of errors; unset: one of its own.

    Raises:
        ConfigError: a property that is not the user's to set.
    """
    for name in settings.properties.keys() & OURS.keys():
        raise ConfigError(
            f"kafka.properties must not set {name}",
            cure=f"set {OURS[name]} instead" if OURS[name] else "leave it out: exactly-once depends on it",
        )
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": "foretell",
        # `rebootstrap`, the default, loses the transaction coordinator once all brokers were away at a time.
        "metadata.recovery.strategy": "none",
        **(role or {}),
        **{name: value.get_secret_value() for name, value in settings.properties.items()},
        "error_cb": (watch or BrokerWatch(settings.bootstrap_servers)).error,
        "logger": _librdkafka,
    }


def secrets(settings: KafkaSettings) -> list[str]:
    """Values that no line of a log may hold."""
    return [v.get_secret_value() for k, v in settings.properties.items() if _SECRET.search(k)]


def admin(settings: KafkaSettings, watch: BrokerWatch | None = None) -> AdminClient:
    """Raises: ConfigError: a property that librdkafka does not take."""
    return _make(AdminClient, client_config(settings, watch=watch))


def reader(settings: KafkaSettings, group: str) -> Consumer:
    """A read_committed consumer that commits nothing by itself and tells where a partition ends.

    Raises:
        ConfigError: a property that librdkafka does not take.
    """
    role = {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 100,
    }
    return _make(Consumer, client_config(settings, role))


def explain(error: Exception, doing: str, settings: KafkaSettings) -> KafkaError:
    """A client's exception in our tree: `raise explain(error, "reading x", settings) from None`."""
    cause = error.args[0] if isinstance(error, KafkaException) and error.args else None
    if not isinstance(cause, ClientError):
        return KafkaError(f"{doing}: {error}")
    text = _plain(cause.str())
    if cause.code() in {ClientError._FENCED, ClientError.FENCED_INSTANCE_ID, ClientError.PRODUCER_FENCED}:
        return Fenced(f"{doing}: another one of the same name took over", cure="end one of the two")
    if cause.code() in _AWAY:
        return BrokerUnreachable(
            f"{doing}: {settings.bootstrap_servers} does not answer: {text}", cure=UNREACHABLE_CURE
        )
    return KafkaError(f"{doing}: {text}")


UNREACHABLE_CURE = (
    "check that the broker runs and that its advertised address can be reached from here,\n"
    "that kafka.properties has the security.protocol which its listener speaks,\n"
    "or name another with --bootstrap-servers or KAFKA_BOOTSTRAP_SERVERS"
)


def _make(kind: type[_T], config: dict[str, object]) -> _T:
    try:
        return kind(config)  # type: ignore[call-arg]
    except (KafkaException, ValueError, TypeError) as error:
        cause = error.args[0] if error.args else error
        text = _plain(cause.str()) if isinstance(cause, ClientError) else str(cause)
        raise ConfigError(
            f"kafka.properties: {text}",
            cure="the names and values are librdkafka's, see its CONFIGURATION.md",
        ) from None


def _plain(text: str) -> str:
    """Without librdkafka's thread names and its states in brackets."""
    text = re.sub(r"^(\[thrd:[^\]]*\]: )", "", text)
    text = re.sub(r"^\S+/(bootstrap|\d+): ", "", text)
    return re.sub(r" \(after \d+ms in state [A-Z_]+(, \d+ identical error\(s\) suppressed)?\)", "", text)
