"""Windows of many series in event time, as arrays: `open_windows(rules)`, then `update` a poll at a time."""

from foretell.windows.range_watch import RangeWatch
from foretell.windows.regular import RegularWindows
from foretell.windows.rules import WindowRules
from foretell.windows.sequence import SequenceWindows
from foretell.windows.update import Update
from foretell.windows.windows import Windows

__all__ = [
    "RangeWatch",
    "RegularWindows",
    "SequenceWindows",
    "Update",
    "WindowRules",
    "Windows",
    "open_windows",
]


def open_windows(rules: WindowRules) -> Windows:
    """No series yet: those on a grid where the model has a step, else the last rows of each."""
    return SequenceWindows(rules) if rules.step_us is None else RegularWindows(rules)
