"""The page that Prometheus reads, and what goes through Ray."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from foretell.telemetry.export import RayExport, page
from foretell.telemetry.meter import Meter, Snapshot
from foretell.telemetry.metrics import COMMIT, DEAD_LETTERS, LAG, ROWS, TABLE, Kind, Metric


def samples(text: bytes) -> dict[tuple[str, str], float]:
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found[sample.name, ",".join(sample.labels.values())] = sample.value
    return found


def test_every_metric_is_on_the_page_from_the_start() -> None:
    text = page(Snapshot()).decode()
    for metric in TABLE:
        assert f"# HELP {metric.name} {metric.help}" in text
        assert f"# TYPE {metric.name} {metric.kind}" in text
    assert samples(page(Snapshot()))[ROWS.name, ""] == 0


def test_values_labels_and_buckets() -> None:
    meter = Meter()
    meter.add(ROWS, 7)
    meter.add(DEAD_LETTERS, 2, label="not_json")
    meter.set_all(LAG, {"3": 12})
    meter.observe(COMMIT, [0.001, 0.0011, 500.0])
    told = samples(page(meter.snapshot()))
    assert told[ROWS.name, ""] == 7
    assert told[DEAD_LETTERS.name, "not_json"] == 2
    assert told[LAG.name, "3"] == 12
    assert told[f"{COMMIT.name}_bucket", "0.001"] == 1
    assert told[f"{COMMIT.name}_bucket", "100.0"] == 2
    assert told[f"{COMMIT.name}_bucket", "+Inf"] == told[f"{COMMIT.name}_count", ""] == 3
    assert told[f"{COMMIT.name}_sum", ""] == pytest.approx(500.0021)


class FakeRay:
    """Stands for `ray.util.metrics`: keeps what a scrape would show."""

    def __init__(self) -> None:
        self.shown: dict[tuple[str, str], float] = {}

    def metric(self, name: str, description: str, tag_keys: tuple[str, ...]) -> Any:
        def key(tags: dict[str, str] | None) -> tuple[str, str]:
            assert set(tags or {}) == set(tag_keys)
            return name, ",".join((tags or {}).values())

        def inc(value: float, tags: dict[str, str] | None = None) -> None:
            assert value > 0
            self.shown[key(tags)] = self.shown.get(key(tags), 0) + value

        def set_(value: float, tags: dict[str, str] | None = None) -> None:
            self.shown[key(tags)] = value

        return SimpleNamespace(inc=inc, set=set_)


def test_ray_shows_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay()
    module = SimpleNamespace(Counter=fake.metric, Gauge=fake.metric)
    monkeypatch.setitem(sys.modules, "ray.util", SimpleNamespace(metrics=module))
    monkeypatch.setitem(sys.modules, "ray.util.metrics", module)
    meter, export = Meter(), RayExport()
    meter.set_all(LAG, {"0": 5, "1": 6})
    for _ in range(3):
        meter.add(ROWS, 2)
        meter.add(DEAD_LETTERS, label="no_series")
        meter.observe(COMMIT, [0.01])
        export.flush(meter.snapshot())
    meter.set_all(LAG, {"1": 4})
    export.flush(meter.snapshot())
    assert fake.shown[ROWS.name, ""] == 6
    assert fake.shown[DEAD_LETTERS.name, "no_series"] == 3
    assert (fake.shown[LAG.name, "0"], fake.shown[LAG.name, "1"]) == (0, 4)
    assert fake.shown[f"{COMMIT.name}_bucket", "+Inf"] == fake.shown[f"{COMMIT.name}_count", ""] == 3


def test_several_labels_and_histograms_by_label(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay()
    module = SimpleNamespace(Counter=fake.metric, Gauge=fake.metric)
    monkeypatch.setitem(sys.modules, "ray.util", SimpleNamespace(metrics=module))
    monkeypatch.setitem(sys.modules, "ray.util.metrics", module)
    calls = Metric("foretell_calls_total", Kind.COUNTER, "Calls.", label="model,outcome", most=1)
    wait = Metric("foretell_wait_seconds", Kind.HISTOGRAM, "Waits.", label="priority", bounds=(1.0, 2.0))
    meter, export = Meter(), RayExport((calls, wait))
    meter.add(calls, label="weather,ok")
    meter.add(calls, label="weather,shed")  # one too many
    meter.observe(wait, [0.5, 1.5], label="high")
    meter.observe(wait, [3.0], label="low")
    text = page(meter.snapshot(), (calls, wait)).decode()
    assert 'foretell_calls_total{model="weather",outcome="ok"} 1.0' in text
    assert 'foretell_calls_total{model="other",outcome="other"} 1.0' in text
    assert 'foretell_wait_seconds_bucket{le="2.0",priority="high"} 2.0' in text
    assert 'foretell_wait_seconds_bucket{le="2.0",priority="low"} 0.0' in text
    assert meter.snapshot().quantile(wait, 0.5, label="high") == 1.0
    export.flush(meter.snapshot())
    assert fake.shown[calls.name, "weather,ok"] == 1
    assert fake.shown[f"{wait.name}_bucket", "high,+Inf"] == 2
    assert fake.shown[f"{wait.name}_count", "low"] == 1
