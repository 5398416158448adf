"""`foretell tail`: a topic's records as they come."""

import json
import sys
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import msgspec
import typer
from confluent_kafka import Message
from rich.console import Console
from rich.text import Text

from foretell.cli.options import BootstrapServers, ConfigFile, Start
from foretell.config import load
from foretell.stream.kafka.reader import read
from foretell.telemetry.log import setup


def tail(
    topic: Annotated[str, typer.Argument(help="For instance weather-predictions.")],
    config: ConfigFile = None,
    bootstrap_servers: BootstrapServers = None,
    start: Annotated[
        Start | None,
        typer.Option("--from", help="Where to begin; unset: latest, or earliest with --until-end."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many records.")] = None,
    envelope: Annotated[
        bool,
        typer.Option("--envelope", help="In a pipe: with topic, partition, offset, timestamp, key, headers."),
    ] = False,
    until_end: Annotated[bool, typer.Option("--until-end", help="End where the topic ends now.")] = False,
) -> None:
    """Show a topic's committed records as they come; a JSON object a line in a pipe. Ctrl-C ends it."""
    settings = load(config, {"kafka.bootstrap_servers": bootstrap_servers}).settings
    setup(settings.log)
    start = start or (Start.EARLIEST if until_end else Start.LATEST)
    records = read(settings.kafka, topic, start=start.value, to_end=until_end)
    console = Console(highlight=False) if sys.stdout.isatty() else None
    with closing(records):
        for record in islice(records, limit):
            if console:
                console.print(pretty(record), soft_wrap=True)
            else:
                print(json.dumps(enveloped(record) if envelope else value_of(record)), flush=True)


def enveloped(record: Message) -> dict[str, object]:
    """The record with all that Kafka keeps beside its value."""
    return {
        "topic": record.topic(),
        "partition": record.partition(),
        "offset": record.offset(),
        "timestamp": _time(record),
        "key": _text(record.key()),
        "headers": {name: _text(value) for name, value in record.headers() or []},
        "value": value_of(record),
    }


def pretty(record: Message) -> Text:
    """A line for people: a forecast in its own words, anything else as it is."""
    value = value_of(record)
    head = Text.assemble(
        (f"{record.partition()}/{record.offset()} ", "dim"),
        (f"{_text(record.key()) or '-':<8} ", "bold cyan"),
    )
    if isinstance(value, dict) and isinstance(value.get("forecast"), dict):
        return head + _forecast(value)
    headers = dict(record.headers() or [])
    if reason := headers.get("foretell-error-reason"):
        head.append(f"{_text(reason)} ", "bold red")
        head.append(f"{_text(headers.get('foretell-error-message'))} ", "red")
    return head + Text(value if isinstance(value, str) else json.dumps(value))


def _forecast(value: dict[str, object]) -> Text:
    line = Text(f"{value.get('issued_at', '')} ", "dim")
    forecast, units = value["forecast"], value.get("unit")
    assert isinstance(forecast, dict)
    for target, steps in forecast.items():
        if isinstance(steps, list) and all(isinstance(s, int | float) for s in steps):
            unit = (units.get(target) if isinstance(units, dict) else None) or ""
            line.append(f"{target} ")
            line.append(" ".join(f"{s:.4g}" for s in steps), "green")
            line.append(f" {unit}  " if unit else "  ", "dim")
        else:
            line.append(f"{target} {json.dumps(steps)}  ")
    if value.get("filled"):
        line.append(f"({value['filled']} filled)", "yellow")
    return line


def value_of(record: Message) -> object:
    """What the JSON says; text where it is none."""
    raw = record.value()
    try:
        return None if raw is None else msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _text(raw)


def _text(raw: bytes | str | None) -> str | None:
    return raw.decode(errors="backslashreplace") if isinstance(raw, bytes) else raw


def _time(record: Message) -> str:
    return datetime.fromtimestamp(record.timestamp()[1] / 1000, UTC).isoformat(timespec="milliseconds")
