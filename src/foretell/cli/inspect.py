"""`foretell inspect`: is this bundle whole, does it give the right numbers, and what is in it?"""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from foretell.bundle.bundle import Bundle, open_bundle
from foretell.bundle.golden import Difference, worst_difference
from foretell.bundle.manifest import Manifest
from foretell.bundle.scaling import Scaling
from foretell.cli.bundle_view import columns_table, console, paragraph, shape
from foretell.config import EngineSettings
from foretell.engines.make import open_engine


def inspect_bundle(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Verify a bundle's digests and its golden sample on this machine, and show what it holds."""
    opened = open_bundle(bundle)
    engine_name, worst = _verify(opened)
    if as_json:
        tree = {
            "path": str(bundle),
            "manifest": msgspec.to_builtins(opened.manifest),
            "verified": {
                "engine": engine_name,
                "windows": len(opened.golden().windows),
                "worst_output": worst.output,
                "difference": worst.share,
            },
        }
        typer.echo(msgspec.json.format(msgspec.json.encode(tree), indent=2).decode())
    else:
        _show(opened, engine_name, worst)


def _verify(bundle: Bundle) -> tuple[str, Difference]:
    """The engine in use, and the worst difference on it; raises `GoldenMismatch` beyond the tolerance."""
    engine, golden = open_engine(bundle, EngineSettings()), bundle.golden()
    try:
        worst = worst_difference(golden, engine.run(golden.windows).outputs)
        return f"{engine.name} on {engine.device}", worst
    finally:
        engine.close()


def _show(bundle: Bundle, engine: str, worst: Difference) -> None:
    manifest, out = bundle.manifest, console()
    out.print(Text(f"{manifest.name}:{manifest.version}", style="bold green"))
    out.print(Text(shape(manifest)))
    size = sum(entry.size for entry in manifest.files.values())
    out.print(Text(f"whole: {len(manifest.files)} files, {size:,} bytes, digests match"))
    windows = len(bundle.golden().windows)
    out.print(
        Text(
            f"right: {windows} golden windows on {engine} differ by at most {worst.share:.1g} "
            f"of the output's range ({manifest.tolerance:.1g} allowed)"
        )
    )
    out.print()
    out.print(columns_table(manifest))
    paragraph(out, "Network", _network(manifest))
    paragraph(out, "From", _provenance(manifest))
    paragraph(out, "Taken for granted at import", manifest.provenance.notes)


def _network(manifest: Manifest) -> list[str]:
    layout = "" if manifest.layout == "time_first" else ", channels first"
    outputs = [f"gives {output.name} {output.shape}" for output in manifest.outputs]
    return [
        f"reads {manifest.input_shape}{layout}",
        *outputs,
        f"inputs: {_scaled(manifest.input_scaling)}",
        f"targets: {_scaled(manifest.target_scaling)}",
    ]


def _scaled(scaling: Scaling | None) -> str:
    if scaling is None:
        return "in their own units"
    return f"scaled by {scaling.kind}" + (f", clipped to {scaling.clip}" if scaling.clip else "")


def _provenance(manifest: Manifest) -> list[str]:
    source = manifest.provenance
    files = [
        f"{name}: {entry.size:,} bytes, sha256 {entry.sha256[:12]}…" for name, entry in source.files.items()
    ]
    return [f"{source.made_by}, {manifest.created}", *files]
