"""The lane: it answers, shares its port, and leaves without losing anybody."""

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from foretell.config import LimitSettings
from foretell.errors import ConfigError
from foretell.serve.protocols.asgi import Receive, Scope, Send
from foretell.serve.replica.lane import GrpcDoor, Lane
from foretell.serve.replica.listener import ASGIApp


class Echo:
    """Answers `GET /PATH` with the path; `/wait` waits for `go`, `/large` has many bytes."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.waiting = threading.Event()
        self.gone = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        if scope["path"] == "/wait":
            self.waiting.set()
            try:
                await self._until_go(receive)
            except ConnectionError:
                self.gone.set()
                return
        body = b"x" * 50_000_000 if scope["path"] == "/large" else scope["path"].encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _until_go(self, receive: Receive) -> None:
        went, left = asyncio.ensure_future(self.go.wait()), asyncio.ensure_future(receive())
        await asyncio.wait([went, left], return_when=asyncio.FIRST_COMPLETED)
        if left.done():
            raise ConnectionError
        left.cancel()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def lane(echo: Echo) -> Iterator[Callable[..., Lane]]:
    """`lane(app=…, port=…, slow=…)`: an open one, on a free port unless told."""
    made: list[Lane] = []

    def make(app: ASGIApp = echo, port: int = 0, **limits: float) -> Lane:
        made.append(Lane(app, "127.0.0.1", port, limits=LimitSettings.model_validate(limits)))
        made[-1].open()
        return made[-1]

    yield make
    for one in made:
        one.drain(limit_s=0.1, linger_s=0)


def get(port: int, path: str = "/a") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    return connection.getresponse()


def closes(connection: socket.socket, limit_s: float = 5.0) -> bool:
    """Whether the other side ends it in time."""
    connection.settimeout(limit_s)
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def test_it_answers_on_a_free_port(lane: Callable[..., Lane]) -> None:
    opened = lane()
    assert opened.port > 0
    answer = get(opened.port, "/hello")
    assert (answer.status, answer.read()) == (200, b"/hello")
    assert answer.headers["connection"] is None


def test_two_share_a_port_and_both_get_work(lane: Callable[..., Lane], echo: Echo) -> None:
    async def other(scope: Scope, receive: Receive, send: Send) -> None:
        await echo({**scope, "path": "other"}, receive, send)

    first = lane()
    lane(other, port=first.port)
    assert {get(first.port).read() for _ in range(64)} == {b"/a", b"other"}


def test_a_port_in_other_hands_is_told(lane: Callable[..., Lane]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1"):
            lane(port=taken.getsockname()[1])


def test_draining_answers_what_is_in_flight(lane: Callable[..., Lane], echo: Echo) -> None:
    opened = lane()
    answers: list[bytes] = []
    asking = threading.Thread(target=lambda: answers.append(get(opened.port, "/wait").read()))
    asking.start()
    assert echo.waiting.wait(5)
    draining = threading.Thread(target=opened.drain, kwargs={"linger_s": 0.05})
    draining.start()
    draining.join(0.3)
    assert draining.is_alive()
    assert opened.submit(set_event(echo.go)).result(5)
    draining.join(5)
    asking.join(5)
    assert answers == [b"/wait"]
    with pytest.raises(ConnectionRefusedError):
        get(opened.port)


async def set_event(event: asyncio.Event) -> bool:
    event.set()
    return True


def test_while_it_lingers_clients_are_asked_to_go(lane: Callable[..., Lane]) -> None:
    opened = lane()
    draining = threading.Thread(target=opened.drain, kwargs={"linger_s": 0.5})
    draining.start()
    deadline = time.monotonic() + 5
    while (told := get(opened.port).headers["connection"]) is None:
        assert time.monotonic() < deadline
    assert told == "close"
    draining.join(5)


def test_a_fleet_that_loses_one_lane_loses_no_request(lane: Callable[..., Lane]) -> None:
    first = lane()
    second = lane(port=first.port)
    ended, failures, answered = threading.Event(), [], [0]

    def ask() -> None:
        while not ended.is_set():
            try:
                assert get(first.port).read() == b"/a"
                answered[0] += 1
            except (OSError, http.client.HTTPException) as error:
                failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    first.drain(linger_s=0.2)
    before = answered[0]
    deadline = time.monotonic() + 5
    while answered[0] < before + 50 and time.monotonic() < deadline:
        time.sleep(0.01)
    ended.set()
    asking.join(5)
    assert second.is_open
    assert answered[0] >= before + 50
    assert not failures


def test_who_waits_at_the_door_when_it_closes_is_answered(lane: Callable[..., Lane]) -> None:
    opened = lane()
    go = threading.Event()

    async def busy() -> None:
        go.wait(5)

    opened.submit(busy())  # nobody is let in meanwhile
    draining = threading.Thread(target=opened.drain, kwargs={"linger_s": 0})
    connections = [socket.create_connection(("127.0.0.1", opened.port)) for _ in range(20)]
    draining.start()
    go.set()
    for connection in connections:
        connection.sendall(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n")
    for connection in connections:
        connection.settimeout(5)
        assert connection.recv(1000).endswith(b"/a")
        connection.close()
    draining.join(5)
    assert not draining.is_alive()


def test_what_does_not_end_is_cut_off(lane: Callable[..., Lane], echo: Echo) -> None:
    opened = lane()
    with socket.create_connection(("127.0.0.1", opened.port)) as connection:
        connection.sendall(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n")
        assert echo.waiting.wait(5)
        began = time.monotonic()
        opened.drain(limit_s=0.3, linger_s=0)
        assert time.monotonic() - began < 3
        assert closes(connection)


@pytest.mark.parametrize(
    "sent", [b"GET /a HT", b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc"]
)
def test_half_a_request_is_not_waited_for(lane: Callable[..., Lane], sent: bytes) -> None:
    opened = lane(slow=0.2)
    with socket.create_connection(("127.0.0.1", opened.port)) as connection:
        connection.sendall(sent)
        assert closes(connection)


def test_a_silent_connection_ends(lane: Callable[..., Lane]) -> None:
    opened = lane(idle=0.2)
    with socket.create_connection(("127.0.0.1", opened.port)) as connection:
        assert closes(connection)


def test_a_client_that_takes_nothing_is_cut_off(lane: Callable[..., Lane]) -> None:
    opened = lane(slow=0.2)
    with socket.create_connection(("127.0.0.1", opened.port)) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
        deadline = time.monotonic() + 5
        while opened.submit(connections_of(opened)).result(5):
            assert time.monotonic() < deadline
            time.sleep(0.02)


async def connections_of(lane: Lane) -> int:
    assert lane._listener is not None
    return len(lane._listener._connections())


def test_a_half_closed_connection_takes_its_request_back(lane: Callable[..., Lane], echo: Echo) -> None:
    opened = lane()
    with socket.create_connection(("127.0.0.1", opened.port)) as connection:
        connection.sendall(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n")
        assert echo.waiting.wait(5)
        connection.shutdown(socket.SHUT_WR)
        assert echo.gone.wait(5)
        assert closes(connection)


def test_endless_headers_are_refused(lane: Callable[..., Lane]) -> None:
    opened = lane(header_bytes=1000)
    with socket.create_connection(("127.0.0.1", opened.port)) as connection:
        connection.sendall(b"GET /a HTTP/1.1\r\n" + b"a: b\r\n" * 300)
        connection.settimeout(5)
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_a_body_in_one_piece_with_its_headers_is_no_header(lane: Callable[..., Lane]) -> None:
    opened = lane(header_bytes=1000)
    with socket.create_connection(("127.0.0.1", opened.port)) as connection:
        connection.settimeout(5)
        for size in (2_000, 20_000):
            head = f"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n"
            connection.sendall(head.encode() + b"x" * size)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_another_loops_request_is_answered_on_the_lanes_own(lane: Callable[..., Lane]) -> None:
    threads: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        threads.append(threading.current_thread().name)
        await send({"type": "echo", "body": (await receive())["body"] + scope["path"]})

    opened, sent = lane(app), []

    async def receive() -> dict[str, object]:
        return {"body": "here "}

    async def send(message: object) -> None:
        sent.append(message)

    asyncio.run(opened({"path": "there"}, receive, send))
    assert sent == [{"type": "echo", "body": "here there"}]
    assert threads == ["lane"]


def test_grpc_is_there_too(echo: Echo) -> None:
    import grpc

    async def answer(request: bytes, context: object) -> bytes:
        return request[::-1]

    def make() -> grpc.aio.Server:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
        method = grpc.unary_unary_rpc_method_handler(answer)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", {"M": method}),))
        return server

    both = Lane(echo, "127.0.0.1", 0, grpc=GrpcDoor(0, make))
    both.open()
    with grpc.insecure_channel(f"127.0.0.1:{both.grpc_port}") as channel:
        assert channel.unary_unary("/t.T/M")(b"abc", timeout=5) == b"cba"
        assert get(both.port).read() == b"/a"
        both.drain(limit_s=0.2, linger_s=0)
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/t.T/M")(b"abc", timeout=1)


def test_a_door_that_was_shut_is_opened_again_on_its_ports(lane: Callable[..., Lane], echo: Echo) -> None:
    opened = lane()
    answers: list[bytes] = []
    asking = threading.Thread(target=lambda: answers.append(get(opened.port, "/wait").read()))
    asking.start()
    assert echo.waiting.wait(5)
    shut = opened.shut()
    with pytest.raises(ConnectionRefusedError):
        until_refused(opened.port)
    assert not opened.is_open
    opened.open()
    assert get(opened.port).read() == b"/a"
    assert not shut.done(), "somebody still waits for an answer of before"
    assert opened.submit(set_event(echo.go)).result(5)
    shut.result(5)
    asking.join(5)
    assert answers == [b"/wait"]


def until_refused(port: int) -> None:
    """Raises ConnectionRefusedError."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        get(port)


def test_one_that_drains_is_not_opened_again(lane: Callable[..., Lane], echo: Echo) -> None:
    opened = lane()
    asking = threading.Thread(target=lambda: get(opened.port, "/wait").read())
    asking.start()
    assert echo.waiting.wait(5)
    draining = threading.Thread(target=opened.drain, kwargs={"linger_s": 0})
    draining.start()
    deadline = time.monotonic() + 5
    while opened.is_open:
        assert time.monotonic() < deadline
    opened.open()
    assert not opened.is_open
    assert opened.submit(set_event(echo.go)).result(5)
    draining.join(5)
    asking.join(5)


def test_who_is_there_when_the_door_is_shut_may_ask_once_more(lane: Callable[..., Lane]) -> None:
    opened = lane()
    connection = http.client.HTTPConnection("127.0.0.1", opened.port, timeout=5)
    connection.request("GET", "/a")
    assert connection.getresponse().read() == b"/a"
    shut = opened.shut()
    deadline = time.monotonic() + 5
    while opened.is_open:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    connection.request("GET", "/b")
    answer = connection.getresponse()
    assert (answer.read(), answer.headers["connection"]) == (b"/b", "close")
    shut.result(5)
    with pytest.raises(ConnectionRefusedError):
        get(opened.port)


def test_draining_waits_for_those_that_were_leaving_before(lane: Callable[..., Lane], echo: Echo) -> None:
    opened = lane()
    answers: list[bytes] = []
    asking = threading.Thread(target=lambda: answers.append(get(opened.port, "/wait").read()))
    asking.start()
    assert echo.waiting.wait(5)
    opened.shut()
    draining = threading.Thread(target=opened.drain, kwargs={"linger_s": 0})
    draining.start()
    draining.join(0.2)
    assert draining.is_alive()
    assert opened.submit(set_event(echo.go)).result(5)
    draining.join(5)
    asking.join(5)
    assert answers == [b"/wait"]


def test_a_loop_that_hangs_is_not_waited_for(
    lane: Callable[..., Lane], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foretell.serve.replica.lane._HUNG_S", 0.2)
    monkeypatch.setattr("foretell.serve.replica.lane._STOP_S", 0.2)
    opened, go = lane(), threading.Event()

    async def hang() -> None:
        go.wait(8)

    opened.submit(hang())
    began = time.monotonic()
    opened.drain(limit_s=30)
    assert time.monotonic() - began < 3
    go.set()
    opened._thread.join(5)
    assert opened._loop.is_closed()  # nothing of it is left for another test to stumble over
