"""The figures in the form that Prometheus reads: as a page of our own, and through Ray."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

import numpy as np
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
                yield _histogram(metric, self._snapshot.buckets(metric))
            else:
                yield _plain(metric, self._snapshot.by_label(metric))


def _plain(metric: Metric, values: dict[str, float]) -> Family:
    make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(metric.name, metric.help, labels=_names(metric))
    if metric.label is None:
        values = values or {"": 0.0}  # there from the start, so that a rate can be taken of the first event
    for label, value in sorted(values.items()):
        family.add_metric(list(metric.tags(label).values()), value)
    return family


def _histogram(metric: Metric, by_label: dict[str, Buckets]) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=_names(metric))
    if metric.label is None:
        by_label = by_label or {"": Buckets(np.zeros(len(metric.bounds) + 1, np.int64))}
    for label, buckets in sorted(by_label.items()):
        tags = list(metric.tags(label).values())
        family.add_metric(tags, _cumulative(metric, buckets), sum_value=buckets.sum)
    return family


def _names(metric: Metric) -> list[str]:
    return metric.label.split(",") if metric.label else []


def _cumulative(metric: Metric, buckets: Buckets) -> list[tuple[str, float]]:
    bounds = [*map(str, metric.bounds), "+Inf"]
    return list(zip(bounds, accumulate(buckets.counts.tolist()), strict=True))


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
                self._histogram(metric, snapshot)
            elif metric.kind is Kind.COUNTER:
                self._counter(metric, snapshot)
            else:
                self._gauge(metric, snapshot)
        self._before = snapshot

    def _counter(self, metric: Metric, snapshot: Snapshot) -> None:
        for label, value in snapshot.by_label(metric).items():
            more = value - self._before.value(metric, label)
            if more > 0:
                self._get("Counter", metric).inc(more, metric.tags(label) or None)

    def _gauge(self, metric: Metric, snapshot: Snapshot) -> None:
        values = snapshot.by_label(metric)
        gone = self._shown.get(metric.name, set()) - values.keys()
        for label, value in {**values, **dict.fromkeys(gone, 0.0)}.items():
            self._get("Gauge", metric).set(value, metric.tags(label) or None)
        self._shown[metric.name] = set(values)

    def _histogram(self, metric: Metric, snapshot: Snapshot) -> None:
        for label, buckets in snapshot.buckets(metric).items():
            tags = metric.tags(label)
            cumulative = _cumulative(metric, buckets)
            for bound, count in cumulative:
                self._get("Gauge", metric, "_bucket", "le").set(count, {**tags, "le": bound})
            self._get("Gauge", metric, "_sum").set(buckets.sum, tags or None)
            self._get("Gauge", metric, "_count").set(cumulative[-1][1], tags or None)

    def _get(self, kind: str, metric: Metric, suffix: str = "", *keys: str) -> Any:
        name = metric.name + suffix
        if name not in self._made:
            from ray.util import metrics  # 0.3 s to import, and only a process of Ray's comes here

            self._made[name] = getattr(metrics, kind)(name, metric.help, tag_keys=(*_names(metric), *keys))
        return self._made[name]
