"""What was measured, and how it stands to what was aimed at."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

_COMPARE = {">=": operator.ge, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True)
class Target:
    """For instance `Target("<=", 2.0)`."""

    sign: str
    value: float

    def met(self, measured: float) -> bool:
        return bool(_COMPARE[self.sign](measured, self.value))


@dataclass(frozen=True)
class Figure:
    """A line of the table.

    Attributes:
        what: in words. values: one of each repeat. unit: `ratio`, `ms`, …
        target: what was aimed at; `None` where the figure only tells.
        limit: what keeps it from being better, where that was measured.
    """

    what: str
    values: Sequence[float]
    unit: str
    target: Target | None = None
    limit: str = ""

    @property
    def value(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "met" if self.target.met(self.value) else "missed"

    def as_json(self) -> dict[str, Any]:
        """For results/*.json."""
        target = {"target": f"{self.target.sign} {self.target.value:g}"} if self.target else {}
        return {
            "what": self.what,
            "median": self.value,
            "values": list(self.values),
            "unit": self.unit,
            **target,
            "verdict": self.verdict,
            "limit": self.limit,
        }


@dataclass
class Part:
    """A part of the benchmark.

    Attributes:
        figures: ratios and targets first.
        details: whatever else was counted, for results/*.json.
        skipped: why it was not measured; empty when it was.
    """

    name: str
    figures: list[Figure] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    skipped: str = ""
