"""Serve's own proxy gives the answers of the lane: the same application stands behind both."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import pytest
from tests.e2e.serve.conftest import Models
from tests.e2e.serve.connection import Connection, Reply
from tests.e2e.serve.fleet import HOST, Fleet
from tests.e2e.serve.mistakes import MISTAKES
from tests.e2e.serve.questions import Forecasts, Spins
from tests.e2e.serve.ways import EVERY, TENSORS, Request

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

PAGES = (
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models",
    "/v2/models/weather",
    "/v2/models/weather/ready",
    "/v2/models/spin/versions/1",
    "/docs",
    "/openapi.json",
    "/nothing/here?at=all",
    "/",
)
HEADERS = ("content-type", "content-length", "retry-after", "location", "inference-header-content-length")
# Timings; and the proxy adds headers of its own.
OF_THE_MOMENT = re.compile(rb'"timings":\{[^}]*\}|\d+ bytes of headers')

Asked = tuple[str, Request]


def requests(models: Models) -> list[Asked]:
    forecasts, spins = Forecasts([models.weather], seed=3), Spins(3)
    told = [("POST", way.request(forecasts.make())) for way in EVERY]
    told += [("POST", way.request(spins.make())) for way in TENSORS]
    told += [(mistake.method, mistake.request(forecasts.make())) for mistake in MISTAKES]
    return told + [(method, Request(page, b"", {})) for page in PAGES for method in ("GET", "HEAD", "PUT")]


async def ask_all(port: int, asked: list[Asked]) -> list[Reply]:
    replies = []
    async with Connection(HOST, port) as connection:
        for method, request in asked:
            replies.append(await connection.ask(method, request.path, request.body, request.headers))
    return replies


def told(reply: Reply) -> tuple[int, Mapping[str, str], Any]:
    """Without what is of the moment."""
    body = OF_THE_MOMENT.sub(b"", reply.body)
    kept = {name: reply.headers[name] for name in HEADERS if name in reply.headers}
    if body != reply.body:
        del kept["content-length"]
    return reply.status, kept, body


def test_lane_and_proxy_give_the_same_answers(fleet: Fleet, models: Models, proxy_port: int) -> None:
    asked = requests(models)
    by_lane = asyncio.run(ask_all(fleet.port, asked))
    by_proxy = asyncio.run(ask_all(proxy_port, asked))
    differ = [
        f"{method} {request.path}\n  lane {told(a)}\n  proxy {told(b)}"
        for (method, request), a, b in zip(asked, by_lane, by_proxy, strict=True)
        if told(a) != told(b)
    ]
    assert not differ, "\n".join(differ)
    assert len({reply.status for reply in by_lane}) > 6
