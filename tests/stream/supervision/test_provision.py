"""The topics of a stream: what is made, and what does not fit together."""

import time
import uuid
from typing import Protocol

import pytest

from foretell.config import Settings
from foretell.errors import KafkaError
from foretell.stream.kafka.topics import Topic, TopicAdmin
from foretell.stream.supervision.provision import ends, provision, windowed_topic

pytestmark = pytest.mark.kafka


class Broker(Protocol):
    bootstrap_servers: str


@pytest.fixture
def settings(kafka: Broker) -> Settings:
    name = f"p-{uuid.uuid4().hex[:8]}"
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "partitions": 3},
            "stream": {"input_topic": f"{name}-in", "output_topic": f"{name}-out", "group": name},
        }
    )


def admin(settings: Settings) -> TopicAdmin:
    return TopicAdmin(settings.kafka, time.monotonic() + 20)


def named(settings: Settings) -> dict[str, int | None]:
    """What was made, without the group's name before it."""
    known = admin(settings)
    group = settings.stream.group
    return {n.removeprefix(f"{group}-"): known.partitions(n) for n in known.names() if n.startswith(group)}


def test_what_is_missing_is_made_once(settings: Settings) -> None:
    assert provision(settings, time.monotonic() + 20) == 3
    assert named(settings) == {"in": 3, "in-dead-letters": 3, "out": 3, "windows-changelog": 3}
    assert provision(settings, time.monotonic() + 20) == 3


def test_the_changelog_has_the_partitions_of_the_input(settings: Settings) -> None:
    admin(settings).ensure(Topic(settings.stream.input_topic, 2))
    assert provision(settings, time.monotonic() + 20) == 2
    assert named(settings)["windows-changelog"] == 2


def test_two_stages_have_a_topic_between_them(settings: Settings) -> None:
    stream = settings.stream.model_copy(update={"repartition": True})
    two = settings.model_copy(update={"stream": stream})
    provision(two, time.monotonic() + 20)
    assert named(two)["rows-repartition"] == 3
    assert windowed_topic(two) == f"{stream.group}-rows-repartition"
    assert windowed_topic(settings) == stream.input_topic


def test_a_changelog_that_is_too_narrow_is_told_with_the_cure(settings: Settings) -> None:
    admin(settings).ensure(Topic(f"{settings.stream.group}-windows-changelog", 1))
    with pytest.raises(KafkaError, match=r"has 3 partitions, and .*-windows-changelog only 1") as raised:
        provision(settings, time.monotonic() + 20)
    assert "--partitions 3" in (raised.value.cure or "")
    assert "--rebuild" in (raised.value.cure or "")


def test_ends_are_what_topics_hold_now(settings: Settings) -> None:
    provision(settings, time.monotonic() + 20)
    topic = settings.stream.input_topic
    assert ends(settings, topic, 3, lambda: False) == {(topic, p): 0 for p in range(3)}
