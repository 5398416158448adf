"""Event times: the array path says what Python's own datetime says."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.rows.event_time import EventTimes, TimeFormat

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


moments = st.datetimes(datetime(1900, 1, 2), datetime(2199, 12, 30))
offsets = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
shapes = st.sampled_from(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"])


@given(
    st.lists(st.tuples(moments, st.none() | offsets | st.just(UTC), shapes), max_size=80), st.integers(0, 2)
)
def test_many_texts_as_pythons_own(cases: list[tuple[datetime, timezone | None, str]], copies: int) -> None:
    """Blocks small and large, of one shape and mixed."""
    texts, wanted = [], []
    for moment, zone, shape in cases * (1 + 30 * copies):
        at = moment if "%f" in shape else moment.replace(microsecond=0)
        text = at.strftime(shape).rjust(len(at.strftime(shape)), "0")
        text += "" if zone is None else "Z" if zone is UTC else at.replace(tzinfo=zone).isoformat()[-6:]
        texts.append(text)
        wanted.append(us(at.replace(tzinfo=zone or UTC)))
    times, wrong = EventTimes("iso8601", "UTC").read(texts)
    assert times.tolist() == wanted
    assert not wrong


broken = st.text("0123456789-:TZ .+é", max_size=27) | st.sampled_from(
    [
        "2013-02-29T00:00:00",
        "2013-13-01T00:00:00",
        "2013-00-01T00:00:00",
        "2013-01-00 00:00:00",
        "2013-01-01T24:00:00",
        "2013-01-01T00:60:00",
        "2013-01-01T00:00:60Z",
        "2013-01-01T00:00:00+24:00",
        "2013-01-01T00:00:00+01:60",
        "2013-01-01 00:00:00.123",
        "2013-01-01T00:00:00.12Z",
        "0000-01-01T00:00:00",
        "1899-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "2013-01-01",
        "20130101T000000Z",
        "9999-12-31T23:59:59",
    ]
)


@given(st.lists(broken | moments.map(datetime.isoformat), max_size=12))
def test_a_text_means_the_same_alone_and_among_many(texts: list[str]) -> None:
    times = EventTimes("iso8601", "America/New_York")
    together, wrong = times.read(texts * 30)
    for i, text in enumerate(texts):
        alone, wrong_alone = times.read([text])
        assert together[i] == alone[0]
        assert wrong.get(i) == wrong_alone.get(0)


@pytest.mark.parametrize("count", [1, 50])
@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2013-07-01 08:00:00", "2013-07-01T12:00:00+00:00"),
        ("2013-01-01 08:00:00", "2013-01-01T13:00:00+00:00"),
        ("2013-11-03 01:30:00", "2013-11-03T05:30:00+00:00"),  # comes twice: the first is meant
        ("2013-03-10 02:30:00", "2013-03-10T07:30:00+00:00"),  # is left out: read as 03:30
        ("2013-07-01T08:00:00Z", "2013-07-01T08:00:00+00:00"),
        ("2013-07-01T08:00:00+02:00", "2013-07-01T06:00:00+00:00"),
    ],
)
def test_a_declared_zone(text: str, utc: str, count: int) -> None:
    times, wrong = EventTimes("iso8601", "America/New_York").read([text] * count)
    assert times.tolist() == [us(datetime.fromisoformat(utc))] * count
    assert not wrong


@given(moments, st.sampled_from(["America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/Dublin"]))
def test_zones_as_pythons_own(moment: datetime, zone: str) -> None:
    moment = moment.replace(second=0, microsecond=0)
    wanted = us(moment.replace(tzinfo=ZoneInfo(zone)))
    for count in (1, 40):
        times, _ = EventTimes("iso8601", zone).read([moment.isoformat()] * count)
        assert times.tolist() == [wanted] * count


@pytest.mark.parametrize(
    ("time_format", "cell"),
    [
        ("epoch_s", 1380603600.0),
        ("epoch_s", 1380603600),
        ("epoch_ms", 1380603600000.0),
        ("epoch_us", 1380603600e6),
    ],
)
def test_epochs(time_format: TimeFormat, cell: float) -> None:
    times, wrong = EventTimes(time_format, "UTC").read([cell])
    assert times.tolist() == [1380603600_000000]
    assert not wrong


@given(moments)
def test_microseconds_survive(moment: datetime) -> None:
    wanted = us(moment.replace(tzinfo=UTC))
    times, _ = EventTimes("epoch_us", "UTC").read([float(wanted)])
    assert times.tolist() == [wanted]


@pytest.mark.parametrize("time_format", ["iso8601", "epoch_s", "epoch_ms", "epoch_us"])
@pytest.mark.parametrize(
    "cell", [None, "", "yesterday", 1e300, -1e300, float("nan"), float("inf"), 10**400, True]
)
def test_absurd_times(time_format: TimeFormat, cell: object) -> None:
    times, wrong = EventTimes(time_format, "UTC").read([cell])
    assert times.tolist() == [0]
    assert wrong.keys() == {0}


def test_the_wrong_format_is_named() -> None:
    _, wrong = EventTimes("epoch_ms", "UTC").read(["2013-10-01T05:00:00Z", 1380603600.0 * 1e6])
    assert "epoch_ms wants a number" in wrong[0]
    assert "not between the years 1900 and 2200" in wrong[1]
    _, wrong = EventTimes("iso8601", "UTC").read([1380603600])
    assert "iso8601 wants text" in wrong[0]
