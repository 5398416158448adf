"""What a request may say beside its windows, in the words that all protocols share."""

import re
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretell.serve.backend import Priority
from foretell.serve.protocols.errors import invalid

OPTIONS: dict[str, dict[str, Any]] = {
    "priority": {"enum": ["low", "medium", "high", 0, 1, 2], "description": "a higher one is served first"},
    "deadline_ms": {"type": "number", "exclusiveMinimum": 0, "description": "from arrival"},
    "horizon": {"type": "integer", "minimum": 1, "description": "steps; unset: the model's own"},
}  # as JSON Schema, by the name in a request
_DIGITS = {str(int(p)) for p in Priority}
_PRIORITIES = {p.name.lower(): p for p in Priority} | {int(p): p for p in Priority}
_LONGEST_S = 86_400.0
_MOST_STEPS = 1_000_000
_ID = re.compile(r"[!-~]{1,128}")


class Options(msgspec.Struct):
    """Of a call.

    Attributes:
        deadline_s: seconds from its arrival. newest_us: (n,) event time of each window's newest step.
    """

    priority: Priority = Priority.LOW
    deadline_s: float | None = None
    horizon: int | None = None
    outputs: list[str] | None = None
    newest_us: NDArray[np.int64] | None = None


def request_id(told: str, otherwise: str) -> str:
    """For headers and logs: the client's own, where it is fit for them."""
    return told if _ID.fullmatch(told) else otherwise


def priority(value: Any, path: str) -> Priority:
    """`low` or 0, `medium` or 1, `high` or 2. Raises Refusal `invalid`; so do the next ones."""
    known = _PRIORITIES.get(value) if isinstance(value, str) or type(value) is int else None
    if known is None:
        raise invalid(path, f"{str(value)[:40]!r} is no priority", "low, medium, high, or 0, 1, 2")
    return known


def priority_word(word: str) -> str | int:
    """What a text that may be a number stands for: options in a query and in metadata are texts."""
    return int(word) if word in _DIGITS else word


def deadline_s(value: Any, unit: float, path: str) -> float:
    """A number of `unit` seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_S / unit:
        raise invalid(path, f"{str(value)[:40]} is no time to answer in", "a number above 0, at most a day")
    return value * unit


def horizon(value: Any, path: str) -> int:
    """Steps."""
    if type(value) is not int or not 1 <= value <= _MOST_STEPS:
        raise invalid(path, f"{str(value)[:40]} is no horizon", "a whole number of steps, at least 1")
    return value
