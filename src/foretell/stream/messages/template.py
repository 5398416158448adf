"""The shape of a forecast message: a JSON tree with `$` placeholders, compiled once to a bytes format.

A placeholder is a whole string: `$series`, `$issued_at`, `$forecast`, `$forecast.temperature`, `$unit`,
`$row.window_end`, … (`PLACEHOLDERS` lists them); `$$` at the start of a string stands for one `$`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from foretell.bundle.manifest import Manifest
from foretell.errors import ConfigError

PLACEHOLDERS = {
    "series": "the series, a string",
    "model": "the bundle's name",
    "version": "the bundle's version",
    "issued_at": "event time of the window's newest slot, ISO 8601 in UTC",
    "step_s": "seconds from step to step; null for sequence windows",
    "forecast": "an object: each target's steps; $forecast.NAME is one target's array",
    "unit": "an object: each target's unit",
    "steps": "steps in this forecast",
    "native_steps": "steps that the network gives by itself",
    "rolled_out_steps": "steps after those, from forecasts fed back as inputs",
    "filled": "slots of the window that were filled by policy",
    "revision": "true when the row replaced or completed a window that was forecast before",
    "row.PATH": "a field of the row, by dotted path; null where it has none",
}
DEFAULT: dict[str, object] = {
    "series": "$series",
    "model": "$model",
    "version": "$version",
    "issued_at": "$issued_at",
    "step_s": "$step_s",
    "forecast": "$forecast",
    "unit": "$unit",
    "native_steps": "$native_steps",
    "filled": "$filled",
}
_FORMATS = {
    "issued_at": b'"%bZ"',
    "steps": b"%d",
    "rolled_out_steps": b"%d",
    "filled": b"%d",
    "forecast": b"[%b]",
}
_COLUMNS = {"series", "issued_at", "steps", "rolled_out_steps", "filled", "revision"}


@dataclass(frozen=True, slots=True)
class Template:
    """What is left of a tree after compiling.

    Attributes:
        format: for `format % columns`.
        slots: what each of those columns is: `series`, `forecast.NAME`, `row.PATH`, …
    """

    format: bytes
    slots: tuple[str, ...]

    @property
    def row_paths(self) -> tuple[str, ...]:
        """Fields of the row that the message repeats."""
        return tuple(dict.fromkeys(s.removeprefix("row.") for s in self.slots if s.startswith("row.")))


def compile_template(
    manifest: Manifest, tree: Mapping[str, Any] | None = None, horizon: int | None = None
) -> Template:
    """Check a template against the bundle and compile it.

    Args:
        tree: unset: the shape in docs/reference/messages.md, with `rolled_out_steps` where there can be any.
        horizon: steps asked for; unset: the bundle's.

    Raises:
        ConfigError: names the placeholder that does not exist, and lists those that do.
    """
    if tree is None:
        rolls_out = horizon is not None and horizon > manifest.horizon
        tree = DEFAULT | ({"rolled_out_steps": "$rolled_out_steps"} if rolls_out else {})
    native = min(horizon or manifest.horizon, manifest.horizon)
    format_, slots = b"", []
    for part in _parts(tree, msgspec.structs.replace(manifest, horizon=native)):
        if isinstance(part, bytes):
            format_ += part.replace(b"%", b"%%")
        else:
            format_ += _FORMATS.get(part.partition(".")[0], b"%b")
            slots.append(part)
    return Template(format_, tuple(slots))


def _parts(node: Any, manifest: Manifest) -> Iterator[bytes | str]:
    """Constant bytes, and the names of columns between them."""
    if isinstance(node, Mapping):
        for i, (key, value) in enumerate(node.items()):
            yield (b"," if i else b"{") + msgspec.json.encode(str(key)) + b":"
            yield from _parts(value, manifest)
        yield b"}" if node else b"{}"
    elif isinstance(node, list | tuple):
        for i, value in enumerate(node):
            yield b"," if i else b"["
            yield from _parts(value, manifest)
        yield b"]" if node else b"[]"
    elif isinstance(node, str) and node.startswith("$") and not node.startswith("$$"):
        yield from _placeholder(node, manifest)
    else:
        yield msgspec.json.encode(node[1:] if isinstance(node, str) and node.startswith("$$") else node)


def _placeholder(text: str, manifest: Manifest) -> Iterator[bytes | str]:
    name = text.removeprefix("$")
    targets = [column.name for column in manifest.targets]
    constants = {
        "model": manifest.name,
        "version": manifest.version,
        "step_s": _whole(manifest.step_s),
        "unit": {column.name: column.unit for column in manifest.targets},
        "native_steps": manifest.horizon,
    }
    if name in constants:
        yield msgspec.json.encode(constants[name])
    elif name in _COLUMNS or (name.startswith("row.") and len(name) > 4):
        yield name
    elif name == "forecast":
        yield from _parts({target: f"$forecast.{target}" for target in targets}, manifest)
    elif name.startswith("forecast.") and name.removeprefix("forecast.") in targets:
        yield name
    else:
        known = ", ".join([f"${p}" for p in PLACEHOLDERS] + [f"$forecast.{t}" for t in targets])
        raise ConfigError(
            f"stream.forecast: there is no placeholder {text}",
            cure=f"use one of {known}, or $${name} for the text itself",
        )


def _whole(number: float | None) -> float | int | None:
    return int(number) if number is not None and number == int(number) else number
