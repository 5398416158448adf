"""`foretell stream` as it is run: in a process of its own, with a Ray of its own, from beginning to end."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, Producer

from foretell.demo.mock_broker import MockBroker

if TYPE_CHECKING:
    from tests.stream.conftest import Stream
    from tests.stream.supervision.conftest import Process

SECRET = "correct-horse-battery"
Row = Callable[..., bytes]
Start = Callable[..., "Process"]
MakeSettings = Callable[..., dict[str, Any]]


@pytest.mark.kafka
@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_sigterm_drains_and_the_status_is_0(
    stream: "Callable[..., Stream]", weather: Path, row: Row, start: Start, process_settings: MakeSettings
) -> None:
    one = stream()
    one.put([*(row("a", h) for h in range(3)), b"{"])
    names = {k: getattr(one.settings.stream, k) for k in ("input_topic", "output_topic", "group")}
    told = process_settings(one.settings.kafka.bootstrap_servers, weather, **names)
    told["kafka"]["properties"] = {"sasl.password": SECRET}
    told["log"] = {"level": "DEBUG"}
    process = start(told)
    buried = 'foretell_stream_dead_letters_total{reason="not_json"} 1'
    process.until(lambda: buried in process.get("/metrics")[1])
    process.until(lambda: process.get("/healthz")[0] == 200)
    assert json.loads(process.get("/healthz")[1]) == {"healthy": True, "workers": 1, "wanted": 1, "note": ""}
    page = process.get("/metrics")[1]
    assert "foretell_stream_forecasts_total 1" in page
    process.terminate()
    assert process.status() == 0, process.said
    assert "ended: 4 rows, 1 forecasts, 1 dead letters (not_json 1)" in process.said
    assert "Traceback" not in process.said
    assert SECRET not in process.said + page
    assert [m["origin"] for m in one.forecasts()] == ["0/2"]
    assert one.dead_letters() == [("not_json", "0/3")]


@pytest.mark.kafka
@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_until_end_takes_what_is_there_through_both_stages_and_ends_by_itself(
    stream: "Callable[..., Stream]", weather: Path, row: Row, start: Start, process_settings: MakeSettings
) -> None:
    one = stream(stream={"repartition": True})
    one.put([row("a", h) for h in range(4)], key=b"a")
    one.put([row("b", h) for h in range(3)], partition=1, key=b"b")
    names = {k: getattr(one.settings.stream, k) for k in ("input_topic", "output_topic", "group")}
    told = process_settings(one.settings.kafka.bootstrap_servers, weather, repartition=True, **names)
    process = start(told, "--until-end")
    assert process.status(100) == 0, process.said
    assert "ended: 7 rows, 3 forecasts, 0 dead letters" in process.said
    assert sorted(m["origin"] for m in one.forecasts()) == ["0/2", "0/3", "1/2"]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_on_the_mock_cluster_at_least_once(
    mock_broker: MockBroker, weather: Path, row: Row, start: Start, process_settings: MakeSettings
) -> None:
    servers = mock_broker.bootstrap_servers
    producer = Producer({"bootstrap.servers": servers, "log_level": 0})
    for hour in range(3):
        producer.produce("rows", row("a", hour), "a", partition=0, timestamp=1_380_672_000_000)
    assert producer.flush(10) == 0
    names = {"input_topic": "rows", "output_topic": "out", "group": "g", "delivery": "at_least_once"}
    process = start(process_settings(servers, weather, **names))
    process.until(lambda: "foretell_stream_forecasts_total 1" in process.get("/metrics")[1])
    process.terminate()
    assert process.status() == 0, process.said
    assert "at_least_once: no transactions" in process.said
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "x", "auto.offset.reset": "earliest"})
    consumer.subscribe(["out"])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert json.loads(message.value())["series"] == "a"


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_asked_to_end_while_it_waits_for_kafka(
    weather: Path, start: Start, process_settings: MakeSettings
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        process = start(process_settings(f"127.0.0.1:{taken.getsockname()[1]}", weather, wait=60))
        process.until(lambda: "does not answer, trying on" in process.said)
        process.terminate()
        assert process.status(5) == 0, process.said
    assert "Traceback" not in process.said
