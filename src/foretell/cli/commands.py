"""The table of commands. Only the module of the command that was called is imported."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

import foretell


@dataclass(frozen=True)
class Command:
    """A command: `target` is the `module:function` behind it, or `module:app` where it has several parts."""

    name: str
    target: str
    line: str
    panel: str

    def load(self) -> Callable[..., Any] | typer.Typer:
        module, _, attribute = self.target.partition(":")
        loaded: Callable[..., Any] | typer.Typer = getattr(importlib.import_module(module), attribute)
        return loaded


MODELS, STREAM, SERVE, AROUND = "Models", "Stream", "Serve", "Around"
COMMANDS = (
    Command("import", "foretell.cli.import_:import_model", "Make a bundle from a model's files.", MODELS),
    Command(
        "inspect", "foretell.cli.inspect:inspect_bundle", "Verify a bundle and show what it holds.", MODELS
    ),
    Command("predict", "foretell.cli.predict:predict", "Forecast from a file, without Kafka or Ray.", MODELS),
    Command("stream", "foretell.cli.stream:stream", "Forecast a Kafka topic on Ray, exactly once.", STREAM),
    Command("tail", "foretell.cli.tail:tail", "Show a topic's records as they come.", STREAM),
    Command("dlq", "foretell.cli.dlq:app", "List dead letters, or put them back.", STREAM),
    Command("serve", "foretell.cli.serve:serve", "Serve models over HTTP and gRPC on Ray Serve.", SERVE),
    Command("bench", "foretell.cli.bench:bench", "Put a load on a running server and measure it.", SERVE),
    Command("keys", "foretell.cli.keys:app", "Make, list and revoke the server's API keys.", SERVE),
    Command("demo", "foretell.cli.demo:demo", "See it at work: three airports, in one terminal.", AROUND),
    Command(
        "config", "foretell.cli.config:app", "Show the settings in force and where they come from.", AROUND
    ),
)


def build(arguments: Sequence[str]) -> typer.Typer:
    """The application: the command that `arguments` name is real, the others are lines of its help."""
    app = typer.Typer(
        name="foretell",
        callback=_common,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        rich_markup_mode="markdown",
    )
    called = next((a for a in arguments if not a.startswith("-")), None)
    for command in COMMANDS:
        loaded = command.load() if command.name == called else _line_of_help
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=command.name, help=command.line, rich_help_panel=command.panel)
        else:
            app.command(command.name, short_help=command.line, rich_help_panel=command.panel)(loaded)
    return app


def _line_of_help() -> None:
    raise NotImplementedError("stands for a command that was not called")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"foretell {foretell.__version__}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Put a trained forecasting model to work on Ray: rows in, forecasts out, each exactly once."""
