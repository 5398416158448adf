"""foretell dlq, on a real broker."""

import json
import time
import uuid
from typing import Protocol

import pytest
from confluent_kafka import Producer

from foretell.cli import main
from foretell.config import KafkaSettings
from foretell.rows.reasons import Reason
from foretell.stream.kafka.topics import Topic, TopicAdmin
from foretell.stream.messages.deadletter import dead_letter_headers, dead_letter_topic


class Broker(Protocol):
    bootstrap_servers: str


@pytest.mark.kafka
def test_list_and_redrive(kafka: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    topic = f"dlq-{uuid.uuid4().hex[:8]}"
    where = ["--bootstrap-servers", kafka.bootstrap_servers, "--input-topic", topic, "--group", topic]
    admin = TopicAdmin(KafkaSettings(bootstrap_servers=kafka.bootstrap_servers), time.monotonic() + 20)
    for name in (topic, dead_letter_topic(topic)):
        admin.ensure(Topic(name, 2))
    assert main(["dlq", "list", *where]) == 0
    assert "no dead letters" in capsys.readouterr().out

    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for i, reason in enumerate([Reason.NOT_JSON, Reason.NOT_JSON, Reason.TOO_LATE]):
        headers = dead_letter_headers(reason, f"number {i} [x]", f"{topic}/0/{i}".encode())
        producer.produce(dead_letter_topic(topic), value=b"{", headers=headers, partition=0)
    assert producer.flush(10) == 0

    assert main(["dlq", "list", *where]) == 0
    shown = capsys.readouterr().out
    assert "not_json" in shown
    assert "number 1 [x]" in shown
    assert main(["dlq", "redrive", *where, "--reason", "not_json"]) == 0
    assert capsys.readouterr().out == f"not_json: 2 put back to {topic}\n"
    assert main(["dlq", "redrive", *where, "--reason", "not_json"]) == 0
    assert capsys.readouterr().out == "nothing to put back\n"
    assert main(["dlq", "list", "--json", *where]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {reason: (g["count"], g["put_back"]) for reason, g in told.items()} == {
        "not_json": (2, 2),
        "too_late": (1, 0),
    }


def test_a_reason_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dlq", "redrive", "--reason", "bad_luck"]) == 2
    assert "one of: not_json, " in capsys.readouterr().err
