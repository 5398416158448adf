"""The reference implementation, and short ways to make rules and feed rows."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from foretell.windows import Update, WindowRules, Windows

HOUR = 3_600_000_000
MINUTE = 60_000_000

MakeRules = Callable[..., WindowRules]
Feed = Callable[..., Update]


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """tests/windows/reference.py, which no import reaches under --import-mode=importlib."""
    spec = importlib.util.spec_from_file_location(
        "windows_reference", Path(__file__).with_name("reference.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def rules() -> MakeRules:
    """Hourly rules for three steps of one feature, with what a test wants otherwise."""

    def make(**otherwise: Any) -> WindowRules:
        usual: dict[str, Any] = {
            "lookback": 3,
            "features": 1,
            "every_us": HOUR,
            "step_us": HOUR,
            "gap": "break",
            "max_gap_us": 3 * HOUR,
            "warm_up": "wait",
            "same_time": "replace",
            "late": "fill",
            "future_tolerance_us": HOUR,
        }
        return WindowRules(**usual | otherwise)

    return make


@pytest.fixture(scope="session")
def feed() -> Feed:
    """Rows of one feature as (hour, value), each in a record of its own time, into one series."""

    def rows(windows: Windows, series: int, *hours_and_values: tuple[float, float]) -> Update:
        time_us = np.array([round(hour * HOUR) for hour, _ in hours_and_values], np.int64)
        values = np.array([[value] for _, value in hours_and_values], np.float64).reshape(-1, 1)
        return windows.update(np.full(len(time_us), series, np.intp), time_us, values, time_us)

    return rows


@pytest.fixture(scope="session")
def shown() -> Callable[[Update], list[list[float]]]:
    """The windows of one feature as plain lists."""

    def lists(update: Update) -> list[list[float]]:
        windows: Sequence[list[float]] = update.windows[:, :, 0].tolist()
        return list(windows)

    return lists
