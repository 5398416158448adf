"""`foretell dlq`: what could not be forecast, and the way back."""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from foretell.cli.options import BootstrapServers, ConfigFile, Group, InputTopic
from foretell.config import Settings, load
from foretell.errors import ConfigError
from foretell.stream.messages.deadletter import WORDS, dead_letter_topic
from foretell.stream.redrive import Redrive, summarize
from foretell.telemetry.log import setup

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _dead_letters() -> None:
    """List dead letters, or put them back."""


@app.command("list")
def list_letters(
    config: ConfigFile = None,
    bootstrap_servers: BootstrapServers = None,
    input_topic: InputTopic = None,
    group: Group = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, by reason.")] = False,
) -> None:
    """Group the dead letters of the input topic by reason: how many, the newest, an example."""
    settings = _settings(config, bootstrap_servers, input_topic, group)
    groups = summarize(settings)
    if as_json:
        told = {
            g.reason: {
                "count": g.count,
                "put_back": g.put_back,
                "newest": _time(g.newest_ms),
                "example": g.example,
            }
            for g in groups
        }
        typer.echo(json.dumps(told))
        return
    topic = dead_letter_topic(settings.stream.input_topic)
    if not groups:
        typer.echo(f"no dead letters in {topic}")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, side in (
        ("reason", "left"),
        ("letters", "right"),
        ("put back", "right"),
        ("newest", "left"),
    ):
        table.add_column(heading, justify=side, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("for example", overflow="fold")
    for g in groups:
        table.add_row(g.reason, f"{g.count:,}", f"{g.put_back:,}", _time(g.newest_ms), g.example)
    # In a pipe a letter has one line, however long.
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 10_000).print(table)


@app.command()
def redrive(
    config: ConfigFile = None,
    bootstrap_servers: BootstrapServers = None,
    input_topic: InputTopic = None,
    group: Group = None,
    reason: Annotated[str | None, typer.Option(help="Only letters of this reason.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
) -> None:
    """Put rows back to the input topic as they came, each once: what went back before stays where it is."""
    if reason is not None and reason not in WORDS:
        raise ConfigError(f"--reason {reason} is no reason", cure="one of: " + ", ".join(WORDS))
    settings = _settings(config, bootstrap_servers, input_topic, group)
    done = Redrive(settings).run(reason, limit)
    if not done:
        typer.echo("nothing to put back")
    for word, count in sorted(done.items()):
        typer.echo(f"{word}: {count:,} put back to {settings.stream.input_topic}")


def _settings(config: ConfigFile, servers: str | None, topic: str | None, group: str | None) -> Settings:
    flags = {"kafka.bootstrap_servers": servers, "stream.input_topic": topic, "stream.group": group}
    settings = load(config, flags).settings
    setup(settings.log)
    return settings


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
