"""Clients that ask before they were answered: HTTP pipelining."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import pytest
from tests.e2e.processes import wait_until

from foretell.config import LimitSettings
from foretell.serve.protocols.asgi import Receive, Scope, Send
from foretell.serve.replica.lane import Lane

MANY = 20_000


class Asked:
    """Answers with the path, of `/wait` never; how many it was asked, and who went away."""

    def __init__(self) -> None:
        self.count = 0
        self.waiting, self.gone = threading.Event(), threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.count += 1
        await receive()
        if scope["path"] == "/wait":
            self.waiting.set()
            assert (await receive())["type"] == "http.disconnect"
            self.gone.set()
            return
        body = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def connection(asked: Asked) -> Iterator[socket.socket]:
    lane = Lane(asked, "127.0.0.1", 0, limits=LimitSettings())
    lane.open()
    with socket.create_connection(("127.0.0.1", lane.port), timeout=8) as made:
        yield made
    lane.drain(limit_s=0.1, linger_s=0)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: test\r\n\r\n".encode()


def test_some_at_once_are_answered_in_their_order(connection: socket.socket) -> None:
    paths = [f"/{i:02d}" for i in range(50)]
    connection.sendall(b"".join(map(get, paths)))
    told = b""
    while told.count(b"HTTP/1.1 200") < len(paths) or not told.endswith(paths[-1].encode()):
        told += connection.recv(65536)
    assert [part[-3:].decode() for part in told.split(b"HTTP/1.1 200")[1:]] == paths


def test_a_flood_is_cut_off(
    asked: Asked, connection: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), contextlib.suppress(ConnectionError):
        connection.sendall(get("/a") * MANY)
        while connection.recv(65536):
            pass
    assert asked.count < MANY / 10
    assert not caplog.records


def test_who_goes_away_takes_back_what_is_under_way_too(asked: Asked, connection: socket.socket) -> None:
    connection.sendall(get("/wait") + get("/next"))
    assert asked.waiting.wait(5)
    connection.close()
    assert asked.gone.wait(5)
    assert asked.count == 1


def test_the_last_piece_of_a_body_is_no_head(asked: Asked, connection: socket.socket) -> None:
    head = b"POST /body HTTP/1.1\r\nhost: test\r\ncontent-length: 60100\r\n\r\n"
    connection.sendall(head + b"x" * 100)
    wait_until(lambda: asked.count == 1, 5.0, "the application")
    connection.sendall(b"x" * 60_000)
    told = b""
    while not told.endswith(b"/body"):
        told += connection.recv(65_536)
    connection.sendall(get("/next"))
    while not told.endswith((b"/next", b"limit.")):
        told += connection.recv(65_536)
    assert told.count(b"HTTP/1.1 200") == 2
