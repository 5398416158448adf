"""The ways to ask over HTTP: a question as bytes, and the answer read back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from tests.e2e.serve.connection import Reply, head
from tests.e2e.serve.questions import FORECAST, Outputs, Question

from foretell.serve.client.answers import inference

_JSON = {"content-type": "application/json"}
_START = datetime(2013, 1, 1, tzinfo=UTC)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """Of HTTP; the method is POST."""

    path: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def raw(self) -> bytes:
        """As it goes over the wire."""
        return head("POST", self.path, {"content-length": str(len(self.body)), **self.headers}) + self.body


@dataclass(frozen=True, slots=True)
class Way:
    """`read`: what is wrong with an answer to the question, and the version that gave it."""

    name: str
    request: Callable[[Question], Request]
    read: Callable[[Question, Reply], tuple[str, str]]


def _told(question: Question) -> Json:
    told: Json = {"priority": question.priority.name.lower()}
    return told if question.deadline_ms is None else {**told, "deadline_ms": question.deadline_ms}


def _oip(question: Question, tensor: Json, parameters: Json) -> Request:
    tensor = {"name": "windows", "shape": list(question.windows.shape), "datatype": "FP64", **tensor}
    told = {"id": str(question.number), "inputs": [tensor], "parameters": _told(question) | parameters}
    return Request(f"/v2/models/{question.model}/infer", json.dumps(told).encode(), _JSON)


def _as_json(question: Question) -> Request:
    return _oip(question, {"data": question.windows.ravel().tolist()}, {})


def _as_bytes(question: Question) -> Request:
    raw = question.windows.astype("<f8").tobytes()
    asked = _oip(question, {"parameters": {"binary_data_size": len(raw)}}, {"binary_data_output": True})
    length = {"inference-header-content-length": str(len(asked.body))}
    return Request(asked.path, asked.body + raw, length)


def _read_oip(question: Question, reply: Reply) -> tuple[str, str]:
    names = {"inference-header-content-length": "Inference-Header-Content-Length"}
    told = inference(reply.body, {names.get(name, name): value for name, value in reply.headers.items()})
    if told.id != str(question.number):
        return f"the answer to {told.id}", told.version
    return question.wrong(told.version, told.outputs), told.version


def _rows(question: Question, window: int) -> list[Json]:
    names = ("temperature", "wind_speed", "dewpoint")
    return [
        {"timestamp": (_START + timedelta(hours=hour)).isoformat(), **dict(zip(names, step, strict=True))}
        for hour, step in enumerate(question.windows[window].tolist())
    ]


def _by_rows(question: Question) -> Request:
    told = {"series": str(question.number), "rows": _rows(question, 0), **_told(question)}
    return Request(f"/v1/forecast/{question.model}", json.dumps(told).encode(), _JSON)


def _by_values(question: Question) -> Request:
    windows = [{"series": str(question.number), "values": w} for w in question.windows.tolist()]
    told = {"windows": windows, **_told(question)}
    return Request(f"/v1/forecast/{question.model}", json.dumps(told).encode(), _JSON)


def _by_lines(question: Question) -> Request:
    """Each window by its rows, and after them a line that is none."""
    lines = [
        {"series": str(question.number), "rows": _rows(question, i)} for i in range(len(question.windows))
    ]
    body = "\n".join([*map(json.dumps, lines), '{"rows": []}']).encode()
    query = "&".join(f"{name}={value}" for name, value in _told(question).items())
    return Request(f"/v1/forecast/{question.model}?{query}", body, {"content-type": "application/x-ndjson"})


def _read_one(question: Question, reply: Reply) -> tuple[str, str]:
    return _read_dated(question, reply.json, [reply.json])


def _read_many(question: Question, reply: Reply) -> tuple[str, str]:
    return _read_dated(question, reply.json, reply.json["forecasts"])


def _read_lines(question: Question, reply: Reply) -> tuple[str, str]:
    *good, bad = map(json.loads, reply.body.splitlines())
    if bad.get("error", {}).get("path") != "rows":
        return f"a bad line was answered by {bad}", ""
    return _read_dated(question, good[0], good)


def _read_dated(question: Question, head: Json, forecasts: list[Json]) -> tuple[str, str]:
    version = str(head["version"])
    if {told["series"] for told in forecasts} != {str(question.number)}:
        return f"the answer to {forecasts[0]['series']}", version
    waited = head.get("timings", {}).get("queue_ms", 0.0)
    if question.deadline_ms is not None and waited > question.deadline_ms:
        return f"it waited {waited} ms, past its deadline", version
    columns = [list(told["forecast"].values()) for told in forecasts]
    outputs: Outputs = {FORECAST: np.array(columns).transpose(0, 2, 1)}
    return question.wrong(version, outputs), version


AS_JSON = Way("REST, JSON", _as_json, _read_oip)
AS_BYTES = Way("REST, binary", _as_bytes, _read_oip)
BY_ROWS = Way("rows", _by_rows, _read_one)
BY_VALUES = Way("values", _by_values, _read_many)
BY_LINES = Way("NDJSON", _by_lines, _read_lines)
TENSORS = (AS_JSON, AS_BYTES)  # for any model
MANY = (*TENSORS, BY_VALUES, BY_LINES)  # for several windows
EVERY = (AS_JSON, AS_BYTES, BY_ROWS, BY_VALUES, BY_LINES)
