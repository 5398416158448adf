"""Workers on a real broker: the loop, handing over, two stages, and what it leaves behind."""

import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from foretell.errors import EngineError, Fenced
from foretell.forecasting.forecaster import Forecaster
from foretell.stream.worker import merge
from foretell.telemetry import metrics

if TYPE_CHECKING:
    from tests.stream.conftest import Stream

pytestmark = pytest.mark.kafka
Row = Callable[..., bytes]
MakeStream = Callable[..., "Stream"]


def test_rows_become_forecasts_dead_letters_and_stored_windows(stream: MakeStream, row: Row) -> None:
    one = stream()
    one.put([row("a", 0), row("a", 1), b"{", row("a", 2), row("a", 2), row("a", 2, temperature=60.0)])
    one.put([row("b", h) for h in range(4)], partition=1)
    with one.work() as work:
        work.has_read(10)
        figures = work.look().figures
    assert [(m["series"], m["origin"], m["revised"]) for m in one.forecasts() if m["series"] == "a"] == [
        ("a", "0/3", False),
        ("a", "0/5", True),
    ]
    assert [m["origin"] for m in one.forecasts() if m["series"] == "b"] == ["1/2", "1/3"]
    assert one.dead_letters() == [("not_json", "0/2")]
    assert one.stored().keys() == {(0, "a"), (1, "b")}
    assert figures.value(metrics.FORECASTS) == 4
    assert figures.value(metrics.REVISIONS) == figures.value(metrics.SAME_ROWS) == 1
    assert figures.by_label(metrics.DEAD_LETTERS) == {"not_json": 1}
    assert figures.value(metrics.SERIES) == 2


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_the_next_worker_goes_on_without_warm_up(stream: MakeStream, row: Row, delivery: str) -> None:
    one = stream(stream={"delivery": delivery})
    one.put([row("a", h) for h in range(3)])
    with one.work() as first:
        first.has_read(3)
    one.put([row("a", 3), row("a", 4)])
    with one.work() as second:
        second.has_read(2)
    assert [m["origin"] for m in one.forecasts()] == ["0/2", "0/3", "0/4"]
    whole = stream()
    whole.put([row("a", h) for h in range(5)])
    with whole.work() as work:
        work.has_read(5)
    assert [m["forecast"] for m in one.forecasts()] == [m["forecast"] for m in whole.forecasts()]
    assert one.stored()[0, "a"] == whole.stored()[0, "a"]


@pytest.mark.parametrize("block_rows", [1, 3])
def test_small_blocks_give_the_same(stream: MakeStream, row: Row, block_rows: int) -> None:
    one = stream(stream={"block_rows": block_rows})
    one.put([row(s, h) for h in range(5) for s in ("a", "b")])
    with one.work() as work:
        work.has_read(10)
        figures = work.look().figures
    assert figures.by_label(metrics.TRANSACTIONS)["committed"] >= 10 // block_rows
    told = one.forecasts()
    assert sorted(m["origin"] for m in told) == [f"0/{i}" for i in range(4, 10)]


def test_two_workers_share_the_partitions_and_one_takes_all_over(stream: MakeStream, row: Row) -> None:
    one = stream()
    for partition in range(2):
        one.put([row(f"s{partition}", h) for h in range(3)], partition=partition)
    with one.work(0) as first:
        first.has_read(6)
        with one.work(1) as second:
            second.holds(1)
            for partition in range(2):
                one.put([row(f"s{partition}", 3)], partition=partition)
            second.has_read(1)
            first.has_read(7)
            assert len(second.look().lag) == 1
    assert sorted(m["origin"] for m in one.forecasts()) == ["0/2", "0/3", "1/2", "1/3"]


def test_a_worker_of_the_same_name_fences_the_one_before(stream: MakeStream, row: Row) -> None:
    one = stream()
    one.put([row("a", h) for h in range(3)])
    with one.work(0) as older:
        older.has_read(3)
        with one.work(0) as newer:
            newer.holds(2)
            one.put([row("a", 3)])
            newer.has_read(1)
            assert isinstance(older.ended(), Fenced)
    assert [m["origin"] for m in one.forecasts()] == ["0/2", "0/3"]


def test_series_in_several_partitions_are_brought_together(stream: MakeStream, row: Row) -> None:
    one = stream(stream={"repartition": True})
    with one.work() as work:
        for hour in range(4):  # one after the other: there is no order between partitions
            one.put([row("a", hour), row("b", hour), b"{"], partition=hour % 2, key=b"k")
            work.has_read(2 * hour + 2)
        one.put([row("a", 5)], partition=1, timestamp=one.day_ms - 86_400_000)  # ahead of its own record
        work.has_read(9)
    told = sorted((m["series"], m["issued_at"][11:13], m["origin"]) for m in one.forecasts())
    assert told == [("a", "02", "0/3"), ("a", "03", "1/3"), ("b", "02", "0/4"), ("b", "03", "1/4")]
    bad = [("not_json", f"{p}/{o}") for p in range(2) for o in (2, 5)]
    assert sorted(one.dead_letters()) == [("in_the_future", "1/6"), *bad]
    assert sorted(name for _, name in one.stored()) == ["a", "b"]


def test_a_long_backlog_of_unkeyed_rows_is_brought_into_the_order_of_its_records(
    stream: MakeStream, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "FULL", 700)  # partitions far ahead are held back, again and again
    one = stream(kafka={"partitions": 4}, stream={"repartition": True, "block_rows": 500})
    rng = random.Random(4)
    series, hours = 10, 800
    for number in range(series * hours):
        hour, station = divmod(number, series)
        # The first half of the time most rows lie in one partition, then in another.
        partition = rng.choice([0, 0, 0, 0, 0, 1, 2, 3] if hour < hours / 2 else [1, 2, 2, 2, 2, 2])
        timestamp = one.day_ms + 3_600_000 * hour + station
        one.add(row(f"s{station}", hour), partition=partition, timestamp=timestamp)
    one.flush()
    with one.work() as work:
        work.has_read(series * hours)
    assert one.dead_letters() == []
    issued = Counter(m["series"] for m in one.forecasts())
    assert issued == {f"s{station}": hours - 2 for station in range(series)}


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_two_stages_go_on_where_they_stood(stream: MakeStream, row: Row, delivery: str) -> None:
    one = stream(stream={"repartition": True, "delivery": delivery})
    for worker in range(2):
        with one.work() as work:
            for hour in range(3 * worker, 3 * worker + 3):
                one.put([row("a", hour)], partition=hour % 2)
                work.has_read(hour + 1 - 3 * worker)
    assert [m["issued_at"][11:13] for m in one.forecasts()] == ["02", "03", "04", "05"]
    assert [m["origin"] for m in one.forecasts()] == ["0/1", "1/1", "0/2", "1/2"]


def test_a_runtime_that_fails_ends_the_worker_and_loses_nothing(
    stream: MakeStream, row: Row, forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = stream()
    one.put([row("a", h) for h in range(3)])

    def fail(*_: object) -> None:
        raise EngineError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(forecaster, "predict", fail)
        with one.work() as broken:
            assert isinstance(broken.ended(), EngineError)
    assert one.forecasts() == []
    with one.work() as work:
        work.has_read(3)
    assert [m["origin"] for m in one.forecasts()] == ["0/2"]


def test_what_a_status_tells_once(stream: MakeStream, row: Row) -> None:
    one = stream()
    one.put([row("a", h, temperature=-500.0) for h in range(25)])
    with one.work() as work:
        work.has_read(25)
        work.holds(2)
        status = work.look()
        assert (status.index, status.state, status.turns > 0) == (0, "running", True)
        assert set(status.lag) == {(one.input, 0), (one.input, 1)}
    assert len([n for n in work.notices if n.startswith("temperature: rows average -500.0")]) == 1
    last = work.look()
    assert (last.state, last.lag, last.fresh) == ("stopped", {}, [])
