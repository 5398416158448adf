"""The figures in the form that Prometheus reads: as a page of our own, and through Ray."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from foretell.telemetry.meter import Buckets, Snapshot
from foretell.telemetry.metrics import TABLE, Kind, Metric


def page(snapshot: Snapshot, table: Iterable[Metric] = TABLE) -> bytes:
    """The text that GET /metrics answers with."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(snapshot, table))
    return generate_latest(registry)


class _Once(Collector):
    def __init__(self, snapshot: Snapshot, table: Iterable[Metric]) -> None:
        self._snapshot, self._table = snapshot, table

    def collect(self) -> Iterator[Family]:
        for metric in self._table:
            if metric.kind is Kind.HISTOGRAM:
                yield _histogram(metric, self._snapshot.histograms.get(metric.name))
            else:
                yield _plain(metric, self._snapshot.by_label(metric))


def _plain(metric: Metric, values: dict[str, float]) -> Family:
    make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(metric.name, metric.help, labels=[metric.label] if metric.label else [])
    if metric.label is None:
        values = values or {"": 0.0}  # there from the start, so that a rate can be taken of the first event
    for label, value in sorted(values.items()):
        family.add_metric([label] if metric.label else [], value)
    return family


def _histogram(metric: Metric, buckets: Buckets | None) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help)
    family.add_metric([], _cumulative(metric, buckets), sum_value=buckets.sum if buckets else 0.0)
    return family


def _cumulative(metric: Metric, buckets: Buckets | None) -> list[tuple[str, float]]:
    counts = buckets.counts.tolist() if buckets else [0] * (len(metric.bounds) + 1)
    bounds = [*map(str, metric.bounds), "+Inf"]
    return list(zip(bounds, accumulate(counts), strict=True))


class RayExport:
    """Hands a process's figures to Ray's metrics, once a second or so: a call there costs what 30 counts do.

    A histogram goes as gauges named `_bucket`, `_sum` and `_count`: exact, and `histogram_quantile` reads
    them, while Ray's own would want a call a value and makes up its sum.
    """

    def __init__(self, table: Iterable[Metric] = TABLE) -> None:
        self._table = tuple(table)
        self._made: dict[str, Any] = {}
        self._before = Snapshot()
        self._shown: dict[str, set[str]] = {}

    def flush(self, snapshot: Snapshot) -> None:
        """Must run in a process of a Ray cluster."""
        for metric in self._table:
            if metric.kind is Kind.HISTOGRAM:
                self._histogram(metric, snapshot.histograms.get(metric.name))
            elif metric.kind is Kind.COUNTER:
                self._counter(metric, snapshot)
            else:
                self._gauge(metric, snapshot)
        self._before = snapshot

    def _counter(self, metric: Metric, snapshot: Snapshot) -> None:
        for label, value in snapshot.by_label(metric).items():
            more = value - self._before.value(metric, label)
            if more > 0:
                self._get("Counter", metric.name, metric.help, metric.label).inc(
                    more, _tags(metric.label, label)
                )

    def _gauge(self, metric: Metric, snapshot: Snapshot) -> None:
        values = snapshot.by_label(metric)
        gone = self._shown.get(metric.name, set()) - values.keys()
        for label, value in {**values, **dict.fromkeys(gone, 0.0)}.items():
            self._get("Gauge", metric.name, metric.help, metric.label).set(value, _tags(metric.label, label))
        self._shown[metric.name] = set(values)

    def _histogram(self, metric: Metric, buckets: Buckets | None) -> None:
        if buckets is None:
            return
        cumulative = _cumulative(metric, buckets)
        for bound, count in cumulative:
            self._get("Gauge", f"{metric.name}_bucket", metric.help, "le").set(count, {"le": bound})
        self._get("Gauge", f"{metric.name}_sum", metric.help, None).set(buckets.sum)
        self._get("Gauge", f"{metric.name}_count", metric.help, None).set(cumulative[-1][1])

    def _get(self, kind: str, name: str, help: str, label: str | None) -> Any:
        if name not in self._made:
            from ray.util import metrics  # 0.3 s to import, and only a process of Ray's comes here

            self._made[name] = getattr(metrics, kind)(name, help, tag_keys=(label,) if label else ())
        return self._made[name]


def _tags(key: str | None, label: str) -> dict[str, str] | None:
    return {key: label} if key else None
