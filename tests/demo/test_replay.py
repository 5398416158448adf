"""Rows go out as the stream door reads them, and forecasts are read back."""

import time
from collections.abc import Callable

import msgspec
import numpy as np
from confluent_kafka import Producer

from foretell.config import KafkaSettings
from foretell.demo.collect import Collector
from foretell.demo.mock_broker import MockBroker
from foretell.demo.replay import Replay, Row, rows
from foretell.demo.weather import HOUR_S, Weather
from foretell.stream.kafka.reader import read
from foretell.stream.kafka.topics import Topic, TopicAdmin

ROWS = [
    Row("JFK", 0, (50.0, 40.0, 5.0)),
    Row("LGA", 0, (51.0, 40.0, 5.0)),
    Row("JFK", HOUR_S, (52.0, 40.0, 5.0)),
]


def wait_for(condition: Callable[[], bool], limit: float = 8.0) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def topic(mock_broker: MockBroker, name: str) -> tuple[KafkaSettings, int]:
    kafka = KafkaSettings(bootstrap_servers=mock_broker.bootstrap_servers)
    return kafka, TopicAdmin(kafka, time.monotonic() + 5).ensure(Topic(name))


def collected(kafka: KafkaSettings, name: str, partitions: int, count: int) -> list[tuple[str, int]]:
    collector = Collector(kafka, name, partitions)
    collector.start()
    wait_for(lambda: collector.count >= count)
    collector.stop()
    collector.check()
    return [(a.series, a.issued_s) for a in collector.arrivals]


def test_rows_come_hour_by_hour_and_whole() -> None:
    jfk = Weather(np.array([0, HOUR_S]), np.array([[50.0, 40, 5], [51, 40, np.nan]]))
    lga = Weather(np.array([0]), np.array([[52.0, 41, 6]]))
    assert rows({"LGA": lga, "JFK": jfk}) == [
        Row("JFK", 0, (50.0, 40.0, 5.0)),
        Row("LGA", 0, (52.0, 41.0, 6.0)),
    ]


def test_a_row_reads_as_the_defaults_expect() -> None:
    assert msgspec.json.decode(ROWS[0].encode("JFK")) == {
        "station": "JFK",
        "timestamp": "1970-01-01T00:00:00Z",
        "temperature": 50.0,
        "dewpoint": 40.0,
        "wind_speed": 5.0,
    }


def test_once_through_at_the_pace_asked_for(mock_broker: MockBroker) -> None:
    kafka, _ = topic(mock_broker, "rows")
    began = time.monotonic()
    replay = Replay(kafka, "rows", ROWS, rate=20)
    replay.start()
    replay.join()
    replay.check()
    assert time.monotonic() - began >= 2 / 20
    assert list(replay.sent_at) == [("JFK", 0), ("LGA", 0), ("JFK", HOUR_S)]


def test_a_loop_names_its_rounds(mock_broker: MockBroker) -> None:
    kafka, partitions = topic(mock_broker, "rows")
    replay = Replay(kafka, "rows", ROWS, rate=500, loop=True)
    replay.start()
    wait_for(lambda: replay.sent > len(ROWS))
    replay.stop()
    keys = {message.key() for message in read(kafka, "rows", to_end=True)}
    assert partitions == 4
    assert {b"JFK", b"LGA", b"JFK 2"} <= keys


def test_forecasts_are_collected_with_their_time(mock_broker: MockBroker) -> None:
    kafka, partitions = topic(mock_broker, "forecasts")
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for series in ("JFK", "LGA"):
        said = {
            "series": series,
            "issued_at": "1970-01-01T01:00:00Z",
            "forecast": {"temperature": [50.5, 51.0]},
        }
        producer.produce("forecasts", msgspec.json.encode({**said, "model": "m"}), series)
    producer.flush(5)
    found = collected(kafka, "forecasts", partitions, 2)
    assert sorted(found) == [("JFK", HOUR_S), ("LGA", HOUR_S)]
