"""`foretell stream` as it is run: in a process of its own, with a Ray of its own, from beginning to end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, Producer

from foretell.demo.mock_broker import MockBroker

if TYPE_CHECKING:
    from tests.stream.conftest import Stream

FORETELL = Path(sys.executable).with_name("foretell")
MARK = "FORETELL_TEST_RUN"
SECRET = "correct-horse-battery"
Row = Callable[..., bytes]


class Process:
    """`foretell stream` with its output in a file.

    Attributes:
        port: of /healthz and /metrics, once it is told.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], *options: str) -> None:
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(FORETELL), "stream", *options], env=environ, stdout=log, stderr=log, cwd=folder
            )

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def port(self) -> int | None:
        found = re.search(r"/healthz and /metrics at http://127\.0\.0\.1:(\d+)", self.said)
        return int(found[1]) if found else None

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; 0 while nobody listens."""
        if self.port is None:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except OSError as error:
            return getattr(error, "code", 0), ""

    def until(self, condition: Callable[[], object], limit_s: float = 60.0) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert self._process.poll() is None, f"it ended: {self.said}"
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def status(self, limit_s: float = 60.0) -> int:
        """Wait for its end."""
        return self._process.wait(limit_s)

    def end(self) -> None:
        """Whatever became of the test."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def environ() -> Mapping[str, str]:
    """Of this test alone, so that what is left behind can be told from others' processes."""
    ours = ("KAFKA_", "RAY_", "FORETELL_", "MODEL_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, MARK: uuid.uuid4().hex}


@pytest.fixture
def start(environ: Mapping[str, str], tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts it with settings as a file and flags; nothing of it outlives the test by more than a moment."""
    started: list[Process] = []

    def run(settings: dict[str, Any], *options: str) -> Process:
        file = tmp_path / "foretell.yaml"
        file.write_text(json.dumps(settings))  # JSON is YAML
        started.append(Process(tmp_path, environ, "--config", str(file), *options))
        return started[-1]

    yield run
    for process in started:
        process.end()
    deadline = time.monotonic() + 15
    while left := running(environ[MARK]):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.1)


def running(mark: str) -> dict[int, str]:
    """Processes with the mark in their environment, by id: their commands."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it ended while we looked, or is not ours to see
    return found


def settings(servers: str, bundle: Path, **stream: object) -> dict[str, Any]:
    return {
        "kafka": {"bootstrap_servers": servers},
        "ray": {"head_address": "local", "num_cpus": 2},
        "model": {"bundle": str(bundle)},
        "stream": {"num_actors": 1, "port": 0, **stream},
    }


Start = Callable[..., Process]


@pytest.mark.kafka
@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(150)
def test_sigterm_drains_and_the_status_is_0(
    stream: "Callable[..., Stream]", weather: Path, row: Row, start: Start, environ: Mapping[str, str]
) -> None:
    one = stream()
    one.put([*(row("a", h) for h in range(3)), b"{"])
    names = {k: getattr(one.settings.stream, k) for k in ("input_topic", "output_topic", "group")}
    told = settings(one.settings.kafka.bootstrap_servers, weather, **names)
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
@pytest.mark.timeout(150)
def test_until_end_takes_what_is_there_through_both_stages_and_ends_by_itself(
    stream: "Callable[..., Stream]", weather: Path, row: Row, start: Start
) -> None:
    one = stream(stream={"repartition": True})
    one.put([row("a", h) for h in range(4)], key=b"a")
    one.put([row("b", h) for h in range(3)], partition=1, key=b"b")
    names = {k: getattr(one.settings.stream, k) for k in ("input_topic", "output_topic", "group")}
    told = settings(one.settings.kafka.bootstrap_servers, weather, repartition=True, **names)
    process = start(told, "--until-end")
    assert process.status(100) == 0, process.said
    assert "ended: 7 rows, 3 forecasts, 0 dead letters" in process.said
    assert sorted(m["origin"] for m in one.forecasts()) == ["0/2", "0/3", "1/2"]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(150)
def test_on_the_mock_cluster_at_least_once(
    mock_broker: MockBroker, weather: Path, row: Row, start: Start
) -> None:
    servers = mock_broker.bootstrap_servers
    producer = Producer({"bootstrap.servers": servers, "log_level": 0})
    for hour in range(3):
        producer.produce("rows", row("a", hour), "a", partition=0, timestamp=1_380_672_000_000)
    assert producer.flush(10) == 0
    names = {"input_topic": "rows", "output_topic": "out", "group": "g", "delivery": "at_least_once"}
    process = start(settings(servers, weather, **names))
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
def test_asked_to_end_while_it_waits_for_kafka(weather: Path, start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        process = start(settings(f"127.0.0.1:{taken.getsockname()[1]}", weather, wait=60))
        process.until(lambda: "does not answer, trying on" in process.said)
        process.terminate()
        assert process.status(5) == 0, process.said
    assert "Traceback" not in process.said
