"""Options that several commands share, so that they read the same everywhere."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import PydanticUndefined

from foretell.config import Settings


def said(name: str) -> str:
    """A setting's description and default, for the help of its flag.

    The flag itself has no default: the file and the environment come first.
    """
    *parts, field_name = name.split(".")
    model: Any = Settings
    for part in parts:
        model = model.model_fields[part].annotation
    field = model.model_fields[field_name]
    words = field.description or ""
    if field.default not in (None, False, PydanticUndefined):
        words += f" (default: {duration(field.default)})"
    return f"{words[:1].upper()}{words[1:]}."


def duration(value: object) -> object:
    """Settings hold seconds as floats; a share of something is not above one."""
    return f"{value:g}s" if isinstance(value, float) and value > 1 else value


ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings as YAML (FORETELL_CONFIG).")
]
BootstrapServers = Annotated[
    str | None,
    typer.Option("--bootstrap-servers", metavar="HOST:PORT", help=said("kafka.bootstrap_servers")),
]
InputTopic = Annotated[
    str | None, typer.Option("--input-topic", metavar="TOPIC", help=said("stream.input_topic"))
]
Group = Annotated[str | None, typer.Option("--group", metavar="NAME", help=said("stream.group"))]


class Start(StrEnum):
    """Where reading begins."""

    EARLIEST = "earliest"
    LATEST = "latest"
