"""foretell tail: JSON in a pipe, words on a terminal."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from foretell.cli import main
from foretell.cli.tail import pretty
from foretell.errors import TopicMissing

FORECAST = {
    "series": "JFK",
    "issued_at": "2013-10-01T05:00:00Z",
    "forecast": {"temperature": [18.4, 17.25]},
    "unit": {"temperature": "degC"},
    "filled": 2,
}


def record(value: bytes | None, key: bytes | None = b"JFK", headers: Any = None) -> Any:
    """Stands for a record of Kafka's."""
    return SimpleNamespace(
        topic=lambda: "t",
        partition=lambda: 1,
        offset=lambda: 7,
        key=lambda: key,
        value=lambda: value,
        headers=lambda: headers,
        timestamp=lambda: (1, 1_700_000_000_000),
    )


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the topic holds."""
    held: list[Any] = []
    monkeypatch.setattr("foretell.cli.tail.read", lambda *_, **__: (r for r in held))
    return held


def test_a_pipe_gets_the_values_a_line_each(records: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    records += [record(json.dumps(FORECAST).encode()), record(b"{no json"), record(None), record(b"\xff")]
    assert main(["tail", "t"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [FORECAST, "{no json", None, "\\xff"]


def test_an_envelope_and_a_limit(records: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    records += [record(b"1", headers=[("foretell-origin", b"rows/0/5")])] * 3
    assert main(["tail", "t", "--envelope", "--limit", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0]) == {
        "topic": "t",
        "partition": 1,
        "offset": 7,
        "timestamp": "2023-11-14T22:13:20.000+00:00",
        "key": "JFK",
        "headers": {"foretell-origin": "rows/0/5"},
        "value": 1,
    }


def test_a_forecast_in_words() -> None:
    told = pretty(record(json.dumps(FORECAST).encode())).plain
    assert told == "1/7 JFK      2013-10-01T05:00:00Z temperature 18.4 17.25 degC  (2 filled)"


@pytest.mark.parametrize(
    ("value", "headers", "told"),
    [
        (b'{"a": 1}', None, '1/7 JFK      {"a": 1}'),
        (
            b"{",
            [("foretell-error-reason", b"not_json"), ("foretell-error-message", b"ends early")],
            "1/7 JFK      not_json ends early {",
        ),
        (None, None, "1/7 JFK      null"),
        (b'{"forecast": {"x": "odd"}}', None, '1/7 JFK       x "odd"  '),
    ],
)
def test_anything_else_as_it_is(value: bytes | None, headers: Any, told: str) -> None:
    assert pretty(record(value, headers=headers)).plain == told


def test_a_topic_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object, **__: object) -> Any:
        raise TopicMissing("topic t does not exist", cure="topics there: u")
        yield

    monkeypatch.setattr("foretell.cli.tail.read", missing)
    assert main(["tail", "t"]) == 8
    assert "topics there: u" in capsys.readouterr().err
