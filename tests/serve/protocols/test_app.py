"""The app by itself: routes, bounds, keys, trace context, callers that go away."""

import asyncio
import gzip
import logging
import time
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from foretell.config import LimitSettings, SecuritySettings, ServeSettings
from foretell.serve.backend import Outcome, Priority, Refusal
from foretell.serve.protocols.app import App
from foretell.serve.protocols.http import Head
from foretell.serve.security.guard import Guard
from foretell.serve.security.key_file import add_key
from foretell.serve.security.keys import issue

INFER = "/v2/models/weather/infer"


@pytest.fixture
def infer_body(window: list[list[float]]) -> bytes:
    tensor = {"name": "windows", "shape": [1, 7, 3], "datatype": "FP64", "data": [window]}
    return msgspec.json.encode({"inputs": [tensor]})


def test_metrics_page(ask: Any) -> None:
    answer = ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.body == b"foretell_requests_total 1\n"


def test_unknown_paths_and_methods(ask: Any) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/weather/infer/more", 404),
        ("GET", INFER, 405),
        ("DELETE", "/v2", 405),
        ("POST", "/v2/health/live", 405),
    ):
        answer = ask(method, path)
        assert answer.status == status, path
        told = answer.json if path.startswith("/v2") else answer.json["error"]
        assert told["code"] in {"not_found", "method_not_allowed"}
    assert ask("HEAD", "/v2").body == b""


def test_request_id_and_trace_context_come_back(ask: Any) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = ask("GET", "/v2", headers={"X-Request-Id": "abc", "traceparent": trace})
    assert (answer.headers["x-request-id"], answer.headers["traceparent"]) == ("abc", trace)
    other = ask("GET", "/v2", headers={"X-Request-Id": "a b", "traceparent": "nonsense"})
    assert other.headers["x-request-id"] not in {"abc", "a b"}
    assert "traceparent" not in other.headers


def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    make_app: Any, asking: Any, backend: Any, infer_body: bytes
) -> None:
    small = asking(make_app({"body_bytes": 100}))
    assert asyncio.run(small.send("POST", INFER, [], {"Content-Length": "101"})).status == 413
    chunked = asyncio.run(
        small.send("POST", INFER, [infer_body[:80], infer_body[80:160], infer_body[160:]], {})
    )
    assert (chunked.status, chunked.json["code"]) == (413, "too_large")
    whole = asking(make_app())
    parts = [infer_body[:80], infer_body[80:]]
    assert asyncio.run(whole.send("POST", INFER, parts, {})).status == 200


def test_headers_depth_rows_and_time_are_bounded(make_app: Any, asking: Any, infer_body: bytes) -> None:
    ask = asking(make_app({"header_bytes": 100, "json_depth": 4, "rows": 1, "slow": 0.05}))
    assert ask("GET", "/v2", headers={"x": "y" * 100}).status == 431
    assert ask("POST", INFER, infer_body).json["error"].startswith("JSON that is nested deeper than 4")
    slow = asyncio.run(ask.send("POST", INFER, [], {}))
    assert (slow.status, slow.json["code"]) == (408, "request_timeout")
    assert slow.headers["connection"] == "close"
    many = {"inputs": [{"name": "x", "shape": [2, 7, 3], "datatype": "FP64", "data": [1.0] * 42}]}
    assert ask("POST", INFER, many).status == 413


def test_a_caller_that_goes_away_cancels_its_call(ask: Any, backend: Any, infer_body: bytes) -> None:
    backend.hold = 5.0
    answer = asyncio.run(ask.send("POST", INFER, [infer_body], {}, gone_after=0.05))
    assert answer.status == 0
    assert len(backend.cancelled) == 1


def test_a_caller_that_goes_away_is_in_the_access_log(
    make_app: Any, asking: Any, backend: Any, infer_body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    backend.hold = 5.0
    ask = asking(make_app(settings={"access_log": True}))
    with caplog.at_level(logging.INFO, "foretell.serve.access"):
        asyncio.run(ask.send("POST", INFER, [infer_body], {}, gone_after=0.05))
    assert [record.__dict__["status"] for record in caplog.records] == [499]


def test_cancelling_the_request_itself_is_no_disconnect(ask: Any, backend: Any, infer_body: bytes) -> None:
    backend.hold = 5.0

    async def cancel() -> None:
        task = asyncio.create_task(ask.send("POST", INFER, [infer_body], {}))
        while not backend.calls:
            await asyncio.sleep(0.001)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())


def test_refusals_of_the_backend_become_answers(ask: Any, backend: Any, infer_body: bytes) -> None:
    backend.error = Refusal("shed", "the queue is full", cure="come back", retry_after=2.5)
    answer = ask("POST", INFER, infer_body)
    assert (answer.status, answer.headers["retry-after"]) == (429, "3")
    assert answer.json == {"error": "the queue is full; come back", "code": "shed"}
    assert "connection" not in answer.headers
    backend.error = Refusal("not_ready", "stuck", cure="try again: another replica will answer")
    answer = ask("POST", INFER, infer_body)
    assert (answer.status, answer.headers["connection"]) == (503, "close"), "or it would ask this one again"
    backend.error = RuntimeError("/srv/secret")
    answer = ask("POST", INFER, infer_body)
    assert (answer.status, answer.json["code"]) == (500, "internal")
    assert b"secret" not in answer.body


def test_a_refusal_names_the_model_as_far_as_it_is_known(
    make_app: Any, asking: Any, infer_body: bytes
) -> None:
    seen: list[Outcome] = []
    ask = asking(make_app({"rate": 1.0}, observe=seen.append))
    high = infer_body[:-1] + b',"parameters":{"priority":2}}'
    for path in (INFER, INFER, "/v1/forecast/weather", "/v2/models/weather/versions/none/infer"):
        ask("POST", path, high)
    for attacker in range(20):
        ask("POST", f"/v2/models/made-up-{attacker}/infer", high)
    first, *others = seen
    assert (first.outcome, first.model, first.priority) == ("ok", "weather", Priority.HIGH)
    assert {told.outcome for told in others} == {"rate_limited"}
    assert {told.priority for told in others} == {None}
    assert [told.model for told in others[:3]] == ["weather"] * 3
    assert {(told.model, told.version) for told in others[3:]} == {("", "")}


def test_every_call_is_observed(make_app: Any, asking: Any, backend: Any, infer_body: bytes) -> None:
    seen: list[Outcome] = []
    ask = asking(make_app({"body_bytes": 1000}, observe=seen.append))
    ask("POST", INFER, infer_body)
    backend.error = Refusal("shed", "full", cure="wait")
    ask("POST", INFER, infer_body)
    backend.error, backend.hold = None, 5.0
    asyncio.run(ask.send("POST", INFER, [infer_body], {}, gone_after=0.02))
    ask("POST", INFER, b"{}")
    ask("POST", INFER, b" " * 1001)
    ask("POST", "/v2/models/none/infer", infer_body)
    ask("GET", "/v2/models/weather")
    assert [told.outcome for told in seen] == [
        "ok",
        "shed",
        "cancelled",
        "invalid",
        "too_large",
        "model_not_found",
    ]
    assert [(told.model, told.rows) for told in seen] == [
        *[("weather", 1)] * 3,
        *[("weather", 0)] * 2,
        ("", 0),  # a model that is not there is not named, and so makes no label
    ]
    assert {told.door for told in seen} == {"oip_rest"}
    assert all(told.seconds > 0 for told in seen)


def test_access_log_is_off_unless_told(make_app: Any, asking: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        asking(make_app())("GET", "/v2")
        assert not caplog.records
        asking(make_app(settings={"access_log": True}))("GET", "/v2/none", headers={"X-Request-Id": "r-9"})
    (record,) = caplog.records
    assert (record.getMessage(), record.__dict__["status"]) == ("GET /v2/none", 404)
    assert record.__dict__["request_id"] == "r-9"


def shed() -> Refusal:
    return Refusal("shed", "full", cure="come back", retry_after=2.0)


@pytest.fixture
def keyed(backend: Any, asking: Any, tmp_path: Path) -> tuple[Any, str]:
    """An app that wants keys, and one for `weather` up to medium."""
    file = tmp_path / "keys.json"
    token, key = issue("desk", ("weather",), "medium")
    add_key(file, key)
    settings = ServeSettings(limits=LimitSettings(), security=SecuritySettings(keys=file))
    guard = Guard(settings.security, settings.limits, loopback=True)
    return asking(App(backend, guard, settings, lambda: b"", full=lambda model: shed)), f"Bearer {token}"


def test_keys(keyed: tuple[Any, str], backend: Any, infer_body: bytes) -> None:
    ask, authorization = keyed
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert ask("GET", path).status == 200
    for method, path in (("GET", "/v2"), ("GET", "/v2/models/weather"), ("GET", "/metrics"), ("POST", INFER)):
        answer = ask(method, path, infer_body if method == "POST" else b"")
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    known = {"Authorization": authorization}
    assert ask("POST", INFER, infer_body, known).status == 200
    assert backend.calls[-1].client == "desk"
    for model in ("features", "none"):
        assert ask("GET", f"/v2/models/{model}", b"", known).status == 403
    high = msgspec.json.decode(infer_body) | {"parameters": {"priority": "high"}}
    assert ask("POST", INFER, high, known).status == 403


def test_a_stranger_is_refused_before_the_body_is_read(keyed: tuple[Any, str]) -> None:
    assert asyncio.run(keyed[0].send("POST", INFER, [], {"Content-Length": "1000"})).status == 401


def test_a_connection_is_closed_where_much_of_a_body_stays_unread(ask: Any, infer_body: bytes) -> None:
    for headers, path, closed in (
        ({"Content-Length": "100000"}, "/nothing", True),
        ({"Transfer-Encoding": "chunked"}, "/nothing", True),
        ({"Content-Length": "99999999999"}, INFER, True),
        ({"Content-Length": "100"}, "/nothing", False),
        ({}, "/nothing", False),
        ({"Content-Length": "100000"}, "/v2/models/none/infer", False),  # it was read
    ):
        answer = asyncio.run(ask.send("POST", path, [infer_body], headers))
        assert answer.status in {404, 413}
        assert (answer.headers.get("connection") == "close") == closed, headers


def test_lifespan_and_websockets() -> None:
    async def run(app: App, scope: dict[str, Any], *messages: str) -> list[str]:
        waiting, sent = list(messages), []

        async def receive() -> dict[str, Any]:
            return {"type": waiting.pop(0)}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await app(scope, receive, send)
        return sent

    settings = ServeSettings()
    guard = Guard(settings.security, settings.limits, loopback=True)
    app = App(None, guard, settings, lambda: b"")  # type: ignore[arg-type]
    told = asyncio.run(run(app, {"type": "lifespan"}, "lifespan.startup", "lifespan.shutdown"))
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert asyncio.run(run(app, {"type": "websocket"})) == ["websocket.close"]


def test_packed_bodies_are_unpacked_within_the_bound(make_app: Any, asking: Any, infer_body: bytes) -> None:
    ask = asking(make_app({"body_bytes": 1000}))
    packed = gzip.compress(infer_body)
    for told, body in (("gzip", packed), ("deflate", zlib.compress(infer_body)), ("identity", infer_body)):
        assert ask("POST", INFER, body, {"Content-Encoding": told}).status == 200
    for told, body, status in (
        ("gzip", gzip.compress(b" " * 1001), 413),
        ("gzip", gzip.compress(b" " * 100_000), 413),
        ("gzip", packed[:-9], 400),
        ("gzip", infer_body, 400),
        ("gzip", b"", 400),
        ("br", packed, 415),
    ):
        assert ask("POST", INFER, body, {"Content-Encoding": told}).status == status


def asked(window: Any, **parameters: Any) -> bytes:
    flat = [x for step in window for x in step]
    tensor = {"name": "windows", "shape": [1, 7, 3], "datatype": "FP64", "data": flat}
    return msgspec.json.encode({"inputs": [tensor], "parameters": parameters})


@pytest.mark.parametrize(("parameters", "away"), [({}, True), ({"priority": "high"}, False)])
def test_what_is_sure_to_be_shed_is_not_read(
    make_app: Any, backend: Any, window: Any, parameters: dict[str, str], away: bool
) -> None:
    app = make_app(full=lambda model: shed if model == "weather" else None)
    head = Head.of("POST", "/v2/models/weather/infer", b"", [])
    answered = app.turn_away(head, asked(window, **parameters), time.monotonic())
    assert (answered is not None) is away
    if answered is not None:
        response, headers = answered
        assert response.status == 429
        assert dict(headers)[b"retry-after"] == b"2"
    assert not backend.calls


def test_who_may_not_ask_is_not_told_that_a_queue_is_full(keyed: tuple[Any, str], window: Any) -> None:
    app, authorization = keyed[0].app, keyed[1]
    now, body = time.monotonic(), asked(window)

    def status(model: str, headers: list[tuple[bytes, bytes]]) -> int:
        head = Head.of("POST", f"/v2/models/{model}/infer", b"", headers)
        answered = app.turn_away(head, body, now)
        assert answered is not None
        return int(answered[0].status)

    known = [(b"authorization", authorization.encode())]
    assert status("weather", []) == 401
    assert status("secret", known) == 403
    assert status("weather", known) == 429


def test_what_is_wrong_with_a_call_is_told_when_it_is_read(make_app: Any, window: Any) -> None:
    app, now = make_app(full=lambda model: shed), time.monotonic()
    split_wrong = [(b"inference-header-content-length", b"x")]
    assert app.turn_away(Head.of("POST", "/v2/models/a/b/infer", b"", []), b"", now) is None
    head = Head.of("POST", "/v2/models/weather/infer", b"", split_wrong)
    assert app.turn_away(head, asked(window), now) is None


def test_a_defect_of_ours_has_an_answer_before_a_call_is_read(make_app: Any, window: Any) -> None:
    def broken() -> Refusal:
        raise RuntimeError("secret/path")

    app = make_app(full=lambda model: broken)
    head = Head.of("POST", "/v2/models/weather/infer", b"", [])
    response, _ = app.turn_away(head, asked(window), time.monotonic())
    assert response.status == 500
    assert b"secret" not in response.body
