"""Requests that must be refused, and by which word."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tests.e2e.serve.connection import Connection, Reply
from tests.e2e.serve.questions import Question
from tests.e2e.serve.ways import AS_BYTES, AS_JSON, BY_LINES, BY_ROWS, Request

_TOO_MANY = 10**9  # bytes


@dataclass(frozen=True, slots=True)
class Mistake:
    """`request`: made of a question that was a good one. `code`: of the refusal.

    `leaving`: another one, which a replica that leaves may give.
    """

    name: str
    code: str
    request: Callable[[Question], Request]
    method: str = "POST"
    leaving: str = ""

    async def ask(self, connection: Connection, question: Question) -> Reply:
        request = self.request(question)
        return await connection.ask(self.method, request.path, request.body, request.headers)


def _with_nan(question: Question) -> Request:
    windows = question.windows.copy()
    windows[0, 0, 0] = np.nan
    return AS_BYTES.request(replace(question, windows=windows))


def _turned(question: Question) -> Request:
    return AS_JSON.request(replace(question, windows=question.windows.transpose(0, 2, 1)))


def _cut(question: Question) -> Request:
    request = AS_JSON.request(question)
    return replace(request, body=request.body[:-5])


def _elsewhere(path: str) -> Callable[[Question], Request]:
    return lambda question: replace(AS_JSON.request(question), path=path)


def _saying(**more: Any) -> Callable[[Question], Request]:
    """With further fields, by rows."""

    def request(question: Question) -> Request:
        good = BY_ROWS.request(question)
        return replace(good, body=json.dumps(json.loads(good.body) | more).encode())

    return request


def _with_headers(**more: str) -> Callable[[Question], Request]:
    def request(question: Question) -> Request:
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        return Request("/v2/models/weather/infer", b"", headers)

    return request


def _lines_twice_optioned(question: Question) -> Request:
    request = BY_LINES.request(question)
    return replace(request, path=f"{request.path}&priority=low")


MISTAKES = (
    Mistake("NaN", "invalid", _with_nan),
    Mistake("wrong shape", "invalid", _turned),
    Mistake("half a body of JSON", "bad_request", _cut),
    # A replica that leaves may not know what the others have by now.
    Mistake("no such model", "model_not_found", _elsewhere("/v2/models/nobody/infer"), leaving="not_ready"),
    Mistake("no such version", "model_not_found", _elsewhere("/v2/models/weather/versions/9/infer")),
    Mistake("no such path", "not_found", _elsewhere("/v3")),
    Mistake("GET", "method_not_allowed", _elsewhere("/v2/models/weather/infer"), "GET"),
    Mistake("no row", "invalid", _saying(rows=[])),
    Mistake("unknown field", "invalid", _saying(colour="blue")),
    Mistake("unknown priority", "invalid", _saying(priority="now")),
    Mistake("no horizon", "invalid", _saying(horizon=0)),
    Mistake("no time at all", "deadline_passed", _saying(deadline_ms=1e-6)),
    Mistake("an option twice", "invalid", _lines_twice_optioned),
    Mistake(
        "a form",
        "unsupported_media_type",
        lambda q: replace(BY_ROWS.request(q), headers={"content-type": "multipart/form-data"}),
    ),
    Mistake("too large", "too_large", _with_headers(content_length=str(_TOO_MANY))),
    Mistake("too many headers", "header_too_large", _with_headers(x_much="x" * 16_000, x_more="x" * 600)),
)
