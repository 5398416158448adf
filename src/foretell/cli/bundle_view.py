"""A bundle as a person sees it: `import` and `inspect` show the same picture."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from foretell.bundle.manifest import Manifest
from foretell.rows.adapter import FeatureRule, Source

_PLAIN_WIDTH = 140


def console() -> Console:
    """Standard output; wide and plain where it is no terminal, so that nothing is cut."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)


def shape(manifest: Manifest) -> str:
    """`7 steps of 3 features, an hour apart → 7 steps of temperature`."""
    apart = "as the rows come" if manifest.step_s is None else f"{duration(manifest.step_s)} apart"
    reads = f"{manifest.lookback} steps of {len(manifest.inputs)} features, {apart}"
    if manifest.task == "features":
        return f"{reads} → {', '.join(output.name for output in manifest.outputs)}"
    return f"{reads} → {manifest.horizon} steps of {', '.join(column.name for column in manifest.targets)}"


def duration(seconds: float) -> str:
    """3600 → `1h`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def from_a_row(name: str, rule: FeatureRule | None) -> str:
    """How a row carries a feature: `temperature_mean (degC)`, `dew_point of …`."""
    if rule is None:
        return name
    if rule.derive is not None:
        parts = ", ".join(f"{_source(source)}" for source in rule.of.values())
        return f"{rule.derive} of {parts}" if parts else rule.derive
    return _source(Source(rule.field or name, rule.unit, rule.default))


def _source(source: Source) -> str:
    unit = f" ({source.unit})" if source.unit else ""
    default = f", else {source.default:g}" if source.default is not None else ""
    return f"{source.field}{unit}{default}"


def columns_table(manifest: Manifest) -> Table:
    """Inputs and targets with units, training figures and where a row has them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "name", "unit", "trained on", "in a row"):
        table.add_column(heading)
    for column in manifest.inputs:
        row = from_a_row(column.name, manifest.adapter.features.get(column.name))
        table.add_row("input", Text(column.name), column.unit or "–", column.trained_on() or "–", Text(row))
    for column in manifest.targets:
        table.add_row("target", Text(column.name), column.unit or "–", column.trained_on() or "–", "")
    return table


def paragraph(out: Console, heading: str, lines: Iterable[str]) -> None:
    """A heading and its points; nothing where there is no point."""
    points = list(lines)
    if not points:
        return
    out.print()
    out.print(Text(heading, style="bold"))
    for line in points:
        out.print(Text(f"  - {line}"), soft_wrap=True)
