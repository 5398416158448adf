"""JSON bodies: bounded, and wrong ones named by path."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.serve.backend import Refusal
from foretell.serve.protocols.json_body import decode, nesting

ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(VALUES)
def test_nesting_is_how_deep_it_is(value: Any) -> None:
    body = msgspec.json.encode(value)
    assert nesting(body) == depth(value)
    assert decode(ANY, body, 100) == value


def test_deeper_than_allowed_is_refused_before_it_is_read() -> None:
    assert decode(ANY, b"[[[1]]]", 3) == [[[1]]]
    assert decode(ANY, b'["[[[["]', 3) == ["[[[["]
    for body in (b"[[[[1]]]]", b"[" * 1_000_000):
        with pytest.raises(Refusal, match="nested deeper than 3"):
            decode(ANY, body, 3)


@pytest.mark.parametrize(
    ("body", "reason", "path"),
    [
        (b'{"a": [1, {"b": NaN}]}', "invalid", "a[1].b"),
        (b"[Infinity]", "invalid", "[0]"),
        (b"{", "bad_request", None),
        (b"", "bad_request", None),
        (b"\xff", "bad_request", None),
        (b'"\xff"', "bad_request", None),
    ],
)
def test_no_json(body: bytes, reason: str, path: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        decode(ANY, body, 10)
    assert (caught.value.reason, caught.value.path) == (reason, path)
