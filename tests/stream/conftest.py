"""Short ways to a bundle, its forecaster, rows, blocks of records, and a stream on a real broker."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, Self

import pytest
from confluent_kafka import Message, Producer

from foretell.bundle.bundle import open_bundle
from foretell.bundle.manifest import Manifest
from foretell.config import Settings
from foretell.forecasting.forecaster import Forecaster
from foretell.stream.kafka.reader import read
from foretell.stream.kafka.topics import Topic, TopicAdmin
from foretell.stream.messages.blocks import Incoming
from foretell.stream.messages.changelog import changelog_topic
from foretell.stream.messages.deadletter import dead_letter_topic
from foretell.stream.supervision.provision import provision
from foretell.stream.worker.worker import Worker, WorkerStatus
from foretell.telemetry import metrics

START = datetime(2013, 10, 1, tzinfo=UTC)
DAY_MS = int(START.timestamp() * 1000) + 86_400_000  # of records, where a test does not say


@pytest.fixture(scope="session")
def weather(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hourly bundle of lookback 3 and horizon 7."""
    return make_bundle(tmp_path_factory.mktemp("bundle"), lookback=3)


@pytest.fixture(scope="session")
def manifest(weather: Path) -> Manifest:
    return open_bundle(weather).manifest


@pytest.fixture(scope="session")
def forecaster(weather: Path) -> Forecaster:
    return Forecaster.open(weather)


@pytest.fixture(scope="session")
def row() -> Callable[..., bytes]:
    """A row of the weather, `hour` hours after the start; other fields by name."""

    def make(series: object, hour: float, **fields: object) -> bytes:
        usual = {
            "station": series,
            "timestamp": (START + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "temperature": 50.0 + hour,
            "wind_speed": 40.0,
            "dewpoint": 45.0,
        }
        return json.dumps(usual | fields).encode()

    return make


@pytest.fixture(scope="session")
def block() -> Callable[..., Incoming]:
    """Records of the topic `rows` out of values, in one partition or in one each, from an offset on."""

    def make(
        values: Iterable[bytes | None],
        *,
        partition: int | list[int] = 0,
        offset: int = 0,
        key: bytes | None = None,
        headers: list[tuple[str, bytes]] | None = None,
        timestamp_ms: int = DAY_MS,
    ) -> Incoming:
        return Incoming.of(
            "rows",
            [
                Message(
                    topic="rows",
                    partition=partition if isinstance(partition, int) else partition[i],
                    offset=offset + i,
                    key=key,
                    value=value,
                    headers=headers,
                    timestamp=(1, timestamp_ms),
                )
                for i, value in enumerate(values)
            ],
        )

    return make


class Work:
    """A worker in a thread of this process, from `with` to its end; an error that nobody expects is raised.

    Attributes:
        worker: itself. error: what ended it. notices: all that it had to say.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.error: Exception | None = None
        self.notices: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.worker.stop()
        self._thread.join(20)
        self.look()
        if kind is None:
            assert not self._thread.is_alive()
            if self.error is not None:
                raise self.error

    def look(self) -> WorkerStatus:
        """Its status."""
        status = self.worker.status()
        self.notices += status.notices
        return status

    def until(self, condition: Callable[[WorkerStatus], bool], limit_s: float = 20.0) -> None:
        """Wait until it says so, or has ended."""
        deadline = time.monotonic() + limit_s
        while self.error is None and not condition(self.look()):
            assert time.monotonic() < deadline, f"not so after {limit_s:.0f} s: {self.look()}"
            time.sleep(0.02)

    def has_read(self, rows: int) -> None:
        """Wait until so many rows are committed."""
        self.until(lambda status: status.figures.value(metrics.ROWS) >= rows)

    def holds(self, partitions: int) -> None:
        """Wait until it owns so many partitions."""
        self.until(lambda status: len(status.lag) >= partitions)

    def ended(self) -> Exception | None:
        """Wait until it has ended by itself, and take the error."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        error, self.error = self.error, None
        return error

    def _run(self) -> None:
        try:
            self.worker.run()
        except Exception as error:
            self.error = error


class Stream:
    """Topics and a group of one test's own on a broker."""

    def __init__(self, servers: str, forecaster: Forecaster, parts: dict[str, dict[str, object]]) -> None:
        name = f"s-{uuid.uuid4().hex[:8]}"
        own: dict[str, dict[str, object]] = {
            "kafka": {"bootstrap_servers": servers, "partitions": 2},
            "stream": {"input_topic": f"{name}-rows", "output_topic": f"{name}-forecasts", "group": name},
        }
        merged = {part: own.get(part, {}) | parts.get(part, {}) for part in {**own, **parts}}
        self.settings = Settings.model_validate(merged)
        self.forecaster = forecaster
        self.day_ms = DAY_MS
        deadline = time.monotonic() + 20
        # Rows of 2013 would be deleted within minutes otherwise.
        TopicAdmin(self.settings.kafka, deadline).ensure(Topic(self.input, config={"retention.ms": "-1"}))
        provision(self.settings, deadline)
        self._producer = Producer({"bootstrap.servers": servers, "log_level": 0})

    @property
    def input(self) -> str:
        return self.settings.stream.input_topic

    def put(self, values: Iterable[bytes | None], **where: Any) -> None:
        """Records into the input, in partition 0 unless told, with the timestamp of `DAY_MS`."""
        for value in values:
            self.add(value, **where)
        self.flush()

    def add(self, value: bytes | None, **where: Any) -> None:
        """A record like those of `put`; it is there after `flush`."""
        self._producer.produce(self.input, value, **{"partition": 0, "timestamp": DAY_MS, **where})

    def flush(self) -> None:
        assert self._producer.flush(20) == 0

    def work(
        self,
        index: int = 0,
        forecaster: Forecaster | None = None,
        parts: dict[str, dict[str, object]] | None = None,
        **otherwise: Any,
    ) -> Work:
        """A worker, with other settings by part where told."""
        settings = self.settings
        for part, values in (parts or {}).items():
            settings = settings.model_copy(update={part: getattr(settings, part).model_copy(update=values)})
        return Work(Worker(settings, forecaster or self.forecaster, index, **otherwise))

    def forecasts(self) -> list[Any]:
        """Committed forecasts in their order in the topic, with their `origin` and whether `revised`."""
        found = []
        for message in sorted(self._all(self.settings.stream.output_topic), key=lambda m: m.partition()):
            headers = dict(message.headers())
            told = json.loads(message.value())
            told["origin"] = headers["foretell-origin"].decode().removeprefix(f"{self.input}/")
            told["revised"] = "foretell-revision" in headers
            found.append(told)
        return found

    def dead_letters(self) -> list[tuple[str, str]]:
        """Reason and origin of each, without the topic."""
        told = [dict(message.headers()) for message in self._all(dead_letter_topic(self.input))]
        return [
            (
                headers["foretell-error-reason"].decode(),
                headers["foretell-origin"].decode().removeprefix(f"{self.input}/"),
            )
            for headers in told
        ]

    def stored(self) -> dict[tuple[int, str], bytes | None]:
        """The newest record of each series in the changelog, by partition and name."""
        records = self._all(changelog_topic(self.settings.stream.group))
        return {(m.partition(), m.key().decode()): m.value() for m in records}

    def _all(self, topic: str) -> list[Message]:
        return list(read(self.settings.kafka, topic, to_end=True))


class Broker(Protocol):
    bootstrap_servers: str


@pytest.fixture
def stream(kafka: Broker, forecaster: Forecaster) -> Callable[..., Stream]:
    """`stream(part={…})`: topics and group on the session's broker."""
    return lambda **parts: Stream(kafka.bootstrap_servers, forecaster, parts)


@pytest.fixture
def on_broker(forecaster: Forecaster) -> Callable[..., Stream]:
    """`on_broker(servers, part={…})`: the same on a broker of one's own."""
    return lambda servers, **parts: Stream(servers, forecaster, parts)
