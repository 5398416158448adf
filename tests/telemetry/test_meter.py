"""Counting in one process and over many."""

import pickle

import numpy as np
import pytest

from foretell.telemetry.meter import OTHER, Meter, Totals
from foretell.telemetry.metrics import DEAD_LETTERS, LAG, LATENCY, RESTARTS, ROWS, SERIES, TABLE, Kind, Metric


def test_names_follow_prometheus() -> None:
    assert len({m.name for m in TABLE}) == len(TABLE)
    for metric in TABLE:
        assert metric.name.startswith("foretell_")
        assert metric.help.endswith(".")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert bool(metric.bounds) == (metric.kind is Kind.HISTOGRAM)
        assert list(metric.bounds) == sorted(set(metric.bounds))


def test_counts_add_up_by_label_and_a_snapshot_stays_as_it_was() -> None:
    meter = Meter()
    meter.add(ROWS, 5)
    meter.add(DEAD_LETTERS, label="not_json")
    before = meter.snapshot()
    meter.add(ROWS)
    meter.add(DEAD_LETTERS, 2, label="not_json")
    meter.add(DEAD_LETTERS, label="too_late")
    after = pickle.loads(pickle.dumps(meter.snapshot()))
    assert (before.value(ROWS), after.value(ROWS)) == (5, 6)
    assert after.by_label(DEAD_LETTERS) == {"not_json": 3, "too_late": 1}
    assert after.total(DEAD_LETTERS) == 4


def test_labels_are_bounded() -> None:
    few = Metric("foretell_few_total", Kind.COUNTER, "Few.", label="x", most=2)
    meter = Meter()
    for label in ["a", "b", "c", "d", "a"]:
        meter.add(few, label=label)
    assert meter.snapshot().by_label(few) == {"a": 2, "b": 1, OTHER: 2}


def test_a_partition_that_went_away_has_no_lag() -> None:
    meter = Meter()
    meter.set_all(LAG, {"0": 7, "1": 9})
    meter.set_all(LAG, {"1": 3})
    assert meter.snapshot().by_label(LAG) == {"1": 3}


def test_what_each_process_tells_of_all_is_not_added_up() -> None:
    fleet = Metric("foretell_fleet", Kind.GAUGE, "Of all.", label="state", same=True)
    totals = Totals([fleet, SERIES])
    for who, running in (("a", 2.0), ("b", 3.0)):
        meter = Meter()
        meter.set_all(fleet, {"running": running})
        meter.set(SERIES, 5)
        totals.take(who, meter.snapshot())
    assert totals.sum().by_label(fleet) == {"running": 3}
    assert totals.sum().value(SERIES) == 10
    totals.end("b")
    assert totals.sum().by_label(fleet) == {"running": 2}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_quantiles_are_within_a_bucket_of_the_truth(share: float) -> None:
    values = np.random.default_rng(1).lognormal(np.log(0.02), 1.0, 20_000)
    meter = Meter()
    meter.observe(LATENCY, values)
    told = meter.snapshot().quantile(LATENCY, share)
    assert told == pytest.approx(np.quantile(values, share), rel=0.15)


def test_quantiles_since_an_earlier_snapshot() -> None:
    meter = Meter()
    assert meter.snapshot().quantile(LATENCY, 0.5) is None
    meter.observe(LATENCY, [10.0] * 100)
    then = meter.snapshot()
    assert meter.snapshot().quantile(LATENCY, 0.5, since=then) is None
    meter.observe(LATENCY, [0.001])
    told = meter.snapshot().quantile(LATENCY, 0.5, since=then)
    assert told is not None
    assert told <= 0.001
    meter.observe(LATENCY, [1e9] * 1000)
    assert meter.snapshot().quantile(LATENCY, 0.99) == LATENCY.bounds[-1]


def test_a_replaced_process_loses_no_counts_but_its_gauges() -> None:
    totals = Totals(TABLE)
    first, second, other = Meter(), Meter(), Meter()
    first.add(ROWS, 10)
    first.set(SERIES, 100)
    first.observe(LATENCY, [0.5])
    other.add(ROWS, 1)
    other.set(SERIES, 3)
    totals.take("worker 0", first.snapshot())
    totals.take("worker 1", other.snapshot())
    first.add(ROWS, 5)
    totals.take("worker 0", first.snapshot())
    assert (totals.sum().value(ROWS), totals.sum().value(SERIES)) == (16, 103)

    second.add(ROWS, 2)
    totals.take("worker 0", second.snapshot())
    assert (totals.sum().value(ROWS), totals.sum().value(SERIES)) == (18, 3)
    totals.end("worker 0")
    assert totals.sum().value(ROWS) == 18
    assert totals.sum().histograms[LATENCY.name].counts.sum() == 1
    assert totals.sum().total(RESTARTS) == 0
