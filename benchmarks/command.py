"""The command line that all benchmarks share: which parts, how much, and where the results go."""

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from benchmarks import machine, report
from benchmarks.figures import Part


class Named(Protocol):
    """Sizes of a benchmark; those called `full` are kept."""

    @property
    def name(self) -> str: ...


S = TypeVar("S", bound=Named)


def run(
    program: str,
    told: str | None,
    parts: Mapping[str, Callable[[S], Part]],
    sizes: Mapping[str, S],
    place: report.Place,
) -> None:
    """Measure, tell, and keep the results: of a full run as JSON and in docs/performance.md."""
    parser = argparse.ArgumentParser(prog=program, description=told)
    parser.add_argument("parts", nargs="*", choices=[[], *parts], metavar="PART", help=", ".join(parts))
    parser.add_argument("--size", choices=sizes, default="full", help="tiny: only to see that it runs")
    parser.add_argument(
        "--quick", action="store_const", const="quick", dest="size", help="the same as --size quick"
    )
    parser.add_argument("--out", type=Path, help="where results go; a full run has a place of its own")
    given = parser.parse_args()
    size, here = sizes[given.size], {**machine.describe(), "size": given.size}
    file = given.out or place.file(str(datetime.now(UTC).date()))
    for name in given.parts or parts:
        part = parts[name](size)
        print(report.tell(part), flush=True)
        if size.name == "full" or given.out:
            report.write(part, here, file)
    if size.name == "full" and not given.out and file.exists():
        report.write_table(file, place)
