"""The client, against a server that does what the test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from foretell.client import Client, Priority, Refusal, ServerUnreachable, SyncClient
from foretell.errors import ConfigError

Answer = Callable[[web.Request, bytes], web.StreamResponse | None]


class Stub:
    """Gives the answers it was told, one a request; the last one stands for all that follow."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.heard: list[tuple[web.Request, bytes]] = []
        self.url = ""
        self.connections: set[Any] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.heard.append((request, body))
        self.connections.add(request.transport)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        response = answer(request, body)
        if response is None:
            await asyncio.sleep(60)
            raise AssertionError("nobody waits so long")
        return response

    def told(self, at: int = -1) -> dict[str, Any]:
        """The JSON of a request."""
        request, body = self.heard[at]
        length = request.headers.get("Inference-Header-Content-Length")
        told: dict[str, Any] = json.loads(body[: int(length)] if length else body)
        return told


@asynccontextmanager
async def serving(stub: Stub) -> AsyncIterator[Stub]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stub
    finally:
        await runner.cleanup()


def against(stub: Stub, use: Callable[[Client], Awaitable[Any]], **options: Any) -> Any:
    async def run() -> Any:
        async with serving(stub), Client(stub.url, **options) as client:
            return await use(client)

    return asyncio.run(run())


def ok(told: object = None) -> Answer:
    return lambda request, body: web.json_response(told if told is not None else {"forecasts": []})


def no(status: int, code: str, after: int | None = None, **more: str) -> Answer:
    error = {"code": code, "message": f"it is {code}", "cure": "do otherwise", **more}
    headers = {} if after is None else {"Retry-After": str(after)}
    return lambda request, body: web.json_response({"error": error}, status=status, headers=headers)


def oip_no(status: int, code: str, path: str) -> Answer:
    told = {
        "error": f"{path}: it is {code}; do otherwise",
        "code": code,
        "path": path,
    }
    return lambda request, body: web.json_response(told, status=status)


def hang_up(request: web.Request, body: bytes) -> web.StreamResponse | None:
    assert request.transport is not None
    request.transport.close()
    return None


def silence(request: web.Request, body: bytes) -> web.StreamResponse | None:
    return None


ROWS = [{"timestamp": "2013-10-01T05:00:00Z", "temperature": 18.9}]


def test_a_forecast_asks_what_it_was_told() -> None:
    stub = Stub(ok({"forecasts": [1]}))
    got = against(
        stub,
        lambda c: c.forecast("we/ather", ROWS, horizon=3, priority=Priority.HIGH, deadline_ms=5000),
        key="ftl_secret",
    )
    assert got == {"forecasts": [1]}
    request, _ = stub.heard[0]
    assert (request.method, request.raw_path) == ("POST", "/v1/forecast/we%2Father")
    assert request.headers["Authorization"] == "Bearer ftl_secret"
    told = stub.told()
    assert 4000 < told.pop("deadline_ms") <= 5000
    assert told == {"rows": ROWS, "horizon": 3, "priority": "high"}


def test_arrays_and_numbers_of_numpy_travel_as_json() -> None:
    stub = Stub(ok())
    against(stub, lambda c: c.forecast("w", windows=[{"values": np.ones((2, 2))}], priority=0))
    assert stub.told() == {"windows": [{"values": [[1, 1], [1, 1]]}], "priority": "low"}
    against(stub, lambda c: c.forecast("w", [{"temperature": np.float32(1.5)}]))
    assert stub.told() == {"rows": [{"temperature": 1.5}]}


def echo(request: web.Request, body: bytes) -> web.StreamResponse:
    """Mirrors the input as output `forecast`, in binary, with all that an answer may say beside it."""
    length = int(request.headers["Inference-Header-Content-Length"])
    told, raw = json.loads(body[:length]), body[length:]
    tensor = told["inputs"][0]
    assert tensor["parameters"]["binary_data_size"] == len(raw)
    head = {
        "model_name": "weather",
        "model_version": "3f9c2ab41d07",
        "id": told.get("id", ""),
        "outputs": [
            {
                "name": "forecast",
                "datatype": "FP64",
                "shape": tensor["shape"],
                "parameters": {"binary_data_size": len(raw)},
            },
            {"name": "spread", "datatype": "FP32", "shape": [2], "data": [1.5, None]},
        ],
        "parameters": {"refused": "1,3", "steps": "7,5", "notes": "served as medium"},
    }
    text = json.dumps(head).encode()
    return web.Response(body=text + raw, headers={"Inference-Header-Content-Length": str(len(text))})


def test_inference_sends_and_reads_binary_tensors() -> None:
    stub, windows = Stub(echo), np.arange(12.0).reshape(2, 3, 2)
    got = against(
        stub,
        lambda c: c.infer("weather", windows, outputs=["forecast"], id="mine", priority="high", horizon=2),
    )
    np.testing.assert_array_equal(got.outputs["forecast"], windows)
    np.testing.assert_array_equal(got.outputs["spread"], np.array([1.5, np.nan], np.float32))
    assert (got.model, got.version, got.id) == ("weather", "3f9c2ab41d07", "mine")
    assert (got.refused, got.notes) == ((1, 3), ("served as medium",))
    assert got.steps.tolist() == [7, 5]
    told = stub.told()
    assert told["parameters"] == {"binary_data_output": True, "horizon": 2, "priority": "high"}
    assert told["outputs"] == [{"name": "forecast"}]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model_name": "x"}', b"\xff"])
def test_an_answer_that_is_none_is_said_to_be_none(body: bytes) -> None:
    stub = Stub(lambda request, _: web.Response(body=body))
    with pytest.raises(ServerUnreachable):
        against(stub, lambda c: c.infer("weather", np.ones((1, 1, 1))))
    with pytest.raises(ServerUnreachable):
        against(stub, lambda c: c.models())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "unauthenticated"),
        (403, "forbidden"),
        (404, "model_not_found"),
        (413, "too_large"),
        (422, "invalid"),
        (504, "deadline_unreachable"),
        (504, "deadline_passed"),
        (500, "engine"),
        (400, "bad_request"),
        (500, "internal"),
    ],
)
def test_a_refusal_is_raised_at_once_with_its_reason(status: int, code: str) -> None:
    for stub in (Stub(no(status, code, path="rows[0]")), Stub(oip_no(status, code, "rows[0]"))):
        with pytest.raises(Refusal) as caught:
            against(stub, lambda c: c.forecast("weather", ROWS))
        refusal = caught.value
        assert (refusal.reason, refusal.status, refusal.path) == (code, status, "rows[0]")
        told = [refusal.message, refusal.cure]
        assert told in ([f"it is {code}", "do otherwise"], [f"it is {code}; do otherwise", ""])
        assert len(stub.heard) == 1


@pytest.mark.parametrize("answer", [no(429, "shed"), no(429, "rate_limited"), no(503, "not_ready"), hang_up])
def test_what_may_pass_is_tried_again(answer: Answer) -> None:
    stub = Stub(answer, answer, ok({"forecasts": [7]}))
    assert against(stub, lambda c: c.forecast("weather", ROWS)) == {"forecasts": [7]}
    assert len(stub.heard) == 3


def test_tries_end() -> None:
    stub = Stub(no(429, "shed"))
    with pytest.raises(Refusal) as caught:
        against(stub, lambda c: c.forecast("weather", ROWS), retries=2)
    assert caught.value.reason == "shed"
    assert len(stub.heard) == 3


def test_retry_after_is_heeded() -> None:
    stub, start = Stub(no(429, "rate_limited", after=1), ok()), perf_counter()
    against(stub, lambda c: c.forecast("weather", ROWS))
    assert perf_counter() - start >= 1.0


def test_retry_after_beyond_the_deadline_is_the_end() -> None:
    stub, start = Stub(no(429, "rate_limited", after=30)), perf_counter()
    with pytest.raises(Refusal) as caught:
        against(stub, lambda c: c.forecast("weather", ROWS, deadline_ms=500))
    assert (caught.value.reason, caught.value.retry_after) == ("rate_limited", 30)
    assert perf_counter() - start < 5
    assert len(stub.heard) == 1


def test_each_attempt_is_told_what_is_left() -> None:
    stub = Stub(no(503, "not_ready"), no(503, "not_ready"), ok())
    against(stub, lambda c: c.forecast("weather", ROWS, deadline_ms=5000))
    left = [stub.told(at)["deadline_ms"] for at in range(3)]
    assert 5000 >= left[0] > left[1] > left[2] > 0


def test_silence_ends_at_the_deadline() -> None:
    start = perf_counter()
    with pytest.raises(Refusal) as caught:
        against(Stub(silence), lambda c: c.forecast("weather", ROWS, deadline_ms=200))
    assert caught.value.reason == "deadline_passed"
    assert 0.2 <= perf_counter() - start < 5


def test_without_deadline_the_timeout_bounds_all_attempts() -> None:
    with pytest.raises(Refusal, match="time-out"):
        against(Stub(silence), lambda c: c.models(), timeout=0.2)


def test_connections_are_used_again_and_bounded() -> None:
    stub = Stub(ok())

    async def many(client: Client) -> None:
        for _ in range(3):
            await asyncio.gather(*(client.forecast("weather", ROWS) for _ in range(20)))

    against(stub, many, connections=4)
    assert len(stub.heard) == 60
    assert len(stub.connections) <= 4


def test_models_and_ready() -> None:
    assert against(Stub(ok({"models": ["weather"]})), lambda c: c.models()) == ["weather"]
    assert against(Stub(ok()), lambda c: c.ready()) is True
    assert against(Stub(no(503, "not_ready")), lambda c: c.ready()) is False
    assert against(Stub(hang_up), lambda c: c.ready()) is False


def test_nobody_there_is_said_with_a_cure() -> None:
    async def run(use: Callable[[Client], Awaitable[Any]]) -> Any:
        async with serving(Stub(ok())) as stub:
            url = stub.url
        async with Client(url, retries=1) as client:
            return await use(client)

    with pytest.raises(ServerUnreachable, match="the connection failed") as caught:
        asyncio.run(run(lambda c: c.models()))
    assert "foretell serve" in str(caught.value.cure)
    assert asyncio.run(run(lambda c: c.ready())) is False


def test_a_redirection_does_not_carry_the_key_away() -> None:
    away = Stub(lambda request, _: web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"}))
    with pytest.raises(ServerUnreachable, match="status 307"):
        against(away, lambda c: c.forecast("weather", ROWS), key="ftl_secret")


def test_a_proxy_s_page_is_no_refusal_of_ours() -> None:
    page = Stub(lambda request, _: web.Response(status=502, text="<html>Bad Gateway</html>"))
    with pytest.raises(ServerUnreachable, match="status 502"):
        against(page, lambda c: c.forecast("weather", ROWS))


def test_the_key_shows_in_no_error() -> None:
    for answer in (no(401, "unauthenticated"), hang_up):
        with pytest.raises((Refusal, ServerUnreachable)) as caught:
            against(Stub(answer), lambda c: c.forecast("weather", ROWS), key="ftl_secret", retries=0)
        assert "ftl_secret" not in repr(caught.value) + str(caught.value)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://x", "http://", "http://user:word@x"])
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Client(url)
    assert "word" not in caught.value.message


def test_a_wrong_priority_or_authority_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no priority"):
        against(Stub(ok()), lambda c: c.forecast("weather", ROWS, priority="urgent"))
    with pytest.raises(ConfigError, match="no PEM file"):
        Client("https://127.0.0.1", ca=tmp_path / "none.pem")


class Thread:
    """The stub on a loop of its own, for plain code."""

    def __init__(self, stub: Stub) -> None:
        import threading

        self.stub, self.up, self.end = stub, threading.Event(), asyncio.Event()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        async with serving(self.stub):
            self.up.set()
            await self.end.wait()

    def __enter__(self) -> Stub:
        self.thread.start()
        assert self.up.wait(5)
        return self.stub

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.end.set)
        self.thread.join(5)
        self.loop.close()


def test_the_sync_twin_does_the_same() -> None:
    with Thread(Stub(echo)) as stub, SyncClient(stub.url) as client:
        windows = np.ones((1, 2, 3))
        np.testing.assert_array_equal(client.infer("weather", windows).outputs["forecast"], windows)
    with Thread(Stub(ok({"models": ["weather"]}))) as stub, SyncClient(stub.url) as client:
        assert client.ready()
        assert client.models() == ["weather"]
        assert client.metadata("weather") == {"models": ["weather"]}
        assert client.forecast("weather", ROWS) == {"models": ["weather"]}
    with Thread(Stub(no(403, "forbidden"))) as stub, SyncClient(stub.url) as client:
        with pytest.raises(Refusal) as caught:
            client.forecast("weather", ROWS)
        assert caught.value.reason == "forbidden"
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.models()
