"""`foretell import`: from a model's files to a bundle, and what a person should know about it."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from foretell.cli.bundle_view import columns_table, console, paragraph, shape
from foretell.config.parts import seconds
from foretell.errors import ConfigError
from foretell.importers import Imported, ImportOptions, import_source

Names = Annotated[str | None, typer.Option(metavar="A,B", help="In the network's order.")]
Steps = Annotated[int | None, typer.Option(metavar="N", min=1, help="Steps.")]


def import_model(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A model's folder, or its .h5, .keras or .onnx file.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The bundle's folder; unset: bundles/NAME.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The bundle's name; unset: the source's.")] = None,
    adapter: Annotated[
        Path | None, typer.Option(metavar="FILE", help="adapter.yaml: from a row's fields to features.")
    ] = None,
    step: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Time between a window's steps, such as 1h.")
    ] = None,
    lookback: Steps = None,
    horizon: Steps = None,
    features: Names = None,
    targets: Names = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Make a bundle from a model's files, and prove that it gives the same numbers.

    A folder may hold scaler_X.pkl, scaler_y.pkl, feature_adapter.pkl and metadata.json beside the model. All
    files are read as data; nothing in them is run. Flags win over what the files say.
    """
    options = ImportOptions(
        out=out,
        name=name,
        adapter=adapter,
        step_s=_seconds(step),
        lookback=lookback,
        horizon=horizon,
        features=_names(features),
        targets=_names(targets),
    )
    imported = import_source(source, options)
    if as_json:
        typer.echo(_json(imported))
    else:
        _show(imported)


def _seconds(step: str | None) -> float | None:
    try:
        found = seconds(step)
    except ValueError as error:
        raise ConfigError(f"--step: {error}") from None
    if found is not None and not found > 0:
        raise ConfigError("--step: a duration above 0 is wanted", cure="write 90s, 5m, 1h or 1d")
    return None if found is None else float(found)


def _names(value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(part.strip() for part in value.split(","))
    if not all(names):
        raise ConfigError(f"a name is empty in {value!r}", cure="write A,B")
    return names


def _show(imported: Imported) -> None:
    manifest, out = imported.manifest, console()
    title = (f"{manifest.name}:{manifest.version}", "bold green")
    out.print(Text.assemble(title, f" → {imported.bundle.path}"), soft_wrap=True)
    out.print(Text(shape(manifest)))
    windows = len(imported.bundle.golden().windows)
    out.print(
        Text(
            f"verified on {windows} windows: differs from its source by {imported.difference:.1g} "
            f"of the output's range ({manifest.tolerance:.1g} allowed)"
        )
    )
    out.print()
    out.print(columns_table(manifest))
    paragraph(out, "Taken for granted", imported.notes)
    paragraph(out, "Still missing", (f"{x.what}; {x.consequence}. {x.cure}" for x in imported.lacks))
    if imported.suggestion:
        paragraph(out, "Check the units and fields of your rows", imported.suggestion.reasons)
        out.print("  Correct these lines, save them as adapter.yaml, and import with --adapter adapter.yaml:")
        out.print()
        out.print(Text("".join(f"    {line}\n" for line in imported.suggestion.yaml.splitlines())), end="")
    out.print()
    out.print(Text(f"next: foretell inspect {imported.bundle.path}"))


def _json(imported: Imported) -> str:
    suggestion = imported.suggestion
    tree = {
        "path": str(imported.bundle.path),
        "manifest": msgspec.to_builtins(imported.manifest),
        "difference": imported.difference,
        "notes": imported.notes,
        "lacks": [{"what": x.what, "consequence": x.consequence, "cure": x.cure} for x in imported.lacks],
        "hints": suggestion.reasons if suggestion else [],
        "adapter_yaml": suggestion.yaml if suggestion else None,
    }
    return msgspec.json.format(msgspec.json.encode(tree), indent=2).decode()
