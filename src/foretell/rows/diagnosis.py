"""Why a row could not be read: slow and exact, for the few rows that the typed decoder refused."""

import json
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from foretell.rows.reasons import Reason

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
Found = tuple[Reason, str]


def diagnose(value: bytes | None, types: Mapping[str, Any], time_path: str | None, error: Exception) -> Found:
    """The reason and a message that names the field.

    Args:
        value: the row as it came.
        types: dotted path → the type that was wanted there.
        time_path: the field of the event time; a wrong type there is a bad timestamp.
        error: what the typed decoder said.
    """
    if value is None:
        return Reason.NOT_JSON, "the record has no value"
    try:
        row = msgspec.json.decode(value)
    except UNREADABLE as refused:
        return _not_json(value, refused)
    if not isinstance(row, dict):
        return Reason.NOT_AN_OBJECT, f"{show(row)} is no JSON object"
    for path, wanted in types.items():
        found = _field(row, path, wanted, time_path)
        if found:
            return found
    return Reason.WRONG_TYPE, str(error)  # a key that stands twice, wrong the first time


def show(value: object) -> str:
    """A value as a person may read it in a message, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _field(row: dict[str, Any], path: str, wanted: Any, time_path: str | None) -> Found | None:
    value: Any = row
    parts = path.split(".")
    for i, part in enumerate(parts):
        if value is None:
            return None
        if not isinstance(value, dict):
            return Reason.WRONG_TYPE, f"{'.'.join(parts[:i])} is {show(value)}, an object is wanted"
        value = value.get(part)
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        if path == time_path:
            return Reason.BAD_TIMESTAMP, f"{path} is {show(value)}, which is no time"
        if isinstance(value, int) and not isinstance(value, bool):
            return Reason.NOT_FINITE, f"{path} is {show(value)}, too large for a number"
        kind = "a number is" if wanted == float | None else "text or a whole number is"
        return Reason.WRONG_TYPE, f"{path} is {show(value)}, {kind} wanted"
    return None


def _not_json(value: bytes, error: Exception) -> Found:
    """Python's own writer says NaN and Infinity, which JSON does not have: worth a reason of its own."""
    try:
        path = _not_finite(json.loads(value.decode()), "")
    except (ValueError, RecursionError):
        path = None
    if path:
        return Reason.NOT_FINITE, f"{path} is no finite number, and JSON has no other"
    return Reason.NOT_JSON, str(error)


def _not_finite(value: Any, path: str) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else path or "the value"
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            found = _not_finite(inner, f"{path}.{key}" if path else str(key))
            if found:
                return found
    return None
