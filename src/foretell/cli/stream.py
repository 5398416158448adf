"""`foretell stream`: rows in on one Kafka topic, forecasts out on another, each exactly once."""

from pathlib import Path
from typing import Annotated

import typer

from foretell.cli.options import BootstrapServers, ConfigFile, Group, InputTopic, Start, said
from foretell.config import Settings, load
from foretell.errors import ConfigError
from foretell.telemetry.log import setup

_ONLY_ONE = "give --model-name (a folder under MODEL_STORAGE_PATH) or --bundle (a path)"


def stream(
    config: ConfigFile = None,
    model_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A folder under MODEL_STORAGE_PATH; imported if it is no bundle yet."
        ),
    ] = None,
    bundle: Annotated[Path | None, typer.Option(metavar="PATH", help="A bundle's own path.")] = None,
    num_actors: Annotated[
        int | None,
        typer.Option(metavar="N", help=said("stream.num_actors")),
    ] = None,
    no_gpu: Annotated[bool, typer.Option("--no-gpu", help="Stay on the CPU.")] = False,
    gpu_fraction: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help=said("stream.gpu_fraction")),
    ] = None,
    bootstrap_servers: BootstrapServers = None,
    input_topic: InputTopic = None,
    output_topic: Annotated[
        str | None,
        typer.Option(metavar="TOPIC", help=said("stream.output_topic")),
    ] = None,
    group: Group = None,
    horizon: Annotated[int | None, typer.Option(metavar="STEPS", help=said("stream.horizon"))] = None,
    start: Annotated[Start | None, typer.Option("--from", help=said("stream.start"))] = None,
    wait: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=said("stream.wait")),
    ] = None,
    until_end: Annotated[bool, typer.Option("--until-end", help=said("stream.until_end"))] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help=said("stream.rebuild"))] = False,
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", help=said("stream.port")),
    ] = None,
) -> None:
    """Forecast a Kafka topic on Ray, exactly once.

    Every flag, and more, is a setting of the configuration file and the environment: `foretell config show`.

    SIGTERM or Ctrl-C finishes what is under way and ends.
    """
    flags = {
        "model.name": model_name,
        "model.bundle": bundle,
        "stream.num_actors": num_actors,
        "stream.gpu": False if no_gpu else None,
        "stream.gpu_fraction": gpu_fraction,
        "kafka.bootstrap_servers": bootstrap_servers,
        "stream.input_topic": input_topic,
        "stream.output_topic": output_topic,
        "stream.group": group,
        "stream.horizon": horizon,
        "stream.start": start.value if start else None,
        "stream.wait": wait,
        "stream.until_end": until_end or None,
        "stream.rebuild": rebuild or None,
        "stream.port": port,
    }
    if model_name is not None and bundle is not None:
        raise ConfigError("--model-name and --bundle name two models", cure=_ONLY_ONE)
    settings = load(config, flags).settings
    if model_name is not None:  # a flag for one overrules the file's word for the other
        settings = settings.model_copy(update={"model": settings.model.model_copy(update={"bundle": None})})
    raise typer.Exit(_run(settings))


def _run(settings: Settings) -> int:
    # Here, not at the top: wrong flags and --help need no Ray.
    from foretell.cli.progress import show
    from foretell.importers.resolve import resolve_bundle
    from foretell.stream.kafka.clients import secrets
    from foretell.stream.supervision.run import run_stream

    setup(settings.log, secrets(settings.kafka))
    bundle = resolve_bundle(settings)
    with show() as progress:
        return run_stream(settings, bundle, progress)
