"""A network that gives features, at four fifths of what a server can bear: how long an answer takes."""

import tempfile
from pathlib import Path

from benchmarks.figures import Figure, Part, Target
from benchmarks.models import extractor
from benchmarks.serve.door import foretell
from benchmarks.serve.offer import Done, Job, offered
from benchmarks.serve.sizes import Sizes

SHARE = 0.8
WITHIN_MS = 100.0
_CALLERS = 64


def measure(sizes: Sizes) -> Part:
    """Capacity first, by as many callers as keep it busy; then four fifths of it, by the clock."""
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as name:
        bundle = extractor(Path(name))
        with foretell(bundle, Path(name)) as door:
            asked = {"low": door.marked()}
            offered(Job(door.port, asked, sizes.warm_s, callers=_CALLERS))
            capacities, runs = [], []
            for _ in range(sizes.repeats):
                calm = offered(Job(door.port, asked, sizes.seconds, callers=_CALLERS))
                capacities.append(calm.classes["low"].ok / calm.seconds)
                runs.append(offered(Job(door.port, asked, sizes.offered_s, SHARE * capacities[-1])))
    return Part("features", _figures(capacities, runs))


def _figures(capacities: list[float], runs: list[Done]) -> list[Figure]:
    tallies = [done.classes["low"] for done in runs]
    return [
        Figure(
            f"p99 at {SHARE:.0%} of capacity",
            [tally.p99_ms or 0.0 for tally in tallies],
            "ms",
            Target("<=", WITHIN_MS),
        ),
        Figure("p50 at the same", [tally.p50_ms or 0.0 for tally in tallies], "ms"),
        Figure("capacity", capacities, "requests/s"),
        Figure(
            "answered", [t.ok / done.seconds for t, done in zip(tallies, runs, strict=True)], "requests/s"
        ),
        Figure("not answered with features", [tally.sent - tally.ok for tally in tallies], "requests"),
    ]
