"""Options that several commands share, so that they read the same everywhere."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings as YAML (FORETELL_CONFIG).")
]
BootstrapServers = Annotated[
    str | None,
    typer.Option(
        "--bootstrap-servers", metavar="HOST:PORT", help="Kafka's brokers (KAFKA_BOOTSTRAP_SERVERS)."
    ),
]


class Start(StrEnum):
    """Where reading begins."""

    EARLIEST = "earliest"
    LATEST = "latest"


InputTopic = Annotated[
    str | None, typer.Option("--input-topic", metavar="TOPIC", help="Rows are read from it.")
]
Group = Annotated[
    str | None, typer.Option("--group", metavar="NAME", help="Consumer group, and prefix of internal topics.")
]
