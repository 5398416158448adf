"""`foretell demo`: a trained model on a stream, in one terminal, scored against what happened."""

import logging
import os
import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer
from rich.console import Console

from foretell.config import load
from foretell.demo.brokers import Wanted
from foretell.demo.weather import AIRPORTS, BUNDLE
from foretell.errors import ConfigError


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running, the replay in a loop.")] = False,
    broker: Annotated[
        Wanted,
        typer.Option(help="auto: KAFKA_BOOTSTRAP_SERVERS, else an Apache Kafka that is found, else mock."),
    ] = Wanted.AUTO,
    airports: Annotated[str, typer.Option(metavar="A,B", help="Of EWR, JFK and LGA.")] = ",".join(AIRPORTS),
    rate: Annotated[float, typer.Option(min=1, metavar="ROWS", help="Rows a second.")] = 400.0,
) -> None:
    """See it at work: New York's weather of 2013 through Kafka and Ray, and how good the forecasts were.

    It ends by itself and leaves nothing running. On a real Kafka it kills a worker half-way and counts.
    """
    chosen = tuple(name.strip().upper() for name in airports.split(","))
    if unknown := sorted(set(chosen) - set(AIRPORTS)):
        raise ConfigError(f"--airports: there is no {', '.join(unknown)}", cure=f"of {', '.join(AIRPORTS)}")
    raise typer.Exit(_play(keep, broker, chosen, rate))


def _play(keep: bool, broker: Wanted, airports: tuple[str, ...], rate: float) -> int:
    # Here, not at the top: wrong flags and --help need no Ray.
    from foretell.demo.run import Plan, run
    from foretell.demo.show import Show
    from foretell.stream.kafka.clients import secrets
    from foretell.telemetry.log import setup

    loaded = load()
    log = loaded.settings.log
    quiet = log.model_copy(update={"level": "ERROR"}) if "log.level" not in loaded.sources else log
    setup(quiet, secrets(loaded.settings.kafka))
    logging.captureWarnings(True)  # Ray's, which are nothing to somebody who watches a demo
    show = Show(Console(file=sys.stdout, highlight=False))
    # Ray writes to stdout when a worker is killed, whatever it is told; ours keeps the real one.
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        exact = run(Plan(broker, airports, rate, keep), loaded, show)
    if not keep:
        show.commands(
            [
                (f"foretell inspect {os.path.relpath(BUNDLE)}", "what a bundle holds, verified"),
                ("foretell demo --keep", "leave it running, to look at it with `foretell tail`"),
                ("foretell import FOLDER --out models/mine", "a model of your own"),
                ("foretell stream --bundle models/mine", "on your Kafka"),
            ]
        )
    return 0 if exact else 1
