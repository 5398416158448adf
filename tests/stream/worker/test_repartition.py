"""The first stage of two: rows go on to the partition of their series, and stay the rows that they were."""

from collections.abc import Callable

import pytest
from confluent_kafka import Message

from foretell.config import Settings
from foretell.forecasting.forecaster import Forecaster
from foretell.stream.messages.blocks import Incoming, Outgoing
from foretell.stream.worker.pipeline import Pipeline
from foretell.stream.worker.repartition import Repartition, resume, rows_topic

Row = Callable[..., bytes]
Block = Callable[..., Incoming]
YESTERDAY_MS = 1_380_499_200_000  # 30 September 2013: hours of the first of October are in its future


@pytest.fixture
def pipeline(forecaster: Forecaster) -> Pipeline:
    return Pipeline(Settings(), forecaster)


@pytest.fixture
def stage(pipeline: Pipeline) -> Repartition:
    return Repartition(pipeline)


def sent_on(out: Outgoing) -> Incoming:
    """What the first stage sent, as the second one polls it: at other places, with a timestamp of today."""
    records = [
        Message(
            topic=rows_topic("g"),
            partition=3,
            offset=90 + i,
            key=key,
            value=value,
            headers=headers,
            timestamp=(1, 1_800_000_000_000),
        )
        for i, (key, value, headers) in enumerate(out.rows)
    ]
    return Incoming.of(rows_topic("g"), records)


def test_topic() -> None:
    assert rows_topic("g") == "g-rows-repartition"


def test_good_rows_go_on_as_they_are_and_bad_ones_end_here(
    stage: Repartition, row: Row, block: Block
) -> None:
    rows = [row("JFK", 0), b"{", row("LGA", 0)]
    out = stage.take(block(rows, partition=1, offset=5, key=b"k", headers=[("mine", b"x")], timestamp_ms=77))
    told = [("foretell-origin-timestamp", b"77"), ("foretell-origin-key", b"k")]
    assert out.rows == [
        (b"JFK", rows[0], [("mine", b"x"), ("foretell-origin", b"rows/1/5"), *told]),
        (b"LGA", rows[2], [("mine", b"x"), ("foretell-origin", b"rows/1/7"), *told]),
    ]
    assert [(key, value) for key, value, _ in out.dead_letters] == [(b"k", b"{")]
    assert (out.changes, out.forecasts, out.updates) == ([], [], [])


def test_a_row_keeps_its_origin_and_timestamp_in_the_second_stage(
    stage: Repartition, pipeline: Pipeline, row: Row, block: Block
) -> None:
    first = stage.take(block([row("JFK", h) for h in range(3)], partition=1, offset=5))
    second = resume(sent_on(first))
    assert second.next_offsets() == {(rows_topic("g"), 3): 93}
    out = pipeline.take(second)
    assert out.forecasts[0][2] == [("foretell-origin", b"rows/1/7")]
    assert out.changes[0][:2] == (3, b"JFK")


@pytest.mark.parametrize("key", [None, b"\xff", b"JFK"])
def test_a_row_that_is_refused_in_the_second_stage_is_the_one_that_came_in(
    stage: Repartition, pipeline: Pipeline, row: Row, block: Block, key: bytes | None
) -> None:
    ahead = row("JFK", 5)  # of its own record, not of the one that the first stage wrote
    first = stage.take(block([ahead], key=key, timestamp_ms=YESTERDAY_MS))
    out = pipeline.take(resume(sent_on(first)))
    assert out.dead_letters[0][:2] == (key, ahead)
    headers = dict(out.dead_letters[0][2])
    assert "foretell-origin-key" not in headers
    assert headers["foretell-error-reason"] == b"in_the_future"
    assert headers["foretell-origin"] == b"rows/0/0"
    assert headers["foretell-origin-timestamp"] == str(YESTERDAY_MS).encode()


def test_headers_of_ours_that_a_row_brings_along_are_not_believed(
    stage: Repartition, pipeline: Pipeline, row: Row, block: Block
) -> None:
    names = ("foretell-origin", "foretell-origin-timestamp", "foretell-origin-key")
    forged = [("mine", b"x"), *((name, b"other/9/9") for name in names)]
    first = stage.take(block([row("JFK", h) for h in range(3)], headers=forged))
    assert dict(first.rows[0][2])["mine"] == b"x"
    out = pipeline.take(resume(sent_on(first)))
    assert out.forecasts[0][2] == [("foretell-origin", b"rows/0/2")]


def test_a_record_that_somebody_else_wrote_is_taken_as_it_is(
    pipeline: Pipeline, row: Row, block: Block
) -> None:
    out = pipeline.take(resume(block([row("JFK", h) for h in range(3)], partition=2, key=b"JFK")))
    assert out.forecasts[0][2] == [("foretell-origin", b"rows/2/2")]
