"""The port that says how it is."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from foretell.errors import ConfigError
from foretell.telemetry.health import Health, HealthServer

Start = Callable[..., HealthServer]


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[HealthServer] = []

    def make(health: Callable[[], Health], metrics: Callable[[], bytes] = lambda: b"") -> HealthServer:
        servers.append(HealthServer("127.0.0.1", 0, health, metrics))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def get(server: HealthServer, path: str) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers["Content-Type"], answer.read()


def test_healthy_is_200_and_sick_is_503(start: Start) -> None:
    state = [Health(True, {"lag": 0})]
    server = start(lambda: state[0])
    status, kind, body = get(server, "/healthz")
    assert (status, kind, json.loads(body)) == (200, "application/json", {"healthy": True, "lag": 0})
    state[0] = Health(False, {"why": "worker 2 commits nothing"})
    status, _, body = get(server, "/healthz?verbose")
    assert (status, json.loads(body)) == (503, {"healthy": False, "why": "worker 2 commits nothing"})


def test_metrics_are_asked_for_at_each_request(start: Start) -> None:
    pages = iter([b"a 1\n", b"a 2\n"])
    server = start(lambda: Health(True), lambda: next(pages))
    assert get(server, "/metrics")[2] == b"a 1\n"
    status, kind, body = get(server, "/metrics")
    assert (status, body) == (200, b"a 2\n")
    assert kind.startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("path", ["/", "/../etc/passwd", "/metrics/x"])
def test_anything_else_is_404(start: Start, path: str) -> None:
    assert get(start(lambda: Health(True)), path)[0] == 404


def test_a_failure_tells_nothing_of_the_inside(start: Start) -> None:
    def fail() -> Health:
        raise RuntimeError("/secret/path")

    status, _, body = get(start(fail), "/healthz")
    assert (status, body) == (500, b'{"error": "internal"}')


def test_a_port_that_is_taken_is_a_setting_to_change(start: Start) -> None:
    taken = start(lambda: Health(True)).port
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{taken}") as raised:
        HealthServer("127.0.0.1", taken, lambda: Health(True), lambda: b"")
    assert "--port" in (raised.value.cure or "")
