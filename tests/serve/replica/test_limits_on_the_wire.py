"""Each limit of the request door, told or enforced on a real connection."""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from foretell.config import LimitSettings, SecuritySettings, ServeSettings
from foretell.serve.protocols.app import App
from foretell.serve.protocols.oip_grpc import OipGrpc, make_server
from foretell.serve.protocols.oip_messages import SERVICE, message
from foretell.serve.replica.lane import GrpcDoor, Lane
from foretell.serve.security.guard import Guard
from foretell.serve.security.key_file import add_key
from foretell.serve.security.keys import issue

PATH = "/v2/models/weather/infer"
HEAD = f"POST {PATH} HTTP/1.1\r\nhost: a\r\n"
Serve = Callable[..., int]


@pytest.fixture
def serve(make_app: Any) -> Iterator[Serve]:
    """`serve(body_bytes=…)`: the port of a lane with these limits before a backend that is none."""
    made: list[Lane] = []

    def one(app: App | None = None, **limits: Any) -> int:
        app = app or make_app(limits)
        made.append(Lane(app, "127.0.0.1", 0, limits=LimitSettings.model_validate(limits)))
        made[-1].open()
        return made[-1].port

    yield one
    for lane in made:
        lane.drain(limit_s=0.1, linger_s=0)


def infer(rows: int = 1) -> bytes:
    data = [50.0] * 21 * rows
    tensor = {"name": "windows", "shape": [rows, 7, 3], "datatype": "FP64", "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


def post(port: int, body: bytes, **headers: str) -> tuple[http.client.HTTPResponse, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", PATH, body, headers)
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


@contextlib.contextmanager
def connected(port: int, sent: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(sent)
        yield connection


def rest(connection: socket.socket) -> bytes:
    """What comes until the other side closes. Raises TimeoutError: it does not."""
    told = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            told += part
    return told


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_body_that_says_it_is_too_large_is_not_waited_for(serve: Serve) -> None:
    with connected(serve(body_bytes=1000), f"{HEAD}content-length: 100000\r\n\r\n".encode()) as connection:
        told = rest(connection)
    assert told.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in told


def test_a_body_of_unknown_length_is_stopped_on_its_way(serve: Serve) -> None:
    with connected(
        serve(body_bytes=1000), f"{HEAD}transfer-encoding: chunked\r\n\r\n".encode()
    ) as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(50):
                connection.sendall(b"64\r\n" + b" " * 100 + b"\r\n")
        assert rest(connection).startswith(b"HTTP/1.1 413")


def test_rows_depth_and_headers(serve: Serve) -> None:
    port = serve(rows=2, json_depth=8, header_bytes=2000)
    assert post(port, infer(2))[0].status == 200
    answer, told = post(port, infer(3))
    assert (answer.status, told["code"]) == (413, "too_large")
    answer, told = post(port, b'{"inputs":' + b"[" * 9 + b"]" * 9 + b"}")
    assert (answer.status, told["code"]) == (422, "invalid")
    answer, told = post(port, infer(), padding="x" * 3000)
    assert (answer.status, told["code"]) == (431, "header_too_large")


def test_requests_a_second(serve: Serve) -> None:
    port = serve(rate=2.0)
    statuses = [post(port, infer())[0].status for _ in range(3)]
    assert statuses == [200, 200, 429]
    answer, told = post(port, infer())
    assert told["code"] == "rate_limited"
    assert answer.headers["retry-after"] == "1"


def test_requests_at_once(serve: Serve, backend: Any, tmp_path: Path) -> None:
    """Of a client, whom only a key can tell from others."""
    token, key = issue("acme", ("weather",), "low")
    add_key(tmp_path / "keys.json", key)
    security = SecuritySettings(keys=tmp_path / "keys.json")
    settings = ServeSettings(security=security, limits=LimitSettings(concurrency=2))
    guard = Guard(security, settings.limits, loopback=True)
    port = serve(App(backend, guard, settings, lambda: b""))
    bearer = f"Bearer {token}"
    backend.hold = 30.0
    head = f"{HEAD}authorization: {bearer}\r\ncontent-length: {len(infer())}\r\n\r\n"
    asked = head.encode() + infer()
    with connected(port, asked), connected(port, asked):
        until(lambda: len(backend.calls) == 2)
        answer, told = post(port, infer(), authorization=bearer)
        assert (answer.status, told["code"]) == (429, "rate_limited")
    until(lambda: len(backend.cancelled) == 2)
    backend.hold = 0.0
    assert post(port, infer(), authorization=bearer)[0].status == 200, "those who left have made room"


@pytest.mark.parametrize(
    ("sent", "drop"),
    [(HEAD.encode(), b"a: b\r\n"), (f"{HEAD}content-length: 5000\r\n\r\n".encode(), b" ")],
    ids=["head", "body"],
)
def test_a_request_that_comes_drop_by_drop_has_an_end(
    serve: Serve, backend: Any, sent: bytes, drop: bytes
) -> None:
    began = time.monotonic()
    with connected(serve(slow=0.3), sent) as connection:
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < began + 5:
                connection.sendall(drop)
                time.sleep(0.02)
        assert time.monotonic() < began + 4
        assert rest(connection)[:12] in (b"", b"HTTP/1.1 408")
    assert not backend.calls


def test_a_connection_that_falls_silent_after_an_answer_ends(serve: Serve) -> None:
    port = serve(idle=0.3)
    asked = f"{HEAD}content-length: {len(infer())}\r\n\r\n".encode() + infer()
    with connected(port, asked) as connection:
        assert rest(connection).startswith(b"HTTP/1.1 200")


def test_line_ends_keep_no_connection(serve: Serve) -> None:
    with connected(serve(idle=0.3), b"\r\n") as connection:
        assert rest(connection) == b""


def test_half_closed_in_the_middle_of_a_body_is_gone(serve: Serve, backend: Any) -> None:
    with connected(serve(), f"{HEAD}content-length: {len(infer())}\r\n\r\n".encode() + infer()[:50]) as half:
        half.shutdown(socket.SHUT_WR)
        assert rest(half) == b""
    assert not backend.calls


def test_half_closed_while_it_waits_takes_its_call_back(serve: Serve, backend: Any) -> None:
    backend.hold = 30.0
    asked = f"{HEAD}content-length: {len(infer())}\r\n\r\n".encode() + infer()
    with connected(serve(), asked) as half:
        until(lambda: backend.calls)
        half.shutdown(socket.SHUT_WR)
        assert rest(half) == b""
    until(lambda: backend.cancelled)


def test_grpc_has_them_too(backend: Any, make_app: Any) -> None:
    limits = {"body_bytes": 20_000, "header_bytes": 2000, "rows": 2}
    settings = ServeSettings(limits=LimitSettings.model_validate(limits))
    oip = OipGrpc(backend, Guard(SecuritySettings(), settings.limits, loopback=True), settings)
    lane = Lane(make_app(), "127.0.0.1", 0, grpc=GrpcDoor(0, lambda: make_server(oip, settings)))
    lane.open()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{lane.grpc_port}") as channel:
            ask = channel.unary_unary(
                f"/{SERVICE}/ModelInfer",
                request_serializer=message("ModelInferRequest").SerializeToString,
                response_deserializer=message("ModelInferResponse").FromString,
            )
            assert ask(_request(2), timeout=5).model_name == "weather"
            for request, metadata, code in (
                (_request(3), (), grpc.StatusCode.INVALID_ARGUMENT),
                (_request(200), (), grpc.StatusCode.RESOURCE_EXHAUSTED),
                (_request(1), (("padding", "x" * 9000),), grpc.StatusCode.RESOURCE_EXHAUSTED),
            ):
                with pytest.raises(grpc.RpcError) as caught:
                    ask(request, metadata=metadata, timeout=5)
                assert caught.value.code() is code
    finally:
        lane.drain(limit_s=0.1, linger_s=0)


def _request(rows: int) -> Any:
    request = message("ModelInferRequest")(model_name="weather")
    tensor = request.inputs.add(name="windows", datatype="FP64", shape=[rows, 7, 3])
    tensor.contents.fp64_contents.extend([50.0] * 21 * rows)
    return request
