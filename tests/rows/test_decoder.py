"""The decoder: what a good row gives, the reason of each bad one, and that neighbours change nothing."""

import json
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.config import RowSettings
from foretell.errors import AdapterError, ConfigError
from foretell.rows.adapter import Adapter, FeatureRule, Source
from foretell.rows.block import RowBlock
from foretell.rows.decoder import LONGEST_SERIES, Bounds, RowDecoder
from foretell.rows.reasons import Reason

FEATURES = ("temperature", "wind_speed")
GOOD = b'{"station": "JFK", "timestamp": "2013-10-01T05:00:00Z", "temperature": 18.9, "wind_speed": 4}'
FIVE_O_CLOCK = 1380603600_000000


def decode(
    values: Sequence[bytes | None],
    features: Sequence[str] = FEATURES,
    adapter: Adapter | None = None,
    bounds: Bounds | None = None,
    extra: Sequence[str] = (),
    keys: Sequence[bytes | None] | None = None,
    record_us: int = FIVE_O_CLOCK,
    **rows: object,
) -> RowBlock:
    decoder = RowDecoder(RowSettings.model_validate(rows), features, adapter or Adapter(), bounds, extra)
    keys = [None] * len(values) if keys is None else keys
    return decoder.decode(values, keys, np.full(len(values), record_us, np.int64))


def row(**changes: object) -> bytes:
    fields = json.loads(GOOD) | changes
    return msgspec.json.encode({k: v for k, v in fields.items() if v is not ...})


def test_the_rows_of_the_defaults() -> None:
    block = decode([GOOD, row(station="LGA", temperature=-1e3)])
    assert block.series == ["JFK", "LGA"]
    assert block.time_us.tolist() == [FIVE_O_CLOCK] * 2
    assert block.values.tolist() == [[18.9, 4.0], [-1000.0, 4.0]]
    assert block.reason.tolist() == [0, 0]
    assert block.message == {}


def test_no_rows() -> None:
    block = decode([])
    assert len(block) == 0
    assert block.values.shape == (0, 2)


BAD: list[tuple[bytes | None, Reason, str]] = [
    (None, Reason.NOT_JSON, "no value"),
    (b"", Reason.NOT_JSON, "truncated"),
    (b'{"station": "JFK"', Reason.NOT_JSON, "truncated"),
    (GOOD + b",", Reason.NOT_JSON, "trailing"),
    (GOOD + b"," + GOOD, Reason.NOT_JSON, "trailing"),
    (b"\xff\xfe", Reason.NOT_JSON, "malformed"),
    (b'{"station": "\\ud800"}', Reason.NOT_JSON, ""),
    (b"[" * 100_000, Reason.NOT_JSON, "recursion"),
    (b"[1]", Reason.NOT_AN_OBJECT, "[1] is no JSON object"),
    (b'"x"', Reason.NOT_AN_OBJECT, '"x"'),
    (b"null", Reason.NOT_AN_OBJECT, "null"),
    (row(temperature=...), Reason.MISSING_FIELD, "temperature is missing"),
    (row(temperature=None), Reason.MISSING_FIELD, "temperature is missing"),
    (row(timestamp=...), Reason.MISSING_FIELD, "timestamp is missing"),
    (row(temperature="12.3"), Reason.WRONG_TYPE, 'temperature is "12.3", a number is wanted'),
    (row(temperature=True), Reason.WRONG_TYPE, "temperature is true"),
    (row(temperature=[1]), Reason.WRONG_TYPE, "temperature is [1]"),
    (row(station=1.5), Reason.WRONG_TYPE, "station is 1.5"),
    (row(station={}), Reason.WRONG_TYPE, "station is {}"),
    (GOOD.replace(b"18.9", b"NaN"), Reason.NOT_FINITE, "temperature is no finite number"),
    (GOOD.replace(b"18.9", b"-Infinity"), Reason.NOT_FINITE, "temperature"),
    (GOOD.replace(b"18.9", b"1e999"), Reason.NOT_FINITE, "temperature"),
    (GOOD.replace(b"18.9", b"9" * 400), Reason.NOT_FINITE, "temperature"),
    (GOOD.replace(b"18.9", b'18.9, "std": NaN'), Reason.NOT_FINITE, "std is no finite number"),
    (row(station=...), Reason.NO_SERIES, "station is missing"),
    (row(station=None), Reason.NO_SERIES, "station is missing"),
    (row(station=""), Reason.NO_SERIES, "station is empty"),
    (row(station="x" * (LONGEST_SERIES + 1)), Reason.NO_SERIES, "256 characters, at most 255"),
    (row(timestamp="yesterday"), Reason.BAD_TIMESTAMP, 'timestamp: \'yesterday\' is no time'),
    (row(timestamp=1380603600), Reason.BAD_TIMESTAMP, "iso8601 wants text"),
    (row(timestamp=True), Reason.BAD_TIMESTAMP, "timestamp is true"),
    (row(timestamp="1066-10-14T09:00:00Z"), Reason.BAD_TIMESTAMP, "1900"),
    (b'{"temperature": "x", "temperature": 1}', Reason.WRONG_TYPE, "temperature"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "reason", "message"), BAD)
def test_each_bad_row_bears_its_reason(value: bytes | None, reason: Reason, message: str) -> None:
    block = decode([GOOD, value, GOOD])
    assert [Reason(r) for r in block.reason] == [Reason.OK, reason, Reason.OK]
    assert message in block.message[1]
    assert len(block.message[1]) < 300
    assert np.isnan(block.values[1]).all()
    assert block.values[[0, 2]].tolist() == [[18.9, 4.0]] * 2


def test_a_value_cannot_end_its_row_and_begin_another() -> None:
    """Parsed as one array, two halves could make two rows; each value stands for itself."""
    block = decode([GOOD + b', {"x": [{}', b"{}]}", GOOD])
    assert [Reason(r) for r in block.reason] == [Reason.NOT_JSON, Reason.NOT_JSON, Reason.OK]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aé\0", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=4,
)
fields = st.sampled_from(["station", "timestamp", "temperature", "wind_speed", "other"])
any_rows = (
    st.just(GOOD)
    | st.sampled_from([value for value, _, _ in BAD if value is None or len(value) < 1000])
    | st.binary(max_size=12)
    | st.dictionaries(fields, json_values).map(lambda d: json.dumps(json.loads(GOOD) | d).encode())
)


def plain(value: bytes | None) -> Reason | tuple[str, float, float]:
    """What a row is, as the rules say it in their shortest form; its time aside."""
    try:
        found = json.loads((value or b"").decode(), parse_constant=lambda _: 1 / 0)
    except ZeroDivisionError:
        return Reason.NOT_FINITE
    except (ValueError, RecursionError):
        return Reason.NOT_JSON
    if not isinstance(found, dict):
        return Reason.NOT_AN_OBJECT
    numbers = [found.get(name) for name in FEATURES]
    series = found.get("station")
    if any(isinstance(n, bool) or not isinstance(n, int | float | None) for n in numbers):
        return Reason.WRONG_TYPE
    if isinstance(series, bool) or not isinstance(series, str | int | None):
        return Reason.WRONG_TYPE
    if series is None or not 0 < len(str(series)) <= LONGEST_SERIES:
        return Reason.NO_SERIES
    if None in numbers:
        return Reason.MISSING_FIELD
    return (str(series), *map(float, numbers))  # type: ignore[return-value, arg-type]


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["station", "temperature", "other"]), json_values))
def test_rows_are_what_the_rules_say(changes: dict[str, object]) -> None:
    value = json.dumps(json.loads(GOOD) | changes).encode()
    block = decode([value])
    wanted = plain(value)
    if isinstance(wanted, Reason):
        assert Reason(block.reason[0]) == wanted, block.message
    else:
        assert block.message == {}
        assert (block.series[0], *block.values[0].tolist()) == wanted


@settings(max_examples=100)
@given(st.lists(any_rows, max_size=40))
def test_neighbours_change_nothing(values: list[bytes | None]) -> None:
    """A block with bad rows among good ones is what its rows are one by one."""
    together = decode(values, extra=["other"])
    for i, value in enumerate(values):
        alone = decode([value], extra=["other"])
        assert together.reason[i] == alone.reason[0]
        assert together.message.get(i) == alone.message.get(0)
        assert together.series[i] == alone.series[0]
        assert together.time_us[i] == alone.time_us[0]
        np.testing.assert_array_equal(together.values[i], alone.values[0])
        assert repr(together.extras["other"][i]) == repr(alone.extras["other"][0])


def test_dotted_paths_and_fields_with_odd_names() -> None:
    adapter = Adapter({"temperature": FeatureRule("air.t"), "wind_speed": FeatureRule("air.wind speed.m/s")})
    values = [
        b'{"id": {"s": 7}, "timestamp": "2013-10-01 05:00:00", "air": {"t": 1, "wind speed": {"m/s": 2}}}',
        b'{"id": {"s": "a"}, "timestamp": "2013-10-01 05:00:00", "air": {"t": 1, "wind speed": null}}',
        b'{"id": {"s": "a"}, "timestamp": "2013-10-01 05:00:00", "air": {"t": 1, "wind speed": 3}}',
        b'{"id": null, "timestamp": "2013-10-01 05:00:00"}',
    ]
    block = decode(values, adapter=adapter, series="id.s")
    assert block.series[0] == "7"
    assert block.values[0].tolist() == [1.0, 2.0]
    assert [Reason(r).word for r in block.reason[1:]] == ["missing_field", "wrong_type", "no_series"]
    assert block.message[1].startswith("air.wind speed.m/s is missing")
    assert block.message[2] == "air.wind speed is 3, an object is wanted"


def test_series_from_the_records_key() -> None:
    block = decode([GOOD] * 4, series=None, keys=[b"K\xc3\xa4", None, b"", b"\xff"])
    assert block.series[0] == "Kä"
    assert [Reason(r).word for r in block.reason] == ["ok", "no_series", "no_series", "no_series"]


def test_time_from_the_record() -> None:
    assert decode([GOOD], timestamp=None, record_us=17).time_us.tolist() == [17]
    assert Reason(decode([GOOD], timestamp=None, record_us=-1000).reason[0]) == Reason.BAD_TIMESTAMP


def test_time_formats() -> None:
    for time_format, cell in (
        ("epoch_s", 1380603600),
        ("epoch_ms", 1380603600e3),
        ("epoch_us", FIVE_O_CLOCK),
    ):
        assert decode([row(timestamp=cell)], time_format=time_format).time_us.tolist() == [FIVE_O_CLOCK]
    block = decode([GOOD], time_format="epoch_s")
    assert Reason(block.reason[0]) == Reason.BAD_TIMESTAMP
    local = row(timestamp="2013-10-01 01:00:00")
    assert decode([local], time_zone="America/New_York").time_us.tolist() == [FIVE_O_CLOCK]


WEATHER = Adapter(
    {
        "temperature": FeatureRule("t", "degC", None, "degF"),
        "wind_speed": FeatureRule("w", "km/h", 36.0, "m/s"),
        "dewpoint": FeatureRule(
            derive="dew_point",
            of={"temperature": Source("t", "degC"), "humidity": Source("h")},
            model_unit="degF",
        ),
        "noon": FeatureRule(derive="hour_cos"),
    }
)


def test_units_defaults_and_derivations() -> None:
    names = ("noon", "temperature", "wind_speed", "dewpoint", "plain")
    values = [
        b'{"station": "a", "timestamp": "2013-10-01T12:00:00Z", "t": 20, "w": 18, "h": 50, "plain": 1}',
        b'{"station": "a", "timestamp": "2013-10-01T12:00:00Z", "t": 20, "h": 50, "plain": 1}',
        b'{"station": "a", "timestamp": "2013-10-01T12:00:00Z", "t": 20, "plain": 1}',
        b'{"station": "a", "timestamp": "2013-10-01T12:00:00Z", "t": 20, "h": 0, "plain": 1}',
        b'{"station": "a", "timestamp": "2013-10-01T12:00:00Z", "t": 1.7e308, "h": 50, "plain": 1}',
    ]
    block = decode(values, names, WEATHER)
    assert block.values[0] == pytest.approx([-1.0, 68.0, 5.0, 48.7, 1.0], abs=0.1)
    assert block.values[1][2] == pytest.approx(10.0)  # the default is in the row's unit
    assert [Reason(r).word for r in block.reason] == ["ok", "ok", "missing_field", "not_finite", "not_finite"]
    assert block.message[2] == "h is missing, of which feature dewpoint is made"
    assert block.message[3] == "dew_point of temperature 20, humidity 0 is no finite number"


def test_rows_out_of_range_are_refused_where_bounds_are_given() -> None:
    values = [row(temperature=t) for t in (-5, -5.1, 40, 41)]
    block = decode(values, bounds=[(-5.0, 40.0), None])
    assert [Reason(r).word for r in block.reason] == ["ok", "out_of_range", "ok", "out_of_range"]
    assert block.message[3] == "temperature is 41, outside -5 to 40"


def test_extras_are_the_rows_own() -> None:
    values = [row(now={"a": [1, "x"]}, n=3), row(), b"nonsense"]
    block = decode(values, extra=["now", "n", "timestamp", "temperature"])
    assert block.extras["now"] == [{"a": [1, "x"]}, None, None]
    assert block.extras["n"] == [3, None, None]
    assert block.extras["timestamp"] == ["2013-10-01T05:00:00Z"] * 2 + [None]
    assert block.extras["temperature"] == [18.9, 18.9, None]


def test_fields_that_must_be_numbers() -> None:
    assert RowDecoder(RowSettings(), FEATURES, Adapter()).number_fields == set(FEATURES)
    epoch = RowDecoder(RowSettings(time_format="epoch_s"), FEATURES, Adapter())
    assert epoch.number_fields == {*FEATURES, "timestamp"}


def test_what_cannot_be_decoded_is_refused_at_start() -> None:
    with pytest.raises(ConfigError, match="a is wanted whole, and a field inside it"):
        decode([], extra=["a", "a.b"])
    with pytest.raises(ConfigError, match="wanted whole"):
        decode([], extra=["a.b", "a"])
    with pytest.raises(ConfigError, match="empty part"):
        decode([], extra=["a..b"])
    with pytest.raises(ConfigError, match="station is wanted twice"):
        decode([], features=["station"])
    with pytest.raises(ConfigError, match="x is wanted twice"):
        decode([], series="x", timestamp="x")
    with pytest.raises(AdapterError, match=r"adapter, features.rain: the model has no feature 'rain'"):
        decode([], adapter=Adapter({"rain": FeatureRule("r")}))
