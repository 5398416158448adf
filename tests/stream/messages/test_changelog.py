"""The records of the changelog: their bytes are pinned, for older ones are read by newer programs."""

import msgspec
import pytest

from foretell.stream.messages.changelog import (
    TOPIC_CONFIG,
    State,
    changelog_topic,
    decode_state,
    encode_states,
)


def test_the_bytes_of_a_record() -> None:
    assert encode_states("k3v9", [b"\x01\x02", b""]) == [
        b"\x82\xa5rules\xa4k3v9\xa6window\xc4\x02\x01\x02",
        b"\x82\xa5rules\xa4k3v9\xa6window\xc4\x00",
    ]
    assert encode_states("k3v9", []) == []


def test_there_and_back() -> None:
    assert decode_state(encode_states("r", [bytes(range(256))])[0]) == State("r", bytes(range(256)))


def test_parts_that_are_not_known_are_skipped() -> None:
    later = {"errors": {"sum": 1.5, "n": [1, 2]}, "rules": "r", "pending": None, "window": b"w"}
    assert decode_state(msgspec.msgpack.encode(later)) == State("r", b"w")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b"\xc1",
        b"\x80",
        msgspec.msgpack.encode({"rules": "r"}),
        msgspec.msgpack.encode({"rules": 1, "window": b"w"}),
        msgspec.msgpack.encode({"rules": "r", "window": "text"}),
        msgspec.msgpack.encode(["r", b"w"]),
        encode_states("r", [b"window"])[0][:-1],
    ],
)
def test_what_is_not_of_this_format_is_no_state(value: bytes) -> None:
    assert decode_state(value) is None


def test_the_topic_is_compacted_soon() -> None:
    assert changelog_topic("g") == "g-windows-changelog"
    assert TOPIC_CONFIG["cleanup.policy"] == "compact"
    assert int(TOPIC_CONFIG["segment.bytes"]) <= 64 * 1024 * 1024
    assert float(TOPIC_CONFIG["min.cleanable.dirty.ratio"]) <= 0.1
