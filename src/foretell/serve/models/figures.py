"""What a replica counts: cheap at each call, put in order when somebody asks."""

from collections.abc import Iterable, Mapping
from threading import Lock

from foretell.serve.backend import Outcome, Priority
from foretell.telemetry import serve_metrics
from foretell.telemetry.meter import Meter, Snapshot
from foretell.telemetry.metrics import Metric

_MANY = 4096
UNKNOWN = "unknown"  # in the place of what was not known when a request was refused
NAMES = {priority: priority.name.lower() for priority in Priority}
_BY_NAME = {metric.name: metric for metric in serve_metrics.TABLE}


class Figures:
    """One for a replica, told by any thread."""

    def __init__(self) -> None:
        self._meter, self._lock = Meter(), Lock()
        self._outcomes: dict[tuple[str, str, str, Priority | None, str], int] = {}
        self._seen: dict[tuple[str, str], list[float]] = {}

    def observe(self, outcome: Outcome) -> None:
        """What became of a request: the gate's `observe`."""
        kind = (outcome.door, outcome.model, outcome.version, outcome.priority, outcome.outcome)
        with self._lock:
            self._outcomes[kind] = self._outcomes.get(kind, 0) + 1
            if outcome.outcome == "ok":
                self._see(serve_metrics.LATENCY, _name(outcome.priority), outcome.seconds)

    def refused(self, model: str, priority: Priority, reason: str) -> None:
        """A call that a model gave no answer to, `cancelled` among the reasons. Sheds are outcomes."""
        label = f"{model},{NAMES[priority]}"
        with self._lock:
            if reason in ("deadline_unreachable", "deadline_passed"):
                self._meter.add(serve_metrics.DEADLINE_MISSES, label=f"{label},{reason}")
            elif reason == "cancelled":
                self._meter.add(serve_metrics.CANCELLED, label=label)
            elif reason == "engine":
                self._meter.add(serve_metrics.ENGINE_FAILURES, label=model)

    def coalesced(self, model: str) -> None:
        """A call that shares the answer of another."""
        with self._lock:
            self._meter.add(serve_metrics.COALESCED, label=model)

    def batch(self, model: str, rows: int, seconds: float, waited: Iterable[tuple[Priority, float]]) -> None:
        """A batch was evaluated; `waited`: of the calls that it completed, in seconds."""
        with self._lock:
            self._see(serve_metrics.BATCH_ROWS, model, rows)
            self._see(serve_metrics.INFERENCE, model, seconds)
            for priority, queued in waited:
                self._see(serve_metrics.QUEUE_TIME, NAMES[priority], queued)

    def gauge(self, metric: Metric, values: Mapping[str, float]) -> None:
        """All labels of a gauge at once, as they are now."""
        with self._lock:
            self._meter.set_all(metric, values)

    def snapshot(self, depth: dict[str, float], rows: dict[str, float]) -> Snapshot:
        """All figures. `depth`: calls in flight by `model,priority`; `rows`: that wait, by model."""
        with self._lock:
            self._count_in()
            for name, label in list(self._seen):
                self._sort_in(name, label)
            self._meter.set_all(serve_metrics.QUEUE, depth)
            self._meter.set_all(serve_metrics.QUEUE_ROWS, rows)
            return self._meter.snapshot()

    def _see(self, metric: Metric, label: str, value: float) -> None:
        # Sorting one value into buckets costs ten times what noting it does.
        values = self._seen.get((metric.name, label))
        if values is None:
            values = self._seen[metric.name, label] = []
        values.append(value)
        if len(values) >= _MANY:
            self._sort_in(metric.name, label)

    def _count_in(self) -> None:
        for (door, model, version, priority, outcome), count in self._outcomes.items():
            label = f"{door},{model or UNKNOWN},{version or UNKNOWN},{_name(priority)},{outcome}"
            self._meter.add(serve_metrics.REQUESTS, count, label)
            if outcome == "shed":  # by a model's queue, or by the lane before it came there
                self._meter.add(serve_metrics.SHEDS, count, f"{model or UNKNOWN},{_name(priority)}")
        self._outcomes.clear()

    def _sort_in(self, name: str, label: str) -> None:
        self._meter.observe(_BY_NAME[name], self._seen.pop((name, label)), label)


def _name(priority: Priority | None) -> str:
    return UNKNOWN if priority is None else NAMES[priority]
