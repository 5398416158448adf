"""What a batch costs, measured briefly on the machine in use."""

import time
from collections.abc import Callable

BUDGET_S = 0.05
CANDIDATES = (32, 64, 128, 256, 512, 1024)
_PREFERRED = 128
_NEAR_TIE = 1.1  # so much differs from run to run on a machine that others use too


def measure(
    run: Callable[[int], object], budget_s: float = BUDGET_S, clock: Callable[[], float] | None = None
) -> dict[int, float]:
    """Rows → seconds of the fastest call, for as many of `CANDIDATES` as the budget allows, at least one.

    `run(rows)` evaluates a batch of that many rows. The first call of a size prepares it and is not counted.
    `clock`: `time.thread_time` where the calling thread does all the work, so that a busy machine does not
    blur the costs; unset: wall time.
    """
    clock = clock or time.perf_counter
    costs: dict[int, float] = {}
    end = clock() + budget_s
    for tried, rows in enumerate(CANDIDATES):
        now = clock()
        share_end = now + (end - now) / (len(CANDIDATES) - tried)
        _timed(run, rows, clock)
        costs[rows] = _timed(run, rows, clock)
        while clock() + costs[rows] < share_end:
            costs[rows] = min(costs[rows], _timed(run, rows, clock))
        # The next size takes about twice as long, and is called at least twice.
        if clock() + 4 * costs[rows] > end:
            break
    return costs


def fastest(costs: dict[int, float]) -> int:
    """Rows a call with the least time a row; of near-ties 128, or else the largest."""
    each = {rows: seconds / rows for rows, seconds in costs.items()}
    best = min(each.values())
    ties = [rows for rows, seconds in each.items() if seconds <= best * _NEAR_TIE]
    return _PREFERRED if _PREFERRED in ties else max(ties)


def _timed(run: Callable[[int], object], rows: int, clock: Callable[[], float]) -> float:
    start = clock()
    run(rows)
    return clock() - start
