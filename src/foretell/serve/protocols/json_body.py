"""JSON in: bounded depth, and the path to the field that was wrong."""

import json
import math
import re
from typing import Any, TypeVar

import msgspec
import numpy as np

from foretell.serve.backend import Refusal
from foretell.serve.protocols.errors import HttpRefusal, invalid

T = TypeVar("T")
_SAID = re.compile(r"(?P<what>.*) - at `\$\.?(?P<path>.*)`", re.DOTALL)
_FIELD = re.compile(r"(?:unknown|missing required) field `(.*)`", re.DOTALL)
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKETS = bytes(b for b in range(256) if b not in b"[]{}")
_DIRECTION = np.zeros(256, np.int8)
_DIRECTION[list(b"[{")] = 1
_DIRECTION[list(b"]}")] = -1


def decode(decoder: msgspec.json.Decoder[T], body: bytes, depth: int) -> T:
    """A body as the decoder's type.

    Raises:
        Refusal: `invalid`, with the path to the field; `bad_request` where it is no JSON at all.
    """
    if body.count(b"[") + body.count(b"{") > depth and nesting(body) > depth:
        raise invalid("", f"JSON that is nested deeper than {depth}", "send it flatter")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_type(str(error), body) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(body, error) from None


def nesting(body: bytes) -> int:
    """How deep arrays and objects lie in one another."""
    brackets = _TEXT.sub(b"", body).translate(None, _NOT_BRACKETS)
    steps = _DIRECTION[np.frombuffer(brackets, np.uint8)]
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))


def _wrong_type(said: str, body: bytes) -> Refusal:
    """msgspec names the object in which a field is unknown or missing; the path goes on to the field."""
    found = _SAID.fullmatch(said)
    what, path = (found["what"], found["path"]) if found else (said, "")
    if "[...]" in path:  # it does not name the key of a mapping
        return _malformed(body, ValueError(what))
    field = _FIELD.search(what)
    if field:
        path = f"{path}.{field[1]}" if path else field[1]
    return invalid(path, what, "see /openapi.json for the fields and their types")


def _malformed(body: bytes, error: Exception) -> Refusal:
    """Python's own writer says NaN and Infinity, which JSON does not have: worth the path to it."""
    try:
        path = _not_finite(json.loads(body), "")
    except (ValueError, RecursionError):
        path = None
    if path is not None:
        return invalid(path, "no finite number, and JSON has no other", "leave out what has no value")
    return HttpRefusal("bad_request", f"no valid JSON: {error}", cure="send a JSON object in UTF-8")


def _not_finite(value: Any, path: str) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else path
    inner: Any = ()
    if isinstance(value, dict):
        inner = ((f"{path}.{key}" if path else str(key), item) for key, item in value.items())
    elif isinstance(value, list):
        inner = ((f"{path}[{i}]", item) for i, item in enumerate(value))
    for where, item in inner:
        found = _not_finite(item, where)
        if found is not None:
            return found
    return None
