"""What a replica counts, and how it is told."""

from foretell.serve.backend import Outcome, Priority
from foretell.serve.models.figures import Figures
from foretell.telemetry import serve_metrics
from foretell.telemetry.export import page
from foretell.telemetry.metrics import Kind


def told(figures: Figures) -> str:
    return page(figures.snapshot({"weather,high": 3}, {"weather": 5}), serve_metrics.TABLE).decode()


def test_requests_by_everything_that_sets_them_apart() -> None:
    figures = Figures()
    for seconds in (0.0002, 0.02):
        figures.observe(Outcome("oip_rest", "weather", "3f9c2ab41d07", Priority.HIGH, "ok", seconds, 1))
    figures.observe(Outcome("forecast", "weather", "3f9c2ab41d07", Priority.LOW, "shed", 9.0, 1))
    lines = told(figures).splitlines()
    labels = 'door="{}",model="weather",outcome="{}",priority="{}",version="3f9c2ab41d07"'
    total = "foretell_serve_requests_total"
    assert f"{total}{{{labels.format('oip_rest', 'ok', 'high')}}} 2.0" in lines
    assert f"{total}{{{labels.format('forecast', 'shed', 'low')}}} 1.0" in lines
    assert 'foretell_serve_sheds_total{model="weather",priority="low"} 1.0' in lines
    count = 'foretell_serve_latency_seconds_count{priority="high"} 2.0'
    assert count in lines
    assert 'foretell_serve_latency_seconds_bucket{le="0.001",priority="high"} 1.0' in lines
    assert not any('latency_seconds_count{priority="low"}' in line for line in lines)
    assert 'foretell_serve_queue_depth{model="weather",priority="high"} 3.0' in lines
    assert 'foretell_serve_queue_rows{model="weather"} 5.0' in lines


def test_calls_without_an_answer_by_reason() -> None:
    figures = Figures()
    for reason in ("deadline_unreachable", "deadline_passed", "cancelled", "engine", "invalid"):
        figures.refused("weather", Priority.MEDIUM, reason)
    snapshot = figures.snapshot({}, {})
    assert snapshot.by_label(serve_metrics.DEADLINE_MISSES) == {
        "weather,medium,deadline_unreachable": 1,
        "weather,medium,deadline_passed": 1,
    }
    assert snapshot.by_label(serve_metrics.CANCELLED) == {"weather,medium": 1}
    assert snapshot.by_label(serve_metrics.ENGINE_FAILURES) == {"weather": 1}


def test_what_was_not_known_when_it_was_refused_has_a_word() -> None:
    figures = Figures()
    figures.observe(Outcome("oip_rest", "", "", None, "rate_limited", 0.1, 0))
    figures.observe(Outcome("oip_rest", "weather", "", None, "rate_limited", 0.1, 0))
    assert figures.snapshot({}, {}).by_label(serve_metrics.REQUESTS) == {
        "oip_rest,unknown,unknown,unknown,rate_limited": 1,
        "oip_rest,weather,unknown,unknown,rate_limited": 1,
    }


def test_labels_are_bounded() -> None:
    figures = Figures()
    for version in range(2000):
        figures.observe(Outcome("oip_rest", "weather", f"{version:012x}", Priority.LOW, "ok", 0.1, 1))
    snapshot = figures.snapshot({}, {})
    assert len(snapshot.by_label(serve_metrics.REQUESTS)) == serve_metrics.REQUESTS.most + 1
    assert snapshot.total(serve_metrics.REQUESTS) == 2000
    assert 'door="other",model="other"' in told(figures)


def test_what_is_noted_is_sorted_in_before_it_becomes_much() -> None:
    figures = Figures()
    for _ in range(10_000):
        figures.batch("weather", 4, 0.001, [])
    assert max(len(values) for values in figures._seen.values()) < 4096
    assert figures.snapshot({}, {}).buckets(serve_metrics.BATCH_ROWS)["weather"].sum == 40_000


def test_the_table_is_sound() -> None:
    names = [metric.name for metric in serve_metrics.TABLE]
    assert len(set(names)) == len(names)
    for metric in serve_metrics.TABLE:
        assert metric.name.startswith("foretell_serve_")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert bool(metric.bounds) == (metric.kind is Kind.HISTOGRAM)
        assert list(metric.bounds) == sorted(set(metric.bounds))
