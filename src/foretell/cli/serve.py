"""`foretell serve`: answer over HTTP and gRPC on Ray Serve."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretell.cli.options import ConfigFile, said
from foretell.config import Settings, load
from foretell.telemetry.log import setup

if TYPE_CHECKING:
    from foretell.config import SecuritySettings
    from foretell.serve.deployment.deployed import Deployed


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
    return run_serve(settings, models or ([str(named)] if named else []), tell)


def tell(deployed: "Deployed") -> None:
    """What is served, where, and a line to try it."""
    serve = deployed.plan.settings.serve
    secure = serve.security.tls_certificate is not None
    url = f"{'https' if secure else 'http'}://{_shown(serve.host)}:{serve.port}"
    for model in deployed.plan.models:
        typer.echo(f"{model.name} {model.version}")
    typer.echo(f"  HTTP  {url}  (its page: {url}/docs)")
    typer.echo(f"  gRPC  {_shown(serve.host)}:{serve.grpc_port}")
    _tell_example(deployed, url)
    typer.echo("Ctrl-C ends it")


def _tell_example(deployed: "Deployed", url: str) -> None:
    from foretell.bundle.manifest import MANIFEST
    from foretell.bundle.parse import parse_manifest
    from foretell.serve.protocols.examples import row_fields

    first, security = deployed.plan.models[0], deployed.plan.settings.serve.security
    manifest = parse_manifest(first.files[MANIFEST])
    fields = [f"{name} ({unit})" if unit else name for name, unit in row_fields(manifest).items()]
    curl = "curl -s"
    if security.tls_certificate is not None:
        flags, url = trusted(security, url)
        curl += flags
    if security.keys is not None:
        curl += ' -H "Authorization: Bearer $KEY"'
        typer.echo("try it, with a key: export KEY=…")
    else:
        typer.echo("try it:")
    at = f"{url}/v1/forecast/{first.name}"
    typer.echo(f"  {curl} {at}/example | {curl} {at} -d @-")
    typer.echo(f"  # {manifest.lookback} rows of {', '.join(fields)}")


def trusted(security: "SecuritySettings", url: str) -> tuple[str, str]:
    """Flags by which curl trusts the certificate, and the URL under a name that it is for."""
    from foretell.serve.security.tls import certificate_names, tls_context

    certificate, context = security.tls_certificate, tls_context(security)
    if certificate is None or context is None:
        return "", url
    flags = f" --cacert {shlex.quote(str(certificate.absolute()))}"
    host, port = url.removeprefix("https://").rsplit(":", 1)
    names = certificate_names(context, certificate)
    if not names or host.strip("[]") in names:
        return flags, url
    name = names[0].replace("*", "foretell")
    return f"{flags} --connect-to {name}:{port}:{host}:{port}", f"https://{name}:{port}"


def _shown(host: str) -> str:
    """An address that a client can use."""
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
