"""The topics of a stream: made where they are missing, and checked to fit together."""

from collections.abc import Callable

from foretell.config import Settings
from foretell.errors import KafkaError
from foretell.stream.kafka.topics import Topic, TopicAdmin
from foretell.stream.messages.blocks import Place
from foretell.stream.messages.changelog import TOPIC_CONFIG, changelog_topic
from foretell.stream.messages.deadletter import dead_letter_topic
from foretell.stream.worker.repartition import rows_topic
from foretell.stream.worker.restore import Restorer

# A dead letter is its row and some headers: a row of the largest size must still find room.
_DEAD_LETTERS = {"max.message.bytes": "10000000"}


def windowed_topic(settings: Settings) -> str:
    """The topic whose rows go into windows."""
    stream = settings.stream
    return rows_topic(stream.group) if stream.repartition else stream.input_topic


def provision(settings: Settings, deadline: float) -> int:
    """Ready all topics by `deadline` (of `time.monotonic`); gives the input's number of partitions.

    Raises:
        BrokerUnreachable, TopicMissing: see `TopicAdmin`.
        KafkaError: the changelog of an earlier run does not fit the input any more.
    """
    stream, topics = settings.stream, TopicAdmin(settings.kafka, deadline)
    rows = partitions = topics.ensure(Topic(stream.input_topic))
    topics.ensure(Topic(stream.output_topic))
    topics.ensure(Topic(dead_letter_topic(stream.input_topic), config=_DEAD_LETTERS))
    if stream.repartition:
        rows = topics.ensure(Topic(rows_topic(stream.group), partitions))
    name = changelog_topic(stream.group)
    stored = topics.ensure(Topic(name, rows, TOPIC_CONFIG))
    if stored < rows:
        raise KafkaError(
            f"{windowed_topic(settings)} has {rows} partitions, and {name} only {stored}",
            cure=f"kafka-topics.sh --bootstrap-server {settings.kafka.bootstrap_servers} --alter"
            f" --topic {name} --partitions {rows}\nthen start once with --rebuild",
        )
    return partitions


def ends(settings: Settings, topic: str, partitions: int, give_up: Callable[[], bool]) -> dict[Place, int]:
    """What the topic holds now: where `--until-end` ends."""
    restorer = Restorer(settings.kafka, settings.stream.group, give_up)
    marks = restorer.watermarks(topic, list(range(partitions)))
    return {(topic, partition): offset for partition, offset in marks.items()}
