"""How rows become windows: the settings put together with what the model wants."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from foretell.config import WindowSettings
from foretell.errors import ConfigError

MICROSECONDS = 1_000_000
LARGEST_STATE = 900_000  # bytes; a series is one record of the changelog, and a broker takes 1 MiB a record


@dataclass(frozen=True, slots=True)
class WindowRules:
    """All that windows go by. Times are in microseconds.

    Attributes:
        lookback, features: the shape of a window.
        every_us, step_us: the grid, and from one slot of a window to the next; both `None` for sequences.
        gap, max_gap_us: how an empty slot is filled, and for how much time at most: `hold` counts from the
            filled slot before to the slot itself, `interpolate` counts all of the empty stretch.
        warm_up: what stands in for slots before a series's first row.
        same_time: what a row does to the row of its slot. late: whether a late row issues a forecast again.
        future_tolerance_us: how far a row may lie ahead of its record.
    """

    lookback: int
    features: int
    every_us: int | None
    step_us: int | None
    gap: Literal["hold", "interpolate", "break"]
    max_gap_us: int
    warm_up: Literal["wait", "repeat"]
    same_time: Literal["replace", "keep"]
    late: Literal["fill", "revise"]
    future_tolerance_us: int

    @classmethod
    def from_settings(
        cls, settings: WindowSettings, *, lookback: int, features: int, step_s: float | None
    ) -> "WindowRules":
        """Raises ConfigError where settings and model do not go together."""
        step_us, every_us = _grid(settings, step_s)
        max_gap_us = 3 * (step_us or 0) if settings.max_gap is None else _microseconds(settings.max_gap)
        rules = cls(
            lookback=lookback,
            features=features,
            every_us=every_us,
            step_us=step_us,
            gap=settings.gap,
            max_gap_us=max_gap_us,
            warm_up=settings.warm_up,
            same_time=settings.same_time,
            late=settings.late,
            future_tolerance_us=_microseconds(settings.future_tolerance),
        )
        if rules.slots * features * 8 > LARGEST_STATE:
            raise ConfigError(
                f"windows.every: {rules.slots:,} slots of {features} features a series "
                "are more than a record of the changelog can hold",
                cure="set windows.every to the spacing that the rows really have",
            )
        return rules

    @property
    def ratio(self) -> int:
        """Slots from one step of the window to the next; 1 for sequence windows."""
        return 1 if self.step_us is None or self.every_us is None else self.step_us // self.every_us

    @property
    def slots(self) -> int:
        """Slots from the oldest to the newest that a window takes, both counted."""
        return (self.lookback - 1) * self.ratio + 1

    def fingerprint(self, feature_names: Sequence[str]) -> str:
        """Names what stored windows depend on: those of another fingerprint are of no use and are rebuilt."""
        told = f"{self.lookback}|{self.step_us}|{self.every_us}|" + "\x1f".join(feature_names)
        return hashlib.sha256(told.encode()).hexdigest()[:12]


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def _grid(settings: WindowSettings, step_s: float | None) -> tuple[int | None, int | None]:
    """Step and spacing in microseconds."""
    if step_s is None:
        if settings.every is not None:
            raise ConfigError(
                "windows.every is set, but the model has no step: its windows are its last rows, on no grid",
                cure="take windows.every away, or import the model with --step",
            )
        return None, None
    step_us = _microseconds(step_s)
    every_us = step_us if settings.every is None else _microseconds(settings.every)
    if every_us < 1 or step_us < every_us or step_us % every_us:
        raise ConfigError(
            f"the model's step, {step_s:g} s, is no multiple of windows.every, {every_us / 1e6:g} s",
            cure="set windows.every to a spacing that the step holds a whole number of times, as 1m in 1h",
        )
    return step_us, every_us
