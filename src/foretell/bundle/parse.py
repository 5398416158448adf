"""From the bytes of bundle.json to a manifest that can be believed, or an error that names the field."""

import math
import re
from collections.abc import Iterable, Iterator

import msgspec

from foretell.bundle.manifest import FORMAT, GOLDEN, MANIFEST, MODEL, Column, Manifest
from foretell.bundle.scaling import Scaling
from foretell.errors import ManifestInvalid

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
VERSION_DIGITS = 12
VERSION = re.compile(rf"[0-9a-f]{{{VERSION_DIGITS}}}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST_STEP_COUNT = 1_000_000
_LARGEST_TOLERANCE = 0.05
_REIMPORT = "import the source files again; bundle.json is not meant to be edited"


class _Format(msgspec.Struct):
    format: int


def parse_manifest(data: bytes) -> Manifest:
    """The manifest in `data`, each field checked.

    Raises:
        ManifestInvalid: names the field; also where the format is newer than this foretell knows.
    """
    try:
        written = msgspec.json.decode(data, type=_Format).format
        if written > FORMAT:
            raise ManifestInvalid(
                f"{MANIFEST}: `format` is {written}, and this foretell reads up to {FORMAT}",
                cure="use the foretell that wrote it, or a newer one",
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestInvalid(f"{MANIFEST}: {error}", cure=_REIMPORT) from None
    check_manifest(manifest)
    return manifest


def check_manifest(manifest: Manifest) -> None:
    """Raises `ManifestInvalid` for the first field whose value makes no sense."""
    for field, complaint in _complaints(manifest):
        raise ManifestInvalid(f"{MANIFEST}: `{field}` {complaint}", cure=_REIMPORT)


def _complaints(m: Manifest) -> Iterator[tuple[str, str]]:
    if m.format != FORMAT:
        yield "format", f"is {m.format}, not {FORMAT}"
    if not NAME.fullmatch(m.name):
        yield "name", f"is {m.name!r}: letters, digits, `.`, `_`, `-`, at most 128"
    if not VERSION.fullmatch(m.version):
        yield "version", f"is {m.version!r}, not {VERSION_DIGITS} hexadecimal digits"
    if not 0 < m.tolerance <= _LARGEST_TOLERANCE:
        yield "tolerance", f"is {m.tolerance}, not within 0 to {_LARGEST_TOLERANCE}"
    yield from _steps(m)
    yield from _columns("inputs", m.inputs)
    yield from _columns("targets", m.targets)
    yield from _outputs(m)
    yield from _scaling("input_scaling", m.input_scaling, len(m.inputs))
    yield from _scaling("target_scaling", m.target_scaling, len(m.targets))
    for feature in m.adapter.features.keys() - {column.name for column in m.inputs}:
        yield f"adapter.features.{feature}", "is no input of the model"
    yield from _files(m)


def _steps(m: Manifest) -> Iterator[tuple[str, str]]:
    if not 1 <= m.lookback <= _LARGEST_STEP_COUNT:
        yield "lookback", f"is {m.lookback}, not within 1 to {_LARGEST_STEP_COUNT}"
    least = 1 if m.task == "forecast" else 0
    if not least <= m.horizon <= _LARGEST_STEP_COUNT:
        yield "horizon", f"is {m.horizon}, not within {least} to {_LARGEST_STEP_COUNT}"
    if m.step_s is not None and not m.step_s > 0:
        yield "step_s", f"is {m.step_s}, not more than 0"


def _columns(field: str, columns: tuple[Column, ...]) -> Iterator[tuple[str, str]]:
    names = [column.name for column in columns]
    for name in _repeated(names):
        yield field, f"names {name!r} twice"
    for i, column in enumerate(columns):
        if not column.name:
            yield f"{field}[{i}].name", "is empty"
        if column.low is not None and column.high is not None and column.low > column.high:
            yield f"{field}[{i}].low", f"is {column.low}, more than high, {column.high}"
        if column.spread is not None and column.spread < 0:
            yield f"{field}[{i}].spread", f"is {column.spread}, less than 0"


def _outputs(m: Manifest) -> Iterator[tuple[str, str]]:
    if not m.inputs:
        yield "inputs", "is empty"
    if not m.outputs:
        yield "outputs", "is empty"
    for name in _repeated([output.name for output in m.outputs]):
        yield "outputs", f"names {name!r} twice"
    for i, output in enumerate(m.outputs):
        if any(size < 1 for size in output.shape):
            yield f"outputs[{i}].shape", f"is {output.shape}; each size is at least 1"
    if m.task == "forecast":
        if not m.targets:
            yield "targets", "is empty"
        horizon, targets, shape = m.horizon, len(m.targets), m.outputs[0].shape
        if shape not in {(horizon, targets), (horizon * targets,)}:
            yield (
                "outputs[0].shape",
                f"is {shape}; a horizon of {horizon} and {targets} target(s) need ({horizon}, {targets})",
            )


def _scaling(field: str, scaling: Scaling | None, columns: int) -> Iterator[tuple[str, str]]:
    if scaling is None:
        return
    for part, numbers in (("center", scaling.center), ("scale", scaling.scale)):
        if len(numbers) != columns:
            yield f"{field}.{part}", f"has {len(numbers)} numbers for {columns} columns"
    if not all(math.isfinite(s) and s != 0 for s in scaling.scale):
        yield f"{field}.scale", "holds a 0"


def _files(m: Manifest) -> Iterator[tuple[str, str]]:
    for name in (MODEL, GOLDEN):
        if name not in m.files:
            yield "files", f"lacks {name}"
    for name, entry in m.files.items():
        if not NAME.fullmatch(name) or name == MANIFEST:
            yield f"files.{name}", "is not the plain name of a file in the bundle's own folder"
        if entry.size < 0:
            yield f"files.{name}.size", f"is {entry.size}"
        if not _SHA256.fullmatch(entry.sha256):
            yield f"files.{name}.sha256", "is not 64 hexadecimal digits"


def _repeated(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
