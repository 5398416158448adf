"""Bodies that nobody means well: each is refused with the path to its field, and nothing else is told."""

import gzip
import json
from typing import Any

import pytest

FORECAST, INFER = "/v1/forecast/weather", "/v2/models/weather/infer"
STEP = b'{"timestamp": "2013-10-01T0%d:00:00Z", "temperature": 50.0, "wind_speed": 8.0, "dewpoint": 40.0}'
ROWS = [STEP % hour for hour in range(7)]
DEEP = b"[" * 100_000 + b"]" * 100_000
HUGE = b"1" + b"0" * 400


def rows(place: int, before: bytes, after: bytes) -> bytes:
    """Seven good rows, one of which is changed."""
    told = list(ROWS)
    assert before in told[place]
    told[place] = told[place].replace(before, after)
    return b'{"rows": [%s]}' % b", ".join(told)


def tensor(change: bytes = b"", **fields: bytes) -> bytes:
    """A good request of one window, but for the fields that are given."""
    told = {"name": b'"windows"', "shape": b"[1, 7, 3]", "datatype": b'"FP64"', "data": b"[%s]"}
    told["data"] = b"[" + b", ".join([b"50.0"] * 21) + b"]"
    told |= fields
    inner = b", ".join(b'"%s": %s' % (name.encode(), value) for name, value in told.items())
    return b'{"inputs": [{%s}]%s}' % (inner, change)


def data(last: bytes) -> bytes:
    return b"[" + b"50.0, " * 20 + last + b"]"


VALUES = b"[%s]" % b", ".join([b"[50.0, 8.0, 40.0]"] * 7)
ANYWHERE = [  # body, status, path
    (b"", 400, None),
    (b"\x00\xff\xfe", 400, None),
    (b"\xef\xbb\xbf{}", 400, None),
    (b"{'rows': 1}", 400, None),
    ('{"rows": []}'.encode("utf-16"), 400, None),
    (b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>", 400, None),
    (DEEP, 422, ""),
    (b'{"a":' * 50_000, 422, ""),
    (b"null", 422, ""),
    (b'"text"', 422, ""),
    (b"[]", 422, ""),
    (HUGE, 422, ""),
    (b'{"__class__": "os.system"}', 422, "__class__"),
    (b'{"\\u0000": 1}', 422, "\0"),
]
OF_ROWS = [
    (rows(2, b"50.0", b"NaN"), 422, "rows[2].temperature"),
    (rows(2, b"50.0", b"-Infinity"), 422, "rows[2].temperature"),
    (rows(2, b"50.0", b"1e400"), 422, "rows[2].temperature"),
    (rows(2, b"50.0", HUGE), 422, "rows[2].temperature"),
    (rows(2, b"50.0", b'"warm"'), 422, "rows[2].temperature"),
    (rows(2, b"50.0", b'"50.0"'), 422, "rows[2].temperature"),
    (rows(2, b"50.0", b"true"), 422, "rows[2].temperature"),
    (rows(2, b"50.0", b"[50.0]"), 422, "rows[2].temperature"),
    (rows(2, b"50.0", b"null"), 422, "rows[2].temperature"),
    (rows(2, b"2013-10-01T02", b"2013-02-30T02"), 422, "rows[2].timestamp"),
    (rows(2, b"2013-10-01T02", b"0000-10-01T02"), 422, "rows[2].timestamp"),
    (rows(6, b"2013-10-01T06", b"9999-12-31T23"), 422, "rows[6].timestamp"),
    (rows(6, b"2013-10-01T06", b"99999-12-31T23"), 422, "rows[6].timestamp"),
    (rows(6, b"2013-10-01T06:00:00Z", b"2013-10-01T06:00:00+99:99"), 422, "rows[6].timestamp"),
    (rows(6, b'"2013-10-01T06:00:00Z"', b"1e300"), 422, "rows[6].timestamp"),
    (rows(6, b'"2013-10-01T06:00:00Z"', b"-1"), 422, "rows[6].timestamp"),
    (rows(6, b'"2013-10-01T06:00:00Z"', b"null"), 422, "rows[6].timestamp"),
    (rows(6, ROWS[6], b"7"), 422, "rows[6]"),
    (rows(6, ROWS[6], b"null"), 422, "rows[6]"),
    (b'{"rows": {"0": {}}}', 422, "rows"),
    (b'{"rows": "../../etc/passwd"}', 422, "rows"),
    (b'{"values": %s, "timestamp": "9999-12-31T23:59:59Z"}' % VALUES, 422, "timestamp"),
    (b'{"values": %s, "timestamp": 1e308}' % VALUES, 422, "timestamp"),
    (b'{"values": %s}' % VALUES.replace(b"8.0", b"NaN", 1), 422, "values[0][1]"),
    (b'{"values": %s}' % VALUES.replace(b"8.0", HUGE, 1), 422, "values[0][1]"),
    (b'{"values": %s}' % VALUES.replace(b"8.0", b"8.0, 9.0", 1), 422, "values"),
    (b'{"values": %s, "horizon": -1}' % VALUES, 422, "horizon"),
    (b'{"values": %s, "horizon": %s}' % (VALUES, HUGE), 422, "horizon"),
    (b'{"values": %s, "horizon": true}' % VALUES, 422, "horizon"),
    (b'{"values": %s, "deadline_ms": %s}' % (VALUES, HUGE), 422, "deadline_ms"),
    (b'{"values": %s, "deadline_ms": -1e-300}' % VALUES, 422, "deadline_ms"),
    (b'{"values": %s, "priority": true}' % VALUES, 422, "priority"),
    (b'{"values": %s, "priority": 3}' % VALUES, 422, "priority"),
    (b'{"values": %s, "version": ["x"]}' % VALUES, 422, "version"),
    (b'{"values": %s, "series": 5}' % VALUES, 422, "series"),
    (b'{"windows": [{"values": %s}, {"values": %s, "who": 1}]}' % (VALUES, VALUES), 422, "windows[1].who"),
]
OF_TENSORS = [
    (tensor(data=data(b"NaN")), 422, "inputs[0].data[20]"),
    (tensor(data=data(b"1e400")), 422, "inputs[0].data[20]"),
    (tensor(data=data(HUGE)), 422, "inputs[0].data[20]"),
    (tensor(data=data(b'"50.0"')), 422, "inputs[0].data[20]"),
    (tensor(data=data(b"true")), 422, "inputs[0].data[20]"),
    (tensor(data=data(b"null")), 422, "inputs[0].data[20]"),
    (tensor(data=data(b"[[50.0]]")), 422, "inputs[0].data"),
    (tensor(data=data(b"[[[50.0]]]")), 422, "inputs[0].data[20][0][0]"),
    (tensor(data=data(b"1e39"), datatype=b'"FP32"'), 422, "inputs[0].data[0][6][2]"),
    (tensor(data=data(b"50.5"), datatype=b'"INT8"'), 422, "inputs[0].data[20]"),
    (tensor(data=data(b"1e300"), datatype=b'"INT64"'), 422, "inputs[0].data[20]"),
    (tensor(data=b"[]"), 422, "inputs[0].data"),
    (tensor(data=b"{}"), 422, "inputs[0].data"),
    (tensor(data=b"null"), 422, "inputs[0].data"),
    (tensor(datatype=b'"BYTES"'), 422, "inputs[0].datatype"),
    (tensor(datatype=b'"%s"' % (b"x" * 9999)), 422, "inputs[0].datatype"),
    (tensor(shape=b"[1, 7]"), 422, "inputs[0].shape"),
    (tensor(shape=b"[0, 7, 3]", data=b"[]"), 422, "inputs[0].shape"),
    (tensor(shape=b"[-1, 7, 3]"), 422, "inputs[0].shape"),
    (tensor(shape=b"[1, 7, 4]"), 422, "inputs[0].shape"),
    (tensor(shape=b"[1.0, 7, 3]"), 422, "inputs[0].shape[0]"),
    (tensor(shape=b"[4611686018427387904, 7, 3]"), 422, "inputs[0].data"),
    (tensor(shape=b"[%s, 7, 3]" % HUGE), 422, "inputs[0].data"),
    (tensor(who=b"1"), 422, "inputs[0].who"),
    (tensor(b', "who": 1'), 422, "who"),
    (tensor(b', "parameters": {"who": 1}'), 422, "parameters.who"),
    (tensor(b', "parameters": {"deadline_ms": %s}' % HUGE), 422, "parameters.deadline_ms"),
    (tensor(b', "parameters": {"timeout": 9223372036854775807}'), 422, "parameters.timeout"),
    (tensor(b', "parameters": {"horizon": 1e400}'), 422, "parameters.horizon"),
    (tensor(b', "parameters": {"priority": {}}'), 422, "parameters.priority"),
    (tensor(b', "outputs": [{"name": "/etc/passwd"}]'), 422, "outputs[0].name"),
    (tensor(b', "id": 5'), 422, "id"),
    (tensor(parameters=b'{"binary_data_size": 168}', data=b"null"), 422, None),
    (b'{"inputs": []}', 422, "inputs"),
    (b'{"inputs": [{}]}', 422, "inputs[0].name"),
]
CASES = [
    *((path, *case) for path in (FORECAST, INFER) for case in ANYWHERE),
    *((FORECAST, *case) for case in OF_ROWS),
    *((INFER, *case) for case in OF_TENSORS),
]


@pytest.mark.parametrize(("url", "body", "status", "path"), CASES, ids=range(len(CASES)))
def test_it_is_refused_with_its_path(ask: Any, url: str, body: bytes, status: int, path: str | None) -> None:
    answer = ask("POST", url, body)
    told = answer.json if url == INFER else answer.json["error"]
    assert (answer.status, told["code"]) == (status, {400: "bad_request", 422: "invalid"}[status])
    if path is not None:
        assert told["path"] == path, answer.body
    assert len(answer.body) < 2000
    for secret in (b"Traceback", b".py", b"/work", b"site-packages", b"msgspec", b"numpy"):
        assert secret not in answer.body


def test_an_equal_key_twice_counts_the_last_time(ask: Any) -> None:
    """As in Python and JavaScript."""
    body = b'{"rows": [], "values": null, "rows": [%s]}' % b", ".join(ROWS)
    assert ask("POST", FORECAST, body).status == 200


def test_lone_surrogates_and_odd_names_come_back_whole(ask: Any) -> None:
    for series in ('"\\ud800"', '"\\u0000"', json.dumps("é" * 10_000)):
        body = b'{"series": %s, "rows": [%s]}' % (series.encode(), b", ".join(ROWS))
        answer = ask("POST", FORECAST, body)
        assert answer.status in {200, 400, 422}, answer.body
        assert "series" in answer.json or answer.json["error"]["cure"]


@pytest.mark.parametrize(
    "model", ["wetter-ü", "天気", "a\r\nX-Evil: 1", "../../etc/passwd", "..", "", "%00", "x" * 9000]
)
def test_odd_models_are_not_found(ask: Any, model: str) -> None:
    for url in (f"/v1/forecast/{model}", f"/v2/models/{model}/infer"):
        answer = ask("POST", url, b"{}")
        assert (answer.status, len(answer.body) < 1000) == (404, True)
        assert not {"x-evil"} & answer.headers.keys()


def test_a_slash_at_the_end_names_nothing_else(ask: Any) -> None:
    for url in ("/v2/", "/v2/models/", "/v2/models/weather/", "/v2/health/ready/", "/metrics/"):
        assert ask("GET", url).status == 200, url
    for url in ("/v2//", "/v2/models//infer", "/v1/forecast/", "/v2/models/weather//"):
        assert ask("GET", url).status in {404, 405}, url


def test_methods(ask: Any) -> None:
    for method in ("OPTIONS", "PUT", "DELETE", "TRACE", "PATCH", "get", "X" * 1000):
        for url, allowed in (("/v2", "GET, HEAD"), (INFER, "POST")):
            answer = ask(method, url)
            assert (answer.status, answer.headers["allow"]) == (405, allowed), method
    assert ask("HEAD", "/v2").body == b""
    assert ask("HEAD", INFER).status == 405


def test_other_origins_may_not_read(ask: Any) -> None:
    answer = ask("POST", FORECAST, b"{}", {"Origin": "https://evil.example", "Content-Type": "text/plain"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("packing", ["gzip, gzip", "GZIP", "x-gzip", "br", "zstd", ""])
def test_packings(ask: Any, packing: str) -> None:
    body = gzip.compress(b'{"rows": [%s]}' % b", ".join(ROWS))
    assert ask("POST", FORECAST, body, {"Content-Encoding": packing}).status in {200, 400, 415}
