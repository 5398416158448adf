"""What a batch costs, measured briefly on the machine in use."""

import time
from collections.abc import Callable

BUDGET_S = 0.05
CANDIDATES = (32, 64, 128, 256, 512, 1024)
_PREFERRED = 128
_NEAR_TIE = 1.1  # so much differs from run to run on a machine that others use too


def measure(run: Callable[[int], object], budget_s: float = BUDGET_S) -> dict[int, float]:
    """Rows → seconds of the fastest call, for as many of `CANDIDATES` as the budget allows, at least one.

    `run(rows)` evaluates a batch of that many rows. The first call of a size prepares it and is not counted.
    """
    costs: dict[int, float] = {}
    end = time.perf_counter() + budget_s
    for tried, rows in enumerate(CANDIDATES):
        now = time.perf_counter()
        share_end = now + (end - now) / (len(CANDIDATES) - tried)
        _timed(run, rows)
        costs[rows] = _timed(run, rows)
        while time.perf_counter() + costs[rows] < share_end:
            costs[rows] = min(costs[rows], _timed(run, rows))
        # The next size takes about twice as long, and is called at least twice.
        if time.perf_counter() + 4 * costs[rows] > end:
            break
    return costs


def fastest(costs: dict[int, float]) -> int:
    """Rows a call with the least time a row; of near-ties 128, or else the largest."""
    each = {rows: seconds / rows for rows, seconds in costs.items()}
    best = min(each.values())
    ties = [rows for rows, seconds in each.items() if seconds <= best * _NEAR_TIE]
    return _PREFERRED if _PREFERRED in ties else max(ties)


def _timed(run: Callable[[int], object], rows: int) -> float:
    start = time.perf_counter()
    run(rows)
    return time.perf_counter() - start
