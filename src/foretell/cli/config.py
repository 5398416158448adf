"""`foretell config show`: the settings in force, and where each comes from."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from foretell.cli.options import ConfigFile
from foretell.config import InForce, load

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _settings() -> None:
    """Show the settings in force and where they come from."""


@app.command()
def show(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, by dotted name.")] = False,
) -> None:
    """Print every setting, its value and the source that set it; secrets are hidden.

    A flag wins over the environment, that over the file, and that over the default.
    """
    in_force = list(load(config).in_force())
    if as_json:
        typer.echo(
            json.dumps({s.name: {"value": s.value, "source": s.source} for s in in_force}, default=str)
        )
    else:
        _print_table(in_force)


def _print_table(in_force: list[InForce]) -> None:
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        for setting in in_force:
            typer.echo(f"{setting.name}\t{_text(setting.value)}\t{setting.source}")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("setting", "value", "from"):
        table.add_column(heading, overflow="fold")
    for setting in in_force:
        style = "dim" if setting.source == "default" else ""
        table.add_row(setting.name, _text(setting.value), setting.source, style=style)
    console.print(table)


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | Path) else json.dumps(value, default=str)
