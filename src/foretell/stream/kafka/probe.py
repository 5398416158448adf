"""Whether the broker answers: asked now and then, by a thread of its own, because an answer can take long."""

import threading

from confluent_kafka import KafkaException

from foretell.config import KafkaSettings
from foretell.stream.kafka.clients import BrokerWatch, admin

_EVERY_S = 2.0
_PATIENCE_S = 5.0


class BrokerProbe:
    """Attributes: `answers`, until shown otherwise."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._watch = BrokerWatch(settings.bootstrap_servers)
        self._admin = admin(settings, self._watch)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="broker", daemon=True)
        self.answers = True
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._closing.wait(_EVERY_S):
            try:
                self._admin.list_topics("__consumer_offsets", timeout=_PATIENCE_S)
            except KafkaException:
                self._admin.poll(0)  # hands the watch what the client found out, which tells people
                self.answers = False
            else:
                self._watch.well()
                self.answers = True
