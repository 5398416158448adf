"""adapter.yaml: what it may say, and that each mistake is told with its line."""

from pathlib import Path

import pytest

from foretell.errors import AdapterError
from foretell.rows.adapter import Adapter, FeatureRule, Source
from foretell.rows.adapter_file import adapter_yaml, load_adapter, parse_adapter

FEATURES = ("temperature", "wind_speed", "dewpoint", "hour")
GOOD = """\
features:
  temperature: {field: temperature_mean, unit: degC, model_unit: degF}
  wind_speed: {field: wind.speed, unit: km/h, model_unit: mph, default: 0}
  dewpoint:
    derive: dew_point
    of:
      temperature: {field: temperature_mean, unit: degC}
      humidity: {field: humidity_mean, unit: percent}
    model_unit: degF
  hour: {derive: hour_sin}
"""


def test_a_whole_adapter(tmp_path: Path) -> None:
    file = tmp_path / "adapter.yaml"
    file.write_text(GOOD)
    adapter = load_adapter(file, FEATURES)
    assert adapter.features["wind_speed"] == FeatureRule("wind.speed", "km/h", 0.0, "mph")
    assert adapter.features["dewpoint"] == FeatureRule(
        derive="dew_point",
        of={
            "temperature": Source("temperature_mean", "degC"),
            "humidity": Source("humidity_mean", "percent"),
        },
        model_unit="degF",
    )
    assert parse_adapter(adapter_yaml(adapter), FEATURES) == adapter


@pytest.mark.parametrize("text", ["", "# nothing\n", "features:\n", "features: {}\n"])
def test_an_empty_adapter(text: str) -> None:
    assert parse_adapter(text, FEATURES) == Adapter()


WRONG = [
    ("features:\n  temprature: {field: t}\n", 2, "no feature 'temprature'", "temperature"),
    (
        "features:\n  hour: {field: h}\n  temperature: {field: t, unit: degX, model_unit: degF}\n",
        3,
        "degX",
        "degC",
    ),
    (
        "features:\n  temperature:\n    unit: degC\n    model_unit: mph\n",
        4,
        "temperature and mph a speed",
        "degF",
    ),
    ("features:\n  temperature:\n    unit: degC\n", 3, "what was the model trained in", "model_unit"),
    ("features:\n  dewpoint:\n    derive: dew\n", 3, "unknown derivation 'dew'", "dew_point"),
    (
        "features:\n  dewpoint: {derive: dew_point, of: {temperature: {field: t}}}\n",
        2,
        "lacks its input 'humidity'",
        "percent",
    ),
    ("features:\n  dewpoint: {derive: dew_point}\n", 2, "lacks its input", "humidity"),
    ("features:\n  hour:\n    field: h\n    derive: hour_sin\n", 3, "`field` and `derive`", "of"),
    (
        "features:\n  hour:\n    derive: hour_sin\n    of: {x: {field: x}}\n",
        4,
        "event time alone",
        "drop `of`",
    ),
    ("features:\n  hour: {derive: hour_sin, model_unit: degC}\n", 2, "event time alone", "model_unit"),
    ("features:\n  hour:\n    of: {x: {field: x}}\n", 3, "`of` without `derive`", "hour_sin"),
    ("features:\n  hour:\n    fild: h\n", 3, "no entry 'fild'", "model_unit"),
    ("features:\n  hour:\n    field: 3\n", 3, "Expected `str | null`", "entries"),
    ("features:\n  hour:\n    default: x\n", 3, "Expected `float | null`", "entries"),
    ("features:\n  hour:\n    default: .nan\n", 3, "no finite number", "number"),
    ("features:\n  hour:\n    field: a..b\n", 3, "'a..b' is no field", "wind.speed"),
    ("features:\n  hour: h\n", 2, "a rule is wanted, not a str", "field"),
    ("features: [hour]\n", 1, "mapping from features to rules", "field"),
    ("- hour\n", 1, "a mapping is wanted", "features"),
    ("\nfeature:\n  hour: {}\n", 3, "no entry 'feature'", "features"),
    ("features:\n  hour: {}\n  hour: {}\n", 3, "'hour' stands twice", "keep one"),
    ("features:\n  hour: {field: a\n", 3, "no valid YAML", "features"),
    ("features:\n  hour: !!python/object:os.system {}\n", 2, "no valid YAML", "features"),
    (
        "features:\n  dewpoint:\n    derive: dew_point\n    of:\n      temperature: {field: t, unit: hPa}\n"
        "      humidity: {field: h}\n",
        5,
        "hPa is a pressure and degC a temperature",
        "hPa",
    ),
    (
        "features:\n  dewpoint:\n    derive: dew_point\n    of:\n      temperature: {field: t}\n"
        "      humidity: {field: h}\n      wind: {field: w}\n",
        7,
        "no input 'wind'",
        "humidity",
    ),
    (
        "features:\n  dewpoint:\n    derive: dew_point\n    of:\n      temperature: {unit: degC}\n"
        "      humidity: {field: h}\n",
        5,
        "required field `field`",
        "entries: field, unit, default",
    ),
]


@pytest.mark.parametrize(("text", "line", "message", "cure"), WRONG)
def test_mistakes_are_told_with_line_and_cure(text: str, line: int, message: str, cure: str) -> None:
    with pytest.raises(AdapterError) as caught:
        parse_adapter(text, FEATURES, "some/adapter.yaml")
    assert caught.value.message.startswith(f"some/adapter.yaml, line {line}: ")
    assert message in caught.value.message
    assert caught.value.cure is not None
    assert cure in caught.value.cure


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="does not exist"):
        load_adapter(tmp_path / "none.yaml", FEATURES)
    with pytest.raises(AdapterError, match="cannot be read"):
        load_adapter(tmp_path, FEATURES)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AdapterError, match="cannot be read"):
        load_adapter(tmp_path / "binary.yaml", FEATURES)
    (tmp_path / "large.yaml").write_bytes(b" " * 1_000_001)
    with pytest.raises(AdapterError, match="larger than"):
        load_adapter(tmp_path / "large.yaml", FEATURES)


def test_anchors_that_unfold_to_gigabytes_are_harmless() -> None:
    layers = ["&a0 [x]"] + [f"&a{i + 1} [{', '.join([f'*a{i}'] * 10)}]" for i in range(12)]
    with pytest.raises(AdapterError, match=r"line 2: features\.hour: a rule is wanted, not a list"):
        parse_adapter(f"features:\n  hour: [{', '.join(layers)}]\n", FEATURES)
