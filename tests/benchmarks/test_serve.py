"""Each part of the request door's benchmark runs, at a size that shows only that; its loads count right."""

import http.server
import json
import math
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.serve import grpc_load, offer, requests, wrk
from benchmarks.serve.growth import decision
from benchmarks.serve.server import listens, running

from foretell.demo.apache_kafka import free_ports

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "benchmarks" / "serve" / "programs"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with 200, and with 429 to a body that holds `no`."""

    protocol_version = "HTTP/1.1"
    asked: set[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.add(body)
        self.send_response(429 if b"no" in body else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[tuple[int, set[bytes]]]:
    """Its port, and the bodies that it was asked with."""
    asked: set[bytes] = set()
    handler = type("Own", (Handler,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving.server_address[1], asked
        serving.shutdown()


@pytest.fixture
def has_wrk() -> None:
    if shutil.which("wrk") is None:
        pytest.skip(wrk.ABSENT)


def measure(*parts: str, out: Path) -> dict[str, float]:
    """The medians of parts, by figure and unit, as their file of results has them."""
    command = [sys.executable, "-m", "benchmarks.serve", *parts, "--size", "tiny", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(out.read_text())
    figures = [figure for part in parts for figure in told[part]["figures"]]
    return {f"{figure['what']}, {figure['unit']}": figure["median"] for figure in figures}


def test_an_offered_load_counts_each_request(server: tuple[int, set[bytes]]) -> None:
    port, asked = server
    kinds = {"low": requests.post("/", b"FORETELL"), "high": requests.post("/", b"FORETELL no")}
    done = offer.offered(offer.Job(port, kinds, 0.5, rate=200.0, share=0.25, within_ms=1e4, connections=4))
    low, high = done.classes["low"], done.classes["high"]
    assert low.sent + high.sent == len(asked) == 100
    assert low.statuses == {"200": low.sent}
    assert high.statuses == {"429": high.sent}
    assert 5 < high.sent < 50
    assert (low.in_time, high.in_time) == (low.sent, 0)


def test_callers_ask_again_once_they_were_answered(server: tuple[int, set[bytes]]) -> None:
    port, asked = server
    done = offer.offered(offer.Job(port, {"low": requests.post("/", b"FORETELL")}, 0.3, callers=3))
    assert done.classes["low"].ok == done.classes["low"].sent == len(asked) > 3


def test_wrk_tells_what_it_saw(server: tuple[int, set[bytes]], has_wrk: None) -> None:
    port, asked = server
    shot = wrk.load(port, [requests.post("/", b"a"), requests.post("/", b"b")], 2, 1.0, 0)
    assert asked == {b"a", b"b"}
    assert shot.rate > 1
    assert 0 < shot.p50_ms <= shot.p99_ms
    with pytest.raises(RuntimeError, match="errors"):
        wrk.load(port, [requests.post("/", b"no")], 1, 1.0, 0)


def test_grpc_calls_are_counted(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, str(PROGRAMS / "grpc_echo.py"), "aio", str(port)]
    with running(command, tmp_path / "log", {}, lambda: listens(port)):
        done = grpc_load.load(grpc_load.Job(port, b"FORETELL", 2, 0.3, 0.1))
    assert done.failed == 0
    assert done.rate > 1
    assert 0 < done.p50_ms <= done.p99_ms
    assert not listens(port)


def test_a_decision_costs_something() -> None:
    assert 0 < decision(10) < 0.1


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_batching(tmp_path: Path) -> None:
    found = measure("batching", out=tmp_path / "results.json")
    assert len(found) == 2 * 2 * 3  # models, callers; the ratio and two rates
    assert all(math.isfinite(value) and value > 0 for value in found.values())


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(300)
def test_parts_on_a_real_server(tmp_path: Path, has_wrk: None) -> None:
    found = measure(
        "peers", "tensors", "grpc", "features", "overload", "growth", out=tmp_path / "results.json"
    )
    for figure in (
        "p50 at 1 connection, ms",
        "64 windows a request: windows/s / engine alone, ratio",
        "calls/s at 1 connection: foretell / empty grpc.aio echo, ratio",
        "p99 at 80% of capacity, ms",
        "goodput / capacity, ratio",
        "1 replica, 32 connections, requests/s",
    ):
        assert found[figure] > 0
    assert found["requests without an answer, requests"] == 0
