"""What was measured over all replicas, as callers read it."""

import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from foretell.serve.replica.doors import BOUNDS, ReplicaStats
from foretell.telemetry.meter import Buckets

LIMIT_S = 0.1  # of the features that other models wait for


class Measured:
    """Keeps what replicas told, those that are gone among them: counts never fall."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, float], ReplicaStats] = {}
        self._now: list[ReplicaStats] = []
        self._began = time.time()

    def take(self, running: Iterable[ReplicaStats], counted: Iterable[ReplicaStats] = ()) -> None:
        """`running`: as they are now. `counted`: what all of them have counted until a second ago."""
        self._now = list(running)
        for one in (*counted, *self._now):
            before = self._seen.get((one.pid, one.born))
            if before is None or one.requests >= before.requests:
                self._seen[one.pid, one.born] = one

    def stats(self) -> dict[str, Any]:
        """`request_count`, `avg_processing_time_ms`, `device`, `uptime_seconds`, and more."""
        seen = list(self._seen.values())
        answered = sum(one.answered for one in seen)
        born = min((one.born for one in seen), default=self._began)
        return {
            "request_count": sum(one.requests for one in seen),
            "refused_count": sum(one.refused for one in seen),
            "error_count": sum(one.failed for one in seen),
            "avg_processing_time_ms": 1e3 * sum(one.seconds for one in seen) / answered if answered else 0.0,
            "device": ", ".join(sorted({one.device for one in self._now})),
            "uptime_seconds": time.time() - born,
            "replicas": len(self._now),
            "ongoing": sum(one.ongoing for one in self._now),
        }

    def performance(self) -> dict[str, Any]:
        """From the newest calls of the replicas that run; `meets_100ms_requirement`: by p99.

        Nothing measured proves nothing: then it is not met.
        """
        counts = np.zeros(len(BOUNDS) + 1, np.int64)
        for one in self._now:
            counts += one.buckets
        total = int(counts.sum())
        within = int(counts[: BOUNDS.index(LIMIT_S) + 1].sum())
        told: dict[str, Any] = {
            "meets_100ms_requirement": total > 0 and within >= 0.99 * total,
            "avg_latency_ms": self.stats()["avg_processing_time_ms"],
            "measured_requests": total,
            "within_100ms": within / total if total else 0.0,
        }
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            quantile = Buckets(counts).quantile(share, BOUNDS)
            told[f"{name}_latency_ms"] = 0.0 if quantile is None else 1e3 * quantile
        return told
