"""Twice the load that a server can bear, a fifth of it urgent: who is served, and who gets which answer."""

import tempfile
from pathlib import Path

from benchmarks.figures import Figure, Part, Target
from benchmarks.models import model_b
from benchmarks.serve.door import Door, foretell
from benchmarks.serve.offer import LOST, Done, Job, Tally, offered
from benchmarks.serve.sizes import Sizes

DEADLINE_MS = 100.0
SHARE = 0.2
TIMES = 2.0
_CALLERS = 64
_QUEUE_ROWS = 1_000  # so that it is full soon after an overload begins


def measure(sizes: Sizes) -> Part:
    """Model B. Capacity first, by as many callers as keep it busy; then twice that, by the clock."""
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as name:
        bundle = model_b(Path(name))
        with foretell(bundle, Path(name), queue_rows=_QUEUE_ROWS) as door:
            offered(_job(door, sizes.warm_s))
            runs = [_run(door, sizes) for _ in range(sizes.repeats)]
    high = [done.classes["high"] for _, done in runs]
    good = [(done.classes["high"].in_time + done.classes["low"].ok) / done.seconds for _, done in runs]
    lost = [sum(t.sent - t.answered for t in done.classes.values()) for _, done in runs]
    part = Part(
        "overload",
        [
            Figure(
                f"high served within {DEADLINE_MS:.0f} ms",
                [tally.in_time / tally.sent for tally in high],
                "ratio",
                Target(">=", 0.9),
            ),
            Figure(
                "goodput / capacity",
                [rate / capacity for rate, (capacity, _) in zip(good, runs, strict=True)],
                "ratio",
                Target(">=", 0.9),
            ),
            Figure("requests without an answer", lost, "requests", Target("<=", 0)),
            Figure("capacity", [capacity for capacity, _ in runs], "requests/s"),
            Figure("offered", [_sent(done) / done.seconds for _, done in runs], "requests/s"),
            Figure("answered in time", good, "requests/s"),
            Figure("high: p99 of the answered", [tally.p99_ms or 0.0 for tally in high], "ms"),
        ],
    )
    part.details["classes"] = [
        {kind: _outcomes(tally) for kind, tally in done.classes.items()} for _, done in runs
    ]
    part.details["sent late by at most, ms"] = [done.behind_ms for _, done in runs]
    part.details["sent late, p99, ms"] = [done.behind_p99_ms for _, done in runs]
    part.details["core that the load took"] = [done.cpu for _, done in runs]
    return part


def _run(door: Door, sizes: Sizes) -> tuple[float, Done]:
    """What it can bear, and what it did under more."""
    calm = offered(_job(door, sizes.seconds))
    capacity = calm.classes["low"].ok / calm.seconds
    return capacity, offered(_job(door, sizes.offered_s, TIMES * capacity))


def _job(door: Door, seconds: float, rate: float = 0.0) -> Job:
    asked = {
        "low": door.marked({"priority": "low"}),
        "high": door.marked({"priority": "high", "deadline_ms": DEADLINE_MS}),
    }
    return Job(door.port, asked, seconds, rate, 0 if rate else _CALLERS, SHARE, DEADLINE_MS)


def _outcomes(tally: Tally) -> dict[str, int]:
    """How many of a class ended how."""
    told = {"sent": tally.sent, "200 in time": tally.in_time, "200 late": tally.ok - tally.in_time}
    lost = tally.statuses.get(LOST, 0)
    return {**told, **tally.reasons, LOST: lost, "no answer": tally.sent - tally.answered - lost}


def _sent(done: Done) -> int:
    return sum(tally.sent for tally in done.classes.values())
