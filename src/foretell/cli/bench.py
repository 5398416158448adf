"""`foretell bench`: what a running server bears."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from foretell.config.parts import seconds
from foretell.errors import ConfigError, ForetellError, ServerUnreachable
from foretell.serve.backend import Priority, Refusal
from foretell.serve.client.client import Client, check_url
from foretell.serve.client.load import Load, Plan, Result
from foretell.serve.security.startup import is_loopback

KEY_VARIABLE = "FORETELL_KEY"
_FIGURES = ("requests_per_s", "rows_per_s", "p50_ms", "p90_ms", "p99_ms")
_LONGEST_S = 3600.0


def bench(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Of a server, for instance http://127.0.0.1:8000.")
    ],
    model: Annotated[str, typer.Argument(metavar="MODEL", help="One of its models.")],
    connections: Annotated[
        str, typer.Option(metavar="N,…", help="Connections at once; one pass each.")
    ] = "1,8,32",
    duration: Annotated[str, typer.Option(metavar="TIME", help="Of a pass.")] = "5s",
    priority: Annotated[str, typer.Option(metavar="NAME,…", help="Taken in turns.")] = "medium",
    deadline_ms: Annotated[
        float | None, typer.Option(min=0.001, metavar="N", help="Of each request.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Windows a request.")] = 1,
    open_loop: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=1e6,
            metavar="RATE",
            help="Requests a second, answered or not; latency from when due.",
        ),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help=f"Holds the API key; unset: {KEY_VARIABLE}, if set.")
    ] = None,
    ca: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM of the authority to trust.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="The target is not this machine, and that is meant.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON array, an object a pass and priority.")
    ] = False,
) -> None:
    """Put a load on a running server: latency and throughput by connections and priority.

    Windows hold random numbers of the shape that the model reads, no two of them equal; a refusal is counted
    and not asked again.
    """
    key = _key(key_file)
    _check_target(url, yes)
    counts = _counts(connections)
    plans = [
        Plan(model, rows, _duration(duration), count, _priorities(priority), deadline_ms, open_loop)
        for count in counts
    ]
    results = asyncio.run(_passes(url, key, ca, plans))
    told = [line for result in results for line in _lines(result)]
    if as_json:
        typer.echo(json.dumps(told))
    else:
        _print_table(url, told)


async def _passes(url: str, key: str | None, ca: Path | None, plans: list[Plan]) -> list[Result]:
    async with Client(url, key, ca=ca) as client:
        try:
            shape = _window_shape(await client.metadata(plans[0].model))
        except Refusal as refusal:
            raise _unfit(url, refusal) from None
    results = []
    for plan in plans:
        async with Client(url, key, ca=ca, connections=plan.connections, retries=0) as client:
            results.append(await Load(client, plan, shape).run())
    return results


def _unfit(url: str, refusal: Refusal) -> ForetellError:
    """The server said no before the load began: it is not ready, or was asked for what is not there."""
    if refusal.status >= 500 or refusal.status == 429:
        return ServerUnreachable(f"{url}: {refusal.message}", cure=refusal.cure)
    if refusal.status == 401:
        cure = f"name a file that holds the key (--key-file), or set {KEY_VARIABLE}"
        return ConfigError(f"{url}: {refusal.message}", cure=cure)
    return ConfigError(f"{url}: {refusal.message}", cure=refusal.cure)


def _window_shape(metadata: dict[str, Any]) -> list[int]:
    """Of the model's one input, without the number of windows."""
    try:
        shape = [int(size) for size in metadata["inputs"][0]["shape"][1:]]
    except (KeyError, IndexError, TypeError, ValueError):
        shape = []
    if not shape or min(shape) < 1:
        raise ConfigError("the model's metadata tell no shape of a window", cure="is it foretell's server?")
    return shape


def _lines(result: Result) -> list[dict[str, Any]]:
    """One a priority."""
    plan = result.plan
    return [
        {
            "connections": plan.connections,
            "priority": priority.name.lower(),
            "rows": plan.rows,
            "offered_per_s": plan.rate and plan.rate / len(plan.priorities),
            "seconds": round(result.seconds, 3),
            "requests_per_s": round(tally.outcomes["ok"] / result.seconds, 1),
            "rows_per_s": round(tally.outcomes["ok"] * plan.rows / result.seconds, 1),
            **tally.quantiles_ms(),
            "outcomes": dict(sorted(tally.outcomes.items())),
        }
        for priority, tally in result.tallies.items()
    ]


def _print_table(url: str, lines: list[dict[str, Any]]) -> None:
    # In a pipe a pass has one line, however long.
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 10_000)
    console.print(url)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("at once", justify="right", no_wrap=True)
    table.add_column("priority", no_wrap=True)
    for heading in ("requests/s", "windows/s", "p50 ms", "p90 ms", "p99 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("outcomes", overflow="fold")
    for line in lines:
        figures = ["-" if line[name] is None else f"{line[name]:,.5g}" for name in _FIGURES]
        outcomes = ", ".join(f"{name} {count:,}" for name, count in line["outcomes"].items())
        table.add_row(str(line["connections"]), line["priority"], *figures, outcomes)
    console.print(table)


def _key(file: Path | None) -> str | None:
    """Never from the command line: everybody on the machine can read that."""
    if file is None:
        return os.environ.get(KEY_VARIABLE) or None
    try:
        key = file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        key = ""
    if not key:
        raise ConfigError(f"{file}: no file with a key", cure="it holds the key and nothing else")
    return key


def _check_target(url: str, yes: bool) -> None:
    host = check_url(url).hostname or ""
    if host and not is_loopback(host) and not yes:
        raise ConfigError(
            f"{host} is not this machine, and this puts as much load on it as it bears",
            cure="say --yes if it is yours",
        )


def _counts(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and 1 <= int(part) <= 10_000 for part in parts):
        raise ConfigError(f"--connections {text}: not numbers from 1 to 10000", cure="write 1,8,32")
    return [int(part) for part in parts]


def _priorities(text: str) -> tuple[Priority, ...]:
    try:
        return tuple(dict.fromkeys(Priority[part.strip().upper()] for part in text.split(",")))
    except KeyError:
        raise ConfigError(f"--priority {text}: not a priority", cure="low, medium, high") from None


def _duration(text: str) -> float:
    try:
        value = float(seconds(text))
    except ValueError as error:
        raise ConfigError(f"--duration {error}", cure="write 5s or 1m") from None
    if not 0 < value <= _LONGEST_S:
        raise ConfigError(f"--duration {text} is out of bounds", cure="above 0, and up to one hour")
    return value
