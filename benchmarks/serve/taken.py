"""What several loads of one kind took, as lines of the table."""

from collections.abc import Sequence
from typing import Protocol

from benchmarks.figures import Figure


class Taken(Protocol):
    """Answers a second, and how long they took."""

    @property
    def rate(self) -> float: ...
    @property
    def p50_ms(self) -> float: ...
    @property
    def p99_ms(self) -> float: ...


def lines(what: str, runs: Sequence[Taken], unit: str) -> list[Figure]:
    """Rate, median and p99; a value of each run."""
    return [
        Figure(what, [run.rate for run in runs], unit),
        Figure(f"{what}: p50", [run.p50_ms for run in runs], "ms"),
        Figure(f"{what}: p99", [run.p99_ms for run in runs], "ms"),
    ]
