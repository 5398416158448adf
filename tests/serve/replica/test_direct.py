"""A request that came in whole takes a shorter way, and nobody can tell."""

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from foretell.serve.backend import Refusal
from foretell.serve.protocols.asgi import Receive, Scope, Send
from foretell.serve.protocols.http import Answered, Head, Response
from foretell.serve.replica.direct import Direct, is_direct
from foretell.serve.replica.lane import Lane

PATH = "/v2/models/weather/infer"
OWN = {"x-request-id", "date"}  # differ between any two answers


class Ways:
    """Says which way a request came, and what its body was; `wait` waits for `go`."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.waiting, self.cancelled = threading.Event(), threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        told = b"asgi " + body
        headers = [(b"content-length", b"%d" % len(told))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})

    def turn_away(self, head: Head, body: bytes, arrived: float, refusal: Refusal | None = None) -> None:
        """All of them are read."""

    async def whole(self, head: Head, body: bytes, arrived: float) -> Answered:
        if body == b"wait":
            self.waiting.set()
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        told = b"direct " + body
        return Response(told), [(b"content-length", b"%d" % len(told))]


@pytest.fixture
def ways() -> Ways:
    return Ways()


@pytest.fixture
def lane(ways: Ways) -> Iterator[Lane]:
    opened = Lane(ways, "127.0.0.1", 0)
    opened.open()
    yield opened
    opened.drain(limit_s=0.1, linger_s=0)


def request(body: bytes, path: str = PATH, headers: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def answers(connection: socket.socket, count: int) -> list[bytes]:
    """The bodies of so many answers, in order."""
    found, file = [], connection.makefile("rb")
    for _ in range(count):
        length = 0
        while (line := file.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        found.append(file.read(length))
    return found


def talk(lane: Lane, *pieces: bytes, count: int) -> list[bytes]:
    with socket.create_connection(("127.0.0.1", lane.port), timeout=5) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return answers(connection, count)


def test_a_whole_call_is_direct(lane: Lane) -> None:
    assert talk(lane, request(b"a"), count=1) == [b"direct a"]


def test_a_lane_that_leaves_does_not_wait_for_who_was_answered(lane: Lane) -> None:
    with socket.create_connection(("127.0.0.1", lane.port), timeout=5) as connection:
        connection.sendall(request(b"a"))
        assert answers(connection, 1) == [b"direct a"]
        began = time.monotonic()
        lane.drain(limit_s=5, linger_s=0)
        assert time.monotonic() - began < 0.8
        assert connection.recv(1) == b""


def test_a_head_that_was_read_before_leads_to_the_same_answers(lane: Lane) -> None:
    """In whatever pieces it comes, with others behind it, on whichever connection."""
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", lane.port), timeout=5) as connection:
            for body in (b"a", b"b"):
                connection.sendall(request(body))
                assert answers(connection, 1) == [b"direct " + body]
            for piece in (request(b"c")[:30], request(b"c")[30:]):
                connection.sendall(piece)
            assert answers(connection, 1) == [b"direct c"]
            connection.sendall(request(b"d") + request(b"ef")[:-1])
            assert answers(connection, 1) == [b"direct d"]
            connection.sendall(b"f" + request(b"g"))
            assert [answer.split()[1] for answer in answers(connection, 2)] == [b"ef", b"g"]


@pytest.mark.parametrize(
    "other",
    [
        request(b"a", "/v1/forecast/weather"),
        request(b"a", f"{PATH}?b"),
        request(b"a", "/v2/models/we%61ther/infer"),
        request(b"a", headers="Connection: close\r\n"),
        f"POST {PATH} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n".encode(),
    ],
)
def test_whatever_is_more_than_a_plain_call_is_not(lane: Lane, other: bytes) -> None:
    assert talk(lane, other, count=1) == [b"asgi a"]


def test_a_body_that_comes_later_is_waited_for(lane: Lane) -> None:
    whole = request(b"abc")
    with socket.create_connection(("127.0.0.1", lane.port), timeout=5) as connection:
        connection.sendall(whole[:-2])
        # Another connection's answer: by then the first piece has been looked at.
        assert talk(lane, request(b"other"), count=1) == [b"direct other"]
        connection.sendall(whole[-2:] + request(b"next"))
        assert answers(connection, 2)[0] == b"asgi abc"


def test_answers_keep_the_order_of_their_requests(lane: Lane, ways: Ways) -> None:
    with socket.create_connection(("127.0.0.1", lane.port), timeout=5) as connection:
        connection.sendall(request(b"wait") + request(b"a", "/x") + request(b"b"))
        assert ways.waiting.wait(5)
        lane.submit(_set(ways.go)).result(5)
        first, *others = answers(connection, 3)
    assert first == b"direct wait"
    assert [answer[-1:] for answer in others] == [b"a", b"b"]


def test_who_goes_away_takes_the_request_back(lane: Lane, ways: Ways) -> None:
    with socket.create_connection(("127.0.0.1", lane.port), timeout=5) as connection:
        connection.sendall(request(b"wait"))
        assert ways.waiting.wait(5)
        assert lane.ongoing == 1
    assert ways.cancelled.wait(5)
    assert talk(lane, request(b"a"), count=1) == [b"direct a"]
    assert lane.ongoing == 0


def test_a_lane_that_leaves_answers_it_and_says_so(lane: Lane, ways: Ways) -> None:
    with socket.create_connection(("127.0.0.1", lane.port), timeout=5) as connection:
        connection.sendall(request(b"wait"))
        assert ways.waiting.wait(5)
        leaving = threading.Thread(target=lane.drain, kwargs={"limit_s": 5.0, "linger_s": 0.05})
        leaving.start()
        until = time.monotonic() + 5
        while lane.is_open and time.monotonic() < until:
            time.sleep(0.001)
        lane.submit(_set(ways.go)).result(5)
        told = connection.makefile("rb").read()
    leaving.join()
    assert b"connection: close" in told
    assert told.endswith(b"direct wait")


@pytest.mark.parametrize("body", [b'{"inputs": []}', b"no json", None])
def test_either_way_has_the_same_answer(
    make_app: Callable[..., object], window: list[list[float]], body: bytes | None
) -> None:
    tensor = {"name": "windows", "shape": [1, 7, 3], "datatype": "FP64", "data": [window]}
    body = msgspec.json.encode({"inputs": [tensor]}) if body is None else body
    lane = Lane(make_app(), "127.0.0.1", 0)  # type: ignore[arg-type]
    lane.open()
    try:
        direct, through = _asked(lane.port, PATH, body), _asked(lane.port, f"{PATH}?", body)
    finally:
        lane.drain(limit_s=0.1, linger_s=0)
    assert direct == through


def test_what_is_direct() -> None:
    length = [(b"content-length", b"10")]
    assert is_direct(b"POST", PATH.encode(), length)
    assert is_direct(b"POST", b"/v2/models/weather/versions/1/infer", length)
    assert not is_direct(b"GET", PATH.encode(), length)
    assert not is_direct(b"POST", PATH.encode(), [])
    assert not is_direct(b"POST", PATH.encode(), [(b"content-length", b"65537")])
    assert not is_direct(b"POST", PATH.encode(), [*length, (b"expect", b"100-continue")])
    assert not is_direct(b"POST", PATH.encode(), [*length, (b"content-encoding", b"gzip")])


def test_given_up_in_the_turn_that_brings_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Connection:
        def direct_done(self, sent: bytes, close: bool) -> None:
            raise AssertionError("nobody is there")

    async def scenario() -> None:
        future = asyncio.get_running_loop().create_future()

        async def answer() -> Answered:
            await future
            return Response(b""), []

        direct = Direct(Connection(), [])
        direct.start(answer())
        future.set_result(None)
        direct.abandon()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert direct.response_complete

    asyncio.run(scenario())
    assert not caplog.records


async def _set(event: asyncio.Event) -> None:
    event.set()


def _asked(port: int, path: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", path, body)
    answer = connection.getresponse()
    headers = [(name.lower(), value) for name, value in answer.getheaders()]
    told = answer.status, [header for header in headers if header[0] not in OWN], answer.read()
    connection.close()
    return told
