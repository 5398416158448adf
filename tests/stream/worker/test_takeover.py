"""Where partitions begin, and what becomes of stored windows that are of no use."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from foretell.errors import KafkaError
from foretell.forecasting.forecaster import Forecaster
from foretell.stream.messages.changelog import changelog_topic, decode_state
from foretell.stream.worker.transaction import Aborted

if TYPE_CHECKING:
    from tests.stream.conftest import Stream

pytestmark = pytest.mark.kafka
Row = Callable[..., bytes]
MakeStream = Callable[..., "Stream"]


@pytest.fixture(scope="session")
def longer(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Forecaster:
    """A model like `weather`, which looks further back."""
    return Forecaster.open(make_bundle(tmp_path_factory.mktemp("longer"), lookback=5))


def last(one: "Stream") -> Any:
    return one.forecasts()[-1]


def uninterrupted(stream: MakeStream, forecaster: Forecaster, rows: list[bytes]) -> "Stream":
    one = stream()
    one.put(rows)
    with one.work(forecaster=forecaster) as work:
        work.has_read(len(rows))
    return one


def test_windows_of_another_lookback_are_rebuilt_and_go_on_as_if_nothing_had_happened(
    stream: MakeStream, row: Row, longer: Forecaster
) -> None:
    rows = [row("a", h) for h in range(6)]
    one = stream(stream={"block_rows": 2})
    one.put([*rows[:5], b"{"])
    with one.work() as work:
        work.has_read(6)
    before = len(one.forecasts())
    with one.work(forecaster=longer) as work:
        work.holds(2)
        assert len(one.forecasts()) == before  # those up to the committed offset are withheld
        one.put(rows[5:])
        work.has_read(1)
    assert [n for n in work.notices if "rebuilt" in n] == [
        "the windows of partition 0 were stored for another lookback, step or list of features: "
        "they are rebuilt from the input"
    ]
    whole = uninterrupted(stream, longer, rows)
    assert len(one.forecasts()) == before + 1
    assert last(one)["forecast"] == last(whole)["forecast"]
    assert one.stored()[0, "a"] == whole.stored()[0, "a"]
    assert len(one.dead_letters()) == 1

    with one.work(forecaster=longer) as work:  # and now they are stored for this one
        work.holds(2)
    assert not any("rebuilt" in n for n in work.notices)


def test_rebuilding_can_be_asked_for_and_clears_away_what_the_input_does_not_hold(
    stream: MakeStream, row: Row
) -> None:
    one = stream()
    rows = [row("a", h) for h in range(4)]
    one.put(rows[:3])
    with one.work() as work:
        work.has_read(3)
    kept = one.stored()[0, "a"]
    changelog = changelog_topic(one.settings.stream.group)
    producer = Producer({"bootstrap.servers": one.settings.kafka.bootstrap_servers, "log_level": 0})
    producer.produce(changelog, b"spoilt", "a", 0)
    producer.produce(changelog, kept, "ghost", 0)
    assert producer.flush(20) == 0
    with one.work(rebuild=True) as work:
        work.holds(2)
        one.put(rows[3:])
        work.has_read(1)
    assert not any("rebuilt" in n for n in work.notices)  # it was asked for
    assert [m["origin"] for m in one.forecasts()] == ["0/2", "0/3"]
    stored = one.stored()
    assert stored[0, "ghost"] is None
    assert decode_state(stored[0, "a"] or b"") is not None


def test_rebuilt_rows_of_two_stages_are_those_that_came_in(
    stream: MakeStream, row: Row, longer: Forecaster
) -> None:
    one = stream(stream={"repartition": True})
    with one.work() as work:
        one.put([row("a", h) for h in range(4)])
        one.put([row("a", 90)], timestamp=one.day_ms)  # in the future of its own record, not of ours
        work.has_read(5)
    with one.work(forecaster=longer) as work:
        work.holds(4)
        one.put([row("a", 4)])
        work.has_read(1)
    assert [reason for reason, _ in one.dead_letters()] == ["in_the_future"]
    assert [m["issued_at"][11:13] for m in one.forecasts()] == ["02", "03", "04"]


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_a_new_group_begins_where_it_is_told(stream: MakeStream, row: Row, start: str) -> None:
    one = stream(stream={"start": start})
    one.put([row("a", h) for h in range(3)])
    with one.work() as work:
        work.holds(2)
        one.put([row("b", h) for h in range(3)], partition=1)
        work.has_read(6 if start == "earliest" else 3)
    told = {m["series"] for m in one.forecasts()}
    assert told == ({"a", "b"} if start == "earliest" else {"b"})


def test_latest_is_for_new_groups_only(stream: MakeStream, row: Row) -> None:
    one = stream(stream={"start": "latest"})
    with one.work() as work:
        work.holds(2)
        one.put([row("a", h) for h in range(3)])
        work.has_read(3)
    one.put([row("a", 3)])
    with one.work() as work:
        work.has_read(1)
    assert [m["origin"] for m in one.forecasts()] == ["0/2", "0/3"]


def test_rows_that_retention_took_are_told_and_the_rest_goes_on(stream: MakeStream, row: Row) -> None:
    one = stream()
    one.put([row("a", h) for h in range(3)])
    with one.work() as work:
        work.has_read(3)
    one.put([row("a", h) for h in range(3, 7)])
    admin = AdminClient({"bootstrap.servers": one.settings.kafka.bootstrap_servers, "log_level": 0})
    for future in admin.delete_records([TopicPartition(one.input, 0, 5)]).values():
        future.result()
    with one.work() as work:
        work.has_read(2)
    gone = f"rows 3 to 4 of {one.input}/0 were deleted by the topic's retention before they were forecast"
    assert gone in work.notices
    assert [m["origin"] for m in one.forecasts()] == ["0/2"]  # a gap of two hours: `gap: break`
    one.put([row("a", 7)])
    with one.work() as work:
        work.has_read(1)
    assert last(one)["origin"] == "0/7"


def test_the_end_is_reached_also_behind_transaction_markers(stream: MakeStream, row: Row) -> None:
    one = stream()
    producer = Producer(
        {
            "bootstrap.servers": one.settings.kafka.bootstrap_servers,
            "transactional.id": f"{one.input}-source",
            "log_level": 0,
        }
    )
    producer.init_transactions(20)
    for end in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        for hour in range(3):
            producer.produce(one.input, row("a", hour), partition=0, timestamp=one.day_ms)
        assert producer.flush(20) == 0
        end(20)
    ends = {(one.input, 0): 8, (one.input, 1): 0}
    with one.work(ends=ends) as work:
        work.until(lambda status: status.reached == set(ends))
    assert [m["origin"] for m in one.forecasts()] == ["0/2"]
    with one.work() as work:  # and from there, with an end that is told later
        work.worker.read_until(ends)
        work.until(lambda status: status.reached == set(ends))


def test_rebuilt_windows_that_cannot_be_written_end_the_worker_in_our_words(
    stream: MakeStream, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = stream()
    one.put([row("a", h) for h in range(3)])
    with one.work() as work:
        work.has_read(3)

    def fail(*turn: Any) -> None:
        raise Aborted("generation")

    work = one.work(rebuild=True)
    monkeypatch.setattr(work.worker.delivery, "send", fail)
    with work:
        assert isinstance(work.ended(), KafkaError)
