"""`foretell serve`: answer over HTTP and gRPC on Ray Serve."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretell.cli.options import ConfigFile, said
from foretell.config import Settings, load
from foretell.telemetry.log import setup

if TYPE_CHECKING:
    from foretell.bundle.manifest import Manifest
    from foretell.serve.deployment.deployed import Deployed

_WRITTEN_OUT = 60  # numbers of a window that a person may want to see


def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="BUNDLE|NAME[@ALIAS]...",
            help="Paths of bundles or of a model's files, or names under MODEL_STORAGE_PATH; "
            "unset: the model of the configuration.",
        ),
    ] = None,
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help=said("serve.host"))] = None,
    port: Annotated[int | None, typer.Option(metavar="PORT", help=said("serve.port"))] = None,
    grpc_port: Annotated[int | None, typer.Option(metavar="PORT", help=said("serve.grpc_port"))] = None,
    replicas: Annotated[int | None, typer.Option(metavar="N", help=said("serve.replicas"))] = None,
    autoscale: Annotated[str | None, typer.Option(metavar="NAME|FILE", help=said("serve.autoscale"))] = None,
    resources: Annotated[
        str | None, typer.Option(metavar="small|medium|large", help=said("serve.resources"))
    ] = None,
    no_gpu: Annotated[bool, typer.Option("--no-gpu", help="Stay on the CPU.")] = False,
    insecure: Annotated[bool, typer.Option("--insecure", help=said("serve.security.insecure"))] = False,
    keys: Annotated[Path | None, typer.Option(metavar="FILE", help=said("serve.security.keys"))] = None,
) -> None:
    """Serve models over HTTP and gRPC on Ray Serve: urgent first, honest when full.

    Every flag, and more, is a setting of the configuration file and the environment: `foretell config show`.

    SIGTERM or Ctrl-C answers what is in flight and ends.
    """
    flags = {
        "serve.host": host,
        "serve.port": port,
        "serve.grpc_port": grpc_port,
        "serve.replicas": replicas,
        "serve.autoscale": autoscale,
        "serve.resources": resources,
        "serve.gpu": False if no_gpu else None,
        "serve.security.insecure": insecure or None,
        "serve.security.keys": keys,
    }
    raise typer.Exit(_run(load(config, flags).settings, models or []))


def _run(settings: Settings, models: list[str]) -> int:
    # Here, not at the top: wrong flags and --help need no Ray.
    from foretell.serve.run import run_serve

    setup(settings.log)
    named = settings.model.bundle or settings.model.name
    return run_serve(settings, models or ([str(named)] if named else []), _tell)


def _tell(deployed: "Deployed") -> None:
    from foretell.bundle.manifest import MANIFEST
    from foretell.bundle.parse import parse_manifest

    serve = deployed.plan.settings.serve
    secure = serve.security.tls_certificate is not None
    url = f"{'https' if secure else 'http'}://{_shown(serve.host)}:{serve.port}"
    for model in deployed.plan.models:
        typer.echo(f"{model.name} {model.version}")
    typer.echo(f"  HTTP  {url}  (its page: {url}/docs)")
    typer.echo(f"  gRPC  {_shown(serve.host)}:{serve.grpc_port}")
    first = deployed.plan.models[0]
    typer.echo("try it:")
    key = ' -H "Authorization: Bearer $KEY"' if serve.security.keys else ""
    trust = f" --cacert {serve.security.tls_certificate}" if secure else ""
    body = example_body(parse_manifest(first.files[MANIFEST]))
    typer.echo(f"  curl{trust}{key} {url}/v2/models/{first.name}/infer -d {body}")
    typer.echo("Ctrl-C ends it")


def example_body(manifest: "Manifest") -> str:
    """A request for one window, quoted for a shell."""
    shape = [1, *manifest.input_shape]
    count = shape[1] * shape[2]
    head = f'{{"inputs":[{{"name":"windows","shape":{shape},"datatype":"FP64","data":['.replace(" ", "")
    if count > _WRITTEN_OUT:
        return f"'{head}'$(yes 0 | head -n {count} | paste -sd, -)']}}]}}'"
    row = [round(column.center or 0.0, 2) for column in manifest.inputs]
    columns = manifest.layout == "channels_first"
    data = [v for v in row for _ in range(shape[2])] if columns else row * manifest.lookback
    return f"'{head}{','.join(f'{v:g}' for v in data)}]}}]}}'"


def _shown(host: str) -> str:
    """An address that a client can use."""
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
