"""One raw ASGI app for the lane and for Serve's own proxy: the same request has the same answer on either.

A request goes through: route → guard → body, bounded → protocol → bytes. There is no framework between: it
would cost more than all of this together.
"""

import asyncio
import functools
import itertools
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import msgspec

from foretell.config import RowSettings, ServeSettings, WindowSettings
from foretell.serve.backend import Backend, Priority, Refusal
from foretell.serve.protocols.access import log_access, trace_context
from foretell.serve.protocols.asgi import (
    CallerGone,
    Receive,
    Scope,
    Send,
    check_headers,
    is_small,
    lifespan,
    read_body,
    while_connected,
)
from foretell.serve.protocols.docs_page import docs_page
from foretell.serve.protocols.errors import HttpRefusal, error_body, error_headers
from foretell.serve.protocols.forecast_api import ForecastApi
from foretell.serve.protocols.gate import Caller, Gate, Observe, observe_nothing
from foretell.serve.protocols.http import Answered, Head, Header, Request, Response
from foretell.serve.protocols.oip_binary import split
from foretell.serve.protocols.oip_rest import OipRest
from foretell.serve.protocols.openapi import document
from foretell.serve.protocols.options import request_id
from foretell.serve.protocols.peek import is_least, urgency
from foretell.serve.security.guard import Guard, Identity

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Full = Callable[[str], Callable[[], Refusal] | None]

PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"
_GONE = 499  # in the access log: the caller went away before it was answered
_NAMING = {"models", "forecast"}  # the part of a path before a model's name
# The body may still come; or another replica is ready, and only another connection leads there.
_HANGS_UP = {"request_timeout", "not_ready"}
_PATHS = 64  # that are remembered: clients ask the same few
_NOBODY = Identity(client="", key=None, inside=False)


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a path.

    Attributes:
        door: of a route that infers, for metrics. open: answers without a key.
    """

    handler: Handler
    method: str = "GET"
    door: str = ""
    open: bool = False


class App:
    """The request door over HTTP."""

    def __init__(
        self,
        backend: Backend,
        guard: Guard,
        settings: ServeSettings,
        metrics: Callable[[], bytes],
        *,
        observe: Observe = observe_nothing,
        full: Full = lambda model: None,
        rows: RowSettings | None = None,
        windows: WindowSettings | None = None,
    ) -> None:
        """
        Args:
            metrics: the page for Prometheus; called in a thread of its own.
            observe: is told what became of every call.
            full: sheds a call of the lowest class without a deadline, where a model is sure to do so.
            rows, windows: how rows are read, as on the stream.
        """
        self._guard = guard
        self._limits = settings.limits
        self._log = settings.access_log
        self._metrics = metrics
        self._full = full
        self._count = itertools.count()
        self._prefix = secrets.token_hex(4)
        self._rows = rows or RowSettings()
        self._gate = gate = Gate(backend, guard, settings, observe)
        self._api = api = ForecastApi(gate, settings.limits, self._rows, windows or WindowSettings())
        self._routes = self._table(OipRest(gate, settings.limits), api)
        self._found = functools.lru_cache(_PATHS)(self._find)

    def warm_up(self) -> None:
        """So that a first request takes no longer than others."""
        self._api.warm_up()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    def _table(self, oip: OipRest, api: ForecastApi) -> dict[tuple[str, ...], Route]:
        """Routes by the parts of their path; `*` stands where a model or a version is named."""
        routes = {
            "/v2": Route(oip.server),
            "/v2/health/live": Route(oip.live, open=True),
            "/v2/health/ready": Route(oip.ready, open=True),
            "/v2/models": Route(oip.models),
            "/v1/forecast/*": Route(api.forecast, "POST", "forecast"),
            "/v1/forecast/*/example": Route(api.example),
            "/": Route(self._to_docs, open=True),
            "/docs": Route(self._docs, open=True),
            "/openapi.json": Route(self._openapi),
            "/metrics": Route(self._metrics_page),
        }
        for model in ("/v2/models/*", "/v2/models/*/versions/*"):
            routes[model] = Route(oip.model)
            routes[f"{model}/ready"] = Route(oip.model_ready)
            routes[f"{model}/infer"] = Route(oip.infer, "POST", "oip_rest")
        return {tuple(path.split("/")): route for path, route in routes.items()}

    async def _metrics_page(self, request: Request) -> Response:
        self._guard.grant_all(request.caller.identity)
        return Response(await asyncio.to_thread(self._metrics), content_type=PROMETHEUS)

    async def _to_docs(self, request: Request) -> Response:
        return Response(b"", 307, b"text/plain", ((b"location", b"/docs"),))

    async def _docs(self, request: Request) -> Response:
        return docs_page()

    async def _openapi(self, request: Request) -> Response:
        told = document(self._gate.manifests(request.caller).values(), self._rows)
        return Response(msgspec.json.encode(told))

    async def whole(self, head: Head, body: bytes, arrived: float) -> Answered:
        """A request whose body has come in: its answer, and the headers of it. Who is gone cancels it.

        Args:
            arrived: on the clock of `time.monotonic`.
        """
        caller = self._caller(head, arrived)
        response = await self._respond(head, caller, None, body)
        if response is None:
            raise CallerGone
        return self._answered(head, caller, response)

    def turn_away(
        self, head: Head, body: bytes, arrived: float, refusal: Refusal | None = None
    ) -> Answered | None:
        """Refuse a call before it is read: in an overload that is most of them. `None`: it is to be read.

        Args:
            refusal: what it is told, if it may ask at all; unset: that the queue is full, where it is.
        """
        try:
            route, model, version = self._found(head.path, head.method)
            shed = None if refusal else self._full(model)
            if refusal is None and (shed is None or not is_least(split(head.named, body)[0])):
                return None
        except Refusal:
            return None  # what is wrong with it is told when it is read
        caller = self._caller(head, arrived)
        caller.door, caller.asked, caller.heard = route.door, model, True
        try:
            check_headers(head.size, self._limits.header_bytes)
            caller.identity = self._guard.enter(_authorization(head.named), monotonic())
            self._guard.release(caller.identity)
            self._gate.manifest(caller, model, version)  # who may not ask is told nothing else
            caller.priority = Priority.LOW if shed else urgency(body)
            told: Exception | None = shed() if shed else refusal
        except Exception as other:
            told = other
        assert told is not None
        return self._answered(head, caller, self._refused(head, caller, told))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = Head.of(scope["method"], scope["path"], scope["query_string"], scope["headers"])
        caller = self._caller(head, monotonic())
        response = await self._respond(head, caller, receive, None)
        if response is None:
            return
        told = _told(head, caller, response)
        body = b"" if head.method == "HEAD" else response.body
        await send({"type": "http.response.start", "status": response.status, "headers": told})
        await send({"type": "http.response.body", "body": body})
        self._log_access(head, caller, response.status, len(response.body))

    def _caller(self, head: Head, arrived: float) -> Caller:
        own = f"{self._prefix}-{next(self._count):x}"
        told = head.named.get(b"x-request-id")
        return Caller(_NOBODY, arrived, own if told is None else request_id(told.decode("latin-1"), own))

    async def _respond(
        self, head: Head, caller: Caller, receive: Receive | None, body: bytes | None
    ) -> Response | None:
        """With either a body or the way to receive one. `None`: nobody is there to read an answer."""
        try:
            response = await self._answer(head, caller, receive, body)
            self._gate.over(caller, None)
        except Exception as error:
            response = self._refused(head, caller, error)
        except BaseException as error:
            self._gate.over(caller, error)
            gone = receive is None and isinstance(error, asyncio.CancelledError)
            if not (gone or isinstance(error, CallerGone)):
                raise
            self._log_access(head, caller, _GONE, 0)
            return None
        return response

    def _refused(self, head: Head, caller: Caller, error: Exception) -> Response:
        told = self._gate.over(caller, error)
        assert told is not None
        response = _failure(told, oip=head.path.startswith("/v2"))
        if told.reason in _HANGS_UP or not (caller.heard or is_small(head.named)):
            # Nobody will read the rest of the body; the next request must not have to wait behind it.
            response.headers += ((b"connection", b"close"),)
        return response

    def _answered(self, head: Head, caller: Caller, response: Response) -> Answered:
        self._log_access(head, caller, response.status, len(response.body))
        return response, _told(head, caller, response)

    def _log_access(self, head: Head, caller: Caller, status: int, size: int) -> None:
        if self._log:
            trace = trace_context(head.named.get(b"traceparent"))
            log_access(caller, head.method, head.path, status, size, trace)

    async def _answer(
        self, head: Head, caller: Caller, receive: Receive | None, body: bytes | None
    ) -> Response:
        check_headers(head.size, self._limits.header_bytes)
        route, model, version = self._found(head.path, head.method)
        caller.door, caller.asked = route.door, model
        if not route.open:
            caller.identity = self._guard.enter(_authorization(head.named), monotonic())
        try:
            if body is None:
                assert receive is not None
                body = await read_body(head.named, receive, self._limits)
            caller.heard = True
            request = Request(caller, model, version, head.query, head.named, body)
            if receive is None or not route.door:
                return await route.handler(request)
            return await while_connected(route.handler(request), receive)
        finally:
            self._guard.release(caller.identity)

    def _find(self, path: str, method: str) -> tuple[Route, str, str | None]:
        """The route, the model and the version that a path names."""
        parts = path.split("/")
        if len(parts) > 2 and not parts[-1]:  # a slash at the end names nothing else
            parts.pop()
        model, version = "", None
        if len(parts) > 3 and parts[2] in _NAMING:
            model, parts[3] = parts[3], "*"
            if len(parts) > 5 and parts[4] == "versions":
                version, parts[5] = parts[5], "*"
        route = self._routes.get(tuple(parts))
        if route is None:
            raise HttpRefusal("not_found", f"nothing at {path[:100]}", cure="see /docs for what there is")
        if method != route.method and (method, route.method) != ("HEAD", "GET"):
            raise _not_allowed(path, route.method)
        return route, model, version


def _not_allowed(path: str, method: str) -> HttpRefusal:
    refusal = HttpRefusal("method_not_allowed", f"{path[:100]} takes {method}", cure=f"send {method}")
    refusal.allow = "GET, HEAD" if method == "GET" else method
    return refusal


def _authorization(headers: Mapping[bytes, bytes]) -> str | None:
    value = headers.get(b"authorization")
    return None if value is None else value.decode("latin-1")


def _failure(refusal: Refusal, *, oip: bool) -> Response:
    return Response(error_body(refusal, oip=oip), refusal.status, headers=error_headers(refusal))


def _told(head: Head, caller: Caller, response: Response) -> list[Header]:
    told = [
        (b"content-type", response.content_type),
        (b"content-length", b"%d" % len(response.body)),
        (b"x-request-id", caller.id.encode()),
        *response.headers,
    ]
    if trace := trace_context(head.named.get(b"traceparent")):
        told.append((b"traceparent", trace))
    return told
