"""`python -m benchmarks [engine] [stream] [latency] [memory] [start] [--quick]`."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import engine, latency, machine, memory, report, start, stream
from benchmarks.figures import Part
from benchmarks.sizes import SIZES, Sizes

PARTS: dict[str, Callable[[Sizes], Part]] = {
    "engine": engine.measure,
    "stream": stream.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "start": start.measure,
}


def main() -> None:
    """Measure, tell, and keep the results: of a full run in benchmarks/results and docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--size", choices=SIZES, default="full", help="tiny: only to see that it runs")
    parser.add_argument(
        "--quick", action="store_const", const="quick", dest="size", help="the same as --size quick"
    )
    parser.add_argument("--out", type=Path, help="where results go; a full run has a place of its own")
    given = parser.parse_args()
    sizes, here = SIZES[given.size], {**machine.describe(), "size": given.size}
    file = given.out or report.RESULTS / f"{datetime.now(UTC).date()}.json"
    for name in given.parts or PARTS:
        part = PARTS[name](sizes)
        print(report.tell(part), flush=True)
        if sizes.name == "full" or given.out:
            report.write(part, here, file)
    if sizes.name == "full" and file.exists():
        report.write_table(file)


if __name__ == "__main__":
    main()
