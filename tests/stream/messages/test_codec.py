"""Forecasts as bytes: the message of the docs to the letter, and what it must stand."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from foretell.bundle.manifest import Column, Manifest
from foretell.stream.messages.codec import ForecastBatch, ForecastEncoder
from foretell.stream.messages.template import compile_template

FIVE = 1_380_603_600_000_000  # 2013-10-01T05:00:00Z
EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"


def batch(values: NDArray[np.float64], **otherwise: Any) -> ForecastBatch:
    """m forecasts (m, horizon, targets) of JFK at five."""
    m = len(values)
    usual: dict[str, Any] = {
        "series": ["JFK"] * m,
        "newest_us": np.full(m, FIVE),
        "steps": np.full(m, values.shape[1]),
        "filled": np.zeros(m, np.int32),
        "revision": np.zeros(m, np.bool_),
        "rows": {},
    }
    return ForecastBatch(values=values, **usual | otherwise)


def encode(
    manifest: Manifest, given: ForecastBatch, tree: dict[str, Any] | None = None, horizon: int | None = None
) -> list[bytes]:
    return ForecastEncoder(manifest, compile_template(manifest, tree, horizon)).encode(given)


def one_target(numbers: list[float]) -> NDArray[np.float64]:
    return np.array(numbers, np.float64).reshape(1, -1, 1)


def test_the_message_of_the_reference_byte_for_byte(manifest: Manifest) -> None:
    told = msgspec.structs.replace(
        manifest,
        name="LSTM_FineTuned_20260124_193541",
        version="3f9c2ab41d07",
        targets=(msgspec.structs.replace(manifest.targets[0], unit="degC"),),
    )
    values = one_target([18.4, 18.0, 17.6, 17.3, 17.0, 16.8, 16.7])
    assert encode(told, batch(values)) == [
        b'{"series":"JFK","model":"LSTM_FineTuned_20260124_193541","version":"3f9c2ab41d07",'
        b'"issued_at":"2013-10-01T05:00:00Z","step_s":3600,'
        b'"forecast":{"temperature":[18.4,18.0,17.6,17.3,17.0,16.8,16.7]},"unit":{"temperature":"degC"},'
        b'"native_steps":7,"filled":0}'
    ]


def test_the_shape_that_the_weather_pipeline_reads(manifest: Manifest) -> None:
    settings = yaml.safe_load((EXAMPLES / "spark-weather" / "foretell.yaml").read_text())
    tree = settings["stream"]["forecast"]
    paths = compile_template(manifest, tree).row_paths
    assert paths[:2] == ("window_start", "window_end")
    rows: dict[str, list[object]] = {path: [f"<{path}>"] for path in paths}
    message = json.loads(encode(manifest, batch(one_target([1, 2, 3, 4, 5, 6, 7]), rows=rows), tree)[0])
    assert message["station_id"] == "JFK"
    assert message["window_end"] == "<window_end>"
    assert message["forecast"] == {
        "temperature_predictions": [1, 2, 3, 4, 5, 6, 7],
        "horizon_hours": 7,
        "confidence": None,
    }
    assert message["current_conditions"]["pressure_mean"] == "<pressure_mean>"


def test_each_message_has_its_own_columns_in_the_order_of_the_batch(manifest: Manifest) -> None:
    values = np.arange(21.0).reshape(3, 7, 1)
    given = batch(
        values,
        series=["a", "b", "c"],
        newest_us=np.array([FIVE + 3_600_000_000, FIVE, FIVE]),
        filled=np.array([0, 2, 1], np.int32),
        revision=np.array([False, True, False]),
        rows={"x": [{"deep": 1}, None, "ü"]},
    )
    tree = {
        "s": "$series",
        "t": "$issued_at",
        "f": "$forecast.temperature",
        "n": "$filled",
        "r": "$revision",
        "x": "$row.x",
    }
    assert [json.loads(m) for m in encode(manifest, given, tree)] == [
        {"s": "a", "t": "2013-10-01T06:00:00Z", "f": [*range(7)], "n": 0, "r": False, "x": {"deep": 1}},
        {"s": "b", "t": "2013-10-01T05:00:00Z", "f": [*range(7, 14)], "n": 2, "r": True, "x": None},
        {"s": "c", "t": "2013-10-01T05:00:00Z", "f": [*range(14, 21)], "n": 1, "r": False, "x": "ü"},
    ]


@pytest.mark.parametrize("series", ["Zürich-Flüe", "東京", 'a"b\\c', "%d%b", "\x00\n", "🌧", ""])
def test_a_series_of_any_letters(manifest: Manifest, series: str) -> None:
    message = encode(manifest, batch(one_target([1.0] * 7), series=[series]))[0]
    assert json.loads(message.decode())["series"] == series


def test_nothing_and_constants(manifest: Manifest) -> None:
    assert encode(manifest, batch(np.empty((0, 7, 1)))) == []
    assert encode(manifest, batch(np.zeros((2, 7, 1))), {"x": "5%"}) == [b'{"x":"5%"}'] * 2


def test_several_targets(manifest: Manifest) -> None:
    two = msgspec.structs.replace(manifest, targets=(Column("t", unit="degF"), Column("w", unit="mph")))
    values = np.array([[[1.0, 10.0], [2.0, 20.0]], [[3.0, 30.0], [4.0, 40.0]]])
    told = [json.loads(m) for m in encode(two, batch(values), horizon=2)]
    assert [m["forecast"] for m in told] == [{"t": [1, 2], "w": [10, 20]}, {"t": [3, 4], "w": [30, 40]}]
    assert told[0]["unit"] == {"t": "degF", "w": "mph"}
    assert told[0]["native_steps"] == 2


def test_a_horizon_shorter_than_the_networks(manifest: Manifest) -> None:
    tree = {"s": "$steps", "n": "$native_steps", "r": "$rolled_out_steps", "f": "$forecast.temperature"}
    told = json.loads(encode(manifest, batch(one_target([1, 2, 3])), tree, horizon=3)[0])
    assert told == {"s": 3, "n": 3, "r": 0, "f": [1, 2, 3]}


def test_a_roll_out_that_stopped_holds_its_steps_and_no_more(manifest: Manifest) -> None:
    values = np.full((3, 10, 1), np.nan)
    values[0], values[1, :7], values[2, :8] = 1.0, 2.0, 3.0
    told = [
        json.loads(m) for m in encode(manifest, batch(values, steps=np.array([10, 7, 8])), None, horizon=10)
    ]
    assert [m["forecast"]["temperature"] for m in told] == [[1.0] * 10, [2.0] * 7, [3.0] * 8]
    assert [m["rolled_out_steps"] for m in told] == [3, 0, 1]
    assert {m["native_steps"] for m in told} == {7}


def test_all_roll_outs_whole_and_some_not_give_the_same_text(manifest: Manifest) -> None:
    values = np.random.default_rng(0).normal(50, 20, (2, 10, 1))
    whole = encode(manifest, batch(values), None, horizon=10)
    values[1, 9:] = np.nan
    assert encode(manifest, batch(values, steps=np.array([10, 9])), None, horizon=10)[0] == whole[0]


@pytest.mark.parametrize("spread", [1e-9, 0.02, 1.0, 20.0, 1250.0, 3e12])
def test_numbers_are_within_a_ten_millionth_of_the_range(manifest: Manifest, spread: float) -> None:
    column = Column("temperature", center=0.0, spread=spread)
    width = 8 * spread
    values = np.random.default_rng(1).uniform(-4 * spread, 4 * spread, (500, 7, 1))
    made = encode(msgspec.structs.replace(manifest, targets=(column,)), batch(values))
    told = np.array([json.loads(m)["forecast"]["temperature"] for m in made])
    assert np.abs(told - values[:, :, 0]).max() <= 1e-7 * width
    assert len(made[0]) < 500  # and no longer than they need to be: 17 digits each would not fit


@pytest.mark.parametrize("column", [Column("temperature"), Column("temperature", low=5.0, high=5.0)])
def test_of_a_target_without_a_range_every_digit_stays(manifest: Manifest, column: Column) -> None:
    plain = msgspec.structs.replace(manifest, targets=(column,))
    values = np.random.default_rng(2).normal(0, 1e-9, (1, 7, 1))
    told = json.loads(encode(plain, batch(values))[0])["forecast"]["temperature"]
    assert told == values[0, :, 0].tolist()


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (FIVE + 250_000, "2013-10-01T05:00:00.250000Z"),
        (253_402_300_799_000_000, "9999-12-31T23:59:59Z"),
    ],
)
def test_times(manifest: Manifest, time_us: int, text: str) -> None:
    beside = [FIVE, time_us, FIVE + 1]  # a message does not depend on what else is in its batch
    told = encode(manifest, batch(np.zeros((3, 7, 1)), newest_us=np.array(beside)), {"t": "$issued_at"})
    assert [json.loads(m)["t"] for m in told] == ["2013-10-01T05:00:00Z", text, "2013-10-01T05:00:00.000001Z"]
