"""Results as JSON, as lines for a person, and as the table of docs/performance.md."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Part

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENT = ROOT / "docs" / "performance.md"
END = "<!-- figures: end -->"


@dataclass(frozen=True)
class Place:
    """Where a benchmark's results are kept, and after which line of the document its table stands."""

    prefix: str
    begin: str

    def file(self, date: str) -> Path:
        return RESULTS / f"{self.prefix}{date}.json"


STREAM = Place("", "<!-- figures: made by `make bench` -->")
SERVE = Place("serve-", "<!-- figures: made by `make bench-serve` -->")


def tell(part: Part) -> str:
    """A part as plain lines."""
    if part.skipped:
        return f"{part.name}: skipped, {part.skipped}"
    width = max(len(figure.what) for figure in part.figures)
    return "\n".join(
        f"{part.name}: {figure.what:{width}}  {_measured(figure.as_json()):>28}"
        + (f"  {_target(figure)}: {figure.verdict}" if figure.target else "")
        + (f"  ({figure.limit})" if figure.limit else "")
        for figure in part.figures
    )


def write(part: Part, machine: Mapping[str, Any], file: Path) -> None:
    """Put a part into a file of results; other parts of that day stay, each with the machine as it was."""
    results = json.loads(file.read_text()) if file.exists() else {}
    if not part.skipped:
        figures = [figure.as_json() for figure in part.figures]
        results[part.name] = {"machine": machine, "figures": figures, "details": part.details}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def write_table(file: Path, place: Place) -> None:
    """Replace the table in the document by that of a file of results."""
    before, _, rest = DOCUMENT.read_text().partition(place.begin)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{place.begin}\n{table(json.loads(file.read_text()))}\n{END}{after}")


def table(results: Mapping[str, Any]) -> str:
    """Markdown: the machine, what was aimed at, and what else was measured."""
    rows = [(name, figure) for name, part in results.items() for figure in part["figures"]]
    lines = [
        *sorted({_machine(part["machine"]) for part in results.values()}),
        "",
        "| | figure | target | measured (least to greatest) | verdict | what limits it |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {name} | {f['what']} | {f['target']} {_unit(f)} | {_measured(f)} | {f['verdict']} "
            f"| {f['limit']} |"
            for name, f in rows
            if "target" in f
        ),
        "",
        "| | figure | measured (least to greatest) | |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {f['what']} | {_measured(f)} | {f['limit']} |"
            for name, f in rows
            if "target" not in f
        ),
    ]
    return "\n".join(lines)


def _machine(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['date'][:10]} ({machine['size']}), {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB; {versions}."
    )


def _target(figure: Figure) -> str:
    return f"target {figure.target.sign} {figure.target.value:g}" if figure.target else ""


def _unit(figure: Mapping[str, Any]) -> str:
    return "" if figure["unit"] == "ratio" else str(figure["unit"])


def _measured(figure: Mapping[str, Any]) -> str:
    values, unit = figure["values"], _unit(figure)
    spread = f" ({_number(min(values))} to {_number(max(values))})" if len(values) > 1 else ""
    return f"{_number(figure['median'])}{spread} {unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
