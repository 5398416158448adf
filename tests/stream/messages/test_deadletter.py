"""The headers of a dead letter, there and back."""

from types import SimpleNamespace
from typing import Any

import pytest

from foretell.rows.reasons import Reason
from foretell.stream.messages.deadletter import (
    UNKNOWN,
    WORDS,
    DeadLetter,
    dead_letter_headers,
    dead_letter_topic,
)


def record(headers: list[tuple[str, bytes]] | None, value: bytes = b"{") -> Any:
    """Stands for a record of Kafka's."""
    return SimpleNamespace(
        partition=lambda: 2,
        offset=lambda: 40,
        timestamp=lambda: (1, 1_700_000_000_000),
        key=lambda: b"JFK",
        value=lambda: value,
        headers=lambda: headers,
    )


def test_topic() -> None:
    assert dead_letter_topic("weather-features") == "weather-features-dead-letters"


@pytest.mark.parametrize("reason", [r for r in Reason if r])
def test_what_is_written_is_read(reason: Reason) -> None:
    headers = dead_letter_headers(reason, "füh­r", b"a.b-c_d/3/17", [("mine", b"x")], timestamp_ms=123)
    assert headers[:4] == [
        ("mine", b"x"),
        ("foretell-error-reason", reason.word.encode()),
        ("foretell-error-message", "füh­r".encode()),
        ("foretell-origin", b"a.b-c_d/3/17"),
    ]
    letter = DeadLetter.of(record(headers))
    assert (letter.reason, letter.message) == (reason.word, "füh­r")
    assert (letter.origin, letter.row_time_ms) == (("a.b-c_d", 3), 123)
    assert (letter.key, letter.value, letter.headers) == (b"JFK", b"{", [("mine", b"x")])
    assert letter.reason in WORDS


def test_a_row_that_fails_again_says_why_it_fails_now() -> None:
    first = dead_letter_headers(Reason.NOT_JSON, "once", b"t/0/1", [("foretell-redriven-from", b"d/0/0")])
    again = dead_letter_headers(Reason.CONFLICT, "twice", b"t/0/9", first)
    assert [name for name, _ in again].count("foretell-error-reason") == 1
    assert dict(again)["foretell-error-reason"] == b"conflict"
    assert dict(again)["foretell-redriven-from"] == b"d/0/0"


def test_a_long_message_is_cut() -> None:
    assert (
        len(dict(dead_letter_headers(Reason.NOT_JSON, "x" * 5000, b"t/0/1"))["foretell-error-message"])
        == 1000
    )


@pytest.mark.parametrize(
    "headers",
    [
        None,
        [],
        [("foretell-error-reason", b"of somebody else")],
        [("foretell-origin", b"nonsense"), ("foretell-origin-timestamp", b"-1")],
        [("foretell-error-message", b"\xff")],
    ],
)
def test_a_letter_of_somebody_else(headers: list[tuple[str, bytes]] | None) -> None:
    letter = DeadLetter.of(record(headers))
    assert (letter.reason, letter.origin, letter.row_time_ms) == (UNKNOWN, None, 0)
