"""Heads of requests that were read before."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from foretell.config import LimitSettings
from foretell.serve.protocols.http import Head
from foretell.serve.replica import heads as room
from foretell.serve.replica.connection import Connection
from foretell.serve.replica.direct import Direct
from foretell.serve.replica.heads import Heads

RAW = b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n"
HEAD = Head.of("POST", "/", b"", [(b"content-length", b"3")])


def test_what_was_read_is_known_again() -> None:
    heads = Heads()
    assert heads.find(RAW + b"abc") is None
    heads.keep(RAW + b"abc", HEAD, 3)
    assert heads.find(RAW + b"def") == (HEAD, b"def")


def test_less_or_more_than_one_request_is_none() -> None:
    heads = Heads()
    heads.keep(RAW + b"abc", HEAD, 3)
    for data in (RAW, RAW + b"ab", RAW + b"abcd", RAW[:-1], b"", b"\r\n" + RAW + b"abc", 2 * (RAW + b"abc")):
        assert heads.find(data) is None


def test_only_one_whole_request_is_kept() -> None:
    heads = Heads()
    for data in (2 * (RAW + b"abc"), RAW, b"", b"abc", b"\n\r\nabc", b"x" * 5_000 + RAW + b"abc"):
        heads.keep(data, HEAD, 3)
    assert not heads._known


def test_the_oldest_go_when_there_are_many() -> None:
    heads = Heads()
    for number in range(room._MOST + 10):
        heads.keep(b"POST /%d\r\n\r\nabc" % number, HEAD, 3)
    assert len(heads._known) == room._MOST
    assert heads.find(b"POST /9\r\n\r\nabc") is None
    assert heads.find(b"POST /10\r\n\r\nabc") is not None


class Taken:
    """In place of an intake: answers at once, and keeps who asked what."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes | None, bytes]] = []

    def put(self, direct: Direct, head: Head, body: bytes) -> None:
        self.asked.append((head.named.get(b"authorization"), body))
        direct.response_complete = True
        direct.connection.direct_done(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", False)


class Transport(asyncio.Transport):
    """Takes all that is written."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = False

    def write(self, data: Any) -> None:
        """Nobody reads it."""

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True


Connect = Callable[[], Connection]


def with_connections(act: Callable[[Connect], None]) -> list[tuple[bytes | None, bytes]]:
    """What came through connections of one listener."""
    taken = Taken()

    async def run() -> None:
        config = uvicorn.Config(taken, log_config=None, ws="none", lifespan="off")  # type: ignore[arg-type]
        config.load()
        heads, intake = Heads(), taken

        def connect() -> Connection:
            connection = Connection(config, ServerState(), LimitSettings(), intake, heads)  # type: ignore[arg-type]
            connection.connection_made(Transport())
            return connection

        act(connect)

    asyncio.run(run())
    return taken.asked


ASKED = (
    b"POST /v2/models/weather/infer HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer K\r\n"
    b"Content-Length: 3\r\n\r\nabc"
)


def test_a_known_head_is_its_senders_again() -> None:
    def act(connect: Connect) -> None:
        connection = connect()
        for body in (b"abc", b"def"):
            connection.data_received(ASKED[:-3] + body)

    assert with_connections(act) == [(b"Bearer K", b"abc"), (b"Bearer K", b"def")]


@pytest.mark.parametrize("cut", range(1, len(ASKED)))
def test_the_rest_of_a_head_is_no_head(cut: int) -> None:
    """Who sends what another's request ended with is not taken for that one, wherever it was cut."""

    def act(connect: Connect) -> None:
        connection = connect()
        connection.data_received(ASKED)
        connection.data_received(ASKED[:cut])
        connection.data_received(ASKED[cut:])
        connect().data_received(ASKED[cut:-3] + b"EVL")

    bodies = [body for _, body in with_connections(act)]
    assert b"EVL" not in bodies
    assert bodies[:1] == [b"abc"]


def test_a_piece_that_looks_like_a_request_does_not_stand_for_it() -> None:
    """In the middle of a head it belongs to whoever began that."""

    def act(connect: Connect) -> None:
        connection = connect()
        connection.data_received(
            b"POST /v2/models/other/infer HTTP/1.1\r\nAuthorization: Bearer X\r\nx-junk: "
        )
        connection.data_received(ASKED)
        connect().data_received(ASKED)

    assert with_connections(act)[-1] == (b"Bearer K", b"abc")
