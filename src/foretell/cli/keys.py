"""`foretell keys`: who may ask the request door."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from foretell.cli.options import ConfigFile
from foretell.config import load
from foretell.serve.security.key_file import add_key, read_keys, revoke
from foretell.serve.security.keys import Key, issue

app = typer.Typer(no_args_is_help=True, add_completion=False)
_DEFAULT = Path("keys.json")

KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--file", metavar="FILE", help="File of keys; unset: serve.security.keys, otherwise keys.json."
    ),
]


class Top(StrEnum):
    """The highest priority that a key may ask for."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@app.callback()
def _keys() -> None:
    """Make, list and revoke the keys of the request door."""


@app.command()
def new(
    client: Annotated[str, typer.Option(metavar="NAME", help="Who will hold it: letters, digits, . _ -")],
    models: Annotated[str, typer.Option(metavar="NAME,…", help="Models it is for; * for all.")],
    max_priority: Annotated[Top, typer.Option(help="The highest it may ask for.")] = Top.MEDIUM,
    rate: Annotated[
        float | None, typer.Option(metavar="N", help="Requests a second; unset: serve.limits.rate.")
    ] = None,
    high_budget: Annotated[
        float | None,
        typer.Option(metavar="N", help="Rows a second of high priority; above, they count as medium."),
    ] = None,
    file: KeyFile = None,
    config: ConfigFile = None,
) -> None:
    """Make a key and show it, this once: the file keeps a digest. A server takes it up in a second."""
    path = _file(file, config)
    named = tuple(dict.fromkeys(name.strip() for name in models.split(",") if name.strip()))
    token, key = issue(client, named, max_priority.value, rate, high_budget)
    add_key(path, key)
    typer.echo(
        f"{path}: key {key.id} for {client}. It is shown now and never again; send it as\n"
        "Authorization: Bearer KEY",
        err=True,
    )
    typer.echo(token)


@app.command("list")
def list_keys(
    file: KeyFile = None,
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array.")] = False,
) -> None:
    """Show all keys, without their secrets."""
    path = _file(file, config)
    keys = read_keys(path)
    if as_json:
        typer.echo(json.dumps([_told(key) for key in keys]))
    elif not keys:
        typer.echo(f"no keys in {path}")
    else:
        _print_table(keys)


@app.command("revoke")
def revoke_keys(
    which: Annotated[str, typer.Argument(metavar="ID|NAME", help="A key's id, or a client: all its keys.")],
    file: KeyFile = None,
    config: ConfigFile = None,
) -> None:
    """Take keys out of the file. A running server refuses them within a second."""
    for key in revoke(_file(file, config), which):
        typer.echo(f"revoked {key.id} of {key.client}")


def _file(file: Path | None, config: Path | None) -> Path:
    return file or load(config).settings.serve.security.keys or _DEFAULT


def _told(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "client": key.client,
        "models": list(key.models),
        "max_priority": key.max_priority,
        "rate": key.rate,
        "high_budget": key.high_budget,
        "created": key.created,
    }


def _print_table(keys: tuple[Key, ...]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "client", "models", "max priority", "rate", "high budget", "created"):
        table.add_column(heading, overflow="fold")
    for key in keys:
        figures = [f"{n:g}" if n else "-" for n in (key.rate, key.high_budget)]
        table.add_row(key.id, key.client, ",".join(key.models), key.max_priority, *figures, key.created)
    Console(highlight=False, markup=False).print(table)
