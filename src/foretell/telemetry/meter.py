"""Counting: cheap in the loop of one process, added up over all of them."""

import time
import uuid
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foretell.telemetry.metrics import Kind, Metric

OTHER = "other"


@dataclass
class Buckets:
    """A histogram: `counts` has one more than the metric's bounds, for what lies above them all."""

    counts: NDArray[np.int64]
    sum: float = 0.0

    def quantile(self, share: float, bounds: tuple[float, ...]) -> float | None:
        """The value below which `share` of what was observed lies; `None` when nothing was."""
        total = int(self.counts.sum())
        if total == 0:
            return None
        rank = share * total
        upto = np.cumsum(self.counts)
        at = int(np.searchsorted(upto, rank))
        if at >= len(bounds):
            return bounds[-1]
        low = bounds[at - 1] if at else 0.0
        inside = (rank - (upto[at - 1] if at else 0)) / self.counts[at]
        return float(low + (bounds[at] - low) * inside)


@dataclass
class Snapshot:
    """The figures of one process, or of several added up; it travels between processes.

    Attributes:
        born: names the process that counted; another one counts from nothing.
        values: of counters and gauges, by metric name and label ("" where it has none).
        histograms: by metric name, with `/` and the label where it has one.
    """

    born: str = ""
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    histograms: dict[str, Buckets] = field(default_factory=dict)

    def value(self, metric: Metric, label: str = "") -> float:
        return self.values.get(metric.name, {}).get(label, 0.0)

    def total(self, metric: Metric) -> float:
        """Over all labels."""
        return sum(self.values.get(metric.name, {}).values())

    def by_label(self, metric: Metric) -> dict[str, float]:
        return dict(self.values.get(metric.name, {}))

    def buckets(self, metric: Metric) -> dict[str, Buckets]:
        """Of a histogram, by label."""
        keys = ((*key.partition("/"), buckets) for key, buckets in self.histograms.items())
        return {label: buckets for name, _, label, buckets in keys if name == metric.name}

    def quantile(
        self, metric: Metric, share: float, since: "Snapshot | None" = None, label: str = ""
    ) -> float | None:
        """Of a histogram, over all time or since an earlier snapshot."""
        now = self.histograms.get(_key(metric, label))
        if now is None:
            return None
        then = since.histograms.get(_key(metric, label)) if since else None
        counts = now.counts - then.counts if then is not None else now.counts
        return Buckets(np.maximum(counts, 0)).quantile(share, metric.bounds)


class Meter:
    """The figures of this process. One thread writes; a snapshot may be taken from another."""

    def __init__(self) -> None:
        self._born = f"{time.time_ns():x}-{uuid.uuid4().hex[:8]}"
        self._values: dict[str, dict[str, float]] = {}
        self._histograms: dict[str, Buckets] = {}

    def add(self, metric: Metric, amount: float = 1, label: str = "") -> None:
        """To a counter."""
        values = self._values.setdefault(metric.name, {})
        label = _bounded(metric, label, values)
        values[label] = values.get(label, 0) + amount

    def set(self, metric: Metric, value: float) -> None:
        """A gauge without label."""
        self._values[metric.name] = {"": value}

    def set_all(self, metric: Metric, values: Mapping[str, float]) -> None:
        """All labels of a figure at once: those that are not named are gone."""
        kept: dict[str, float] = {}
        for label, value in values.items():
            label = _bounded(metric, label, kept)
            kept[label] = kept.get(label, 0) + value
        self._values[metric.name] = kept

    def observe(self, metric: Metric, values: NDArray[np.float64] | Iterable[float], label: str = "") -> None:
        """Many values of a histogram at once."""
        array = np.asarray(values if isinstance(values, np.ndarray) else list(values), np.float64)
        key = _key(metric, label)
        buckets = self._histograms.get(key)
        if buckets is None:
            buckets = self._histograms[key] = _empty(metric)
        places = np.searchsorted(np.asarray(metric.bounds), array)
        buckets.counts = buckets.counts + np.bincount(places, minlength=len(metric.bounds) + 1)
        buckets.sum += float(array.sum())

    def snapshot(self) -> Snapshot:
        """A copy of all figures."""
        return Snapshot(
            self._born,
            {name: dict(values) for name, values in list(self._values.items())},
            {key: Buckets(b.counts.copy(), b.sum) for key, b in list(self._histograms.items())},
        )


class Totals:
    """The figures of many processes as one. A counter never falls when a process is replaced."""

    def __init__(self, table: Iterable[Metric]) -> None:
        table = list(table)
        self._gauges = {m.name for m in table if m.kind is Kind.GAUGE}
        self._same = {m.name for m in table if m.same}
        self._ended = Snapshot()
        self._latest: dict[str, Snapshot] = {}

    def take(self, who: str, snapshot: Snapshot) -> None:
        """The newest figures of a place (`worker 2`), whichever process now holds it."""
        last = self._latest.get(who)
        if last is not None and last.born != snapshot.born:
            self.end(who)
        self._latest[who] = snapshot

    def end(self, who: str) -> None:
        """A process is gone: what it counted stays, its gauges go."""
        last = self._latest.pop(who, None)
        if last is not None:
            last.values = {n: v for n, v in last.values.items() if n not in self._gauges}
            self._ended = _sum([self._ended, last], self._same)

    def sum(self) -> Snapshot:
        return _sum([self._ended, *self._latest.values()], self._same)


def _sum(snapshots: Iterable[Snapshot], same: Container[str]) -> Snapshot:
    """`same`: names of gauges of which the largest counts."""
    result = Snapshot()
    for snapshot in snapshots:
        for name, values in snapshot.values.items():
            mine = result.values.setdefault(name, {})
            for label, value in values.items():
                known_value = mine.get(label, 0)
                mine[label] = max(known_value, value) if name in same else known_value + value
        for key, buckets in snapshot.histograms.items():
            known = result.histograms.get(key)
            result.histograms[key] = Buckets(
                buckets.counts + known.counts if known else buckets.counts.copy(),
                buckets.sum + (known.sum if known else 0.0),
            )
    return result


def _bounded(metric: Metric, label: str, known: Mapping[str, float]) -> str:
    return label if label in known or len(known) < metric.most else OTHER


def _key(metric: Metric, label: str) -> str:
    return f"{metric.name}/{label}" if label else metric.name


def _empty(metric: Metric) -> Buckets:
    return Buckets(np.zeros(len(metric.bounds) + 1, np.int64))
