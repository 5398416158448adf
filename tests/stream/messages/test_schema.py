"""The schema of the docs is that of the messages: what is encoded fits it, and what differs does not."""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from foretell.bundle.manifest import Manifest
from foretell.rows.reasons import Reason
from foretell.stream.messages.codec import ForecastBatch, ForecastEncoder
from foretell.stream.messages.deadletter import dead_letter_headers
from foretell.stream.messages.schema import DEAD_LETTER_HEADERS, FORECAST_HEADERS, REASONS, forecast_schema
from foretell.stream.messages.template import DEFAULT, compile_template

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "null": type(None),
}


def faults(schema: dict[str, Any], value: Any, at: str = "$") -> Iterator[str]:
    """What of a value breaks a schema, for the keywords that ours uses."""
    kinds = schema.get("type", [])
    allowed = tuple(TYPES[k] for k in ([kinds] if isinstance(kinds, str) else kinds))
    if allowed and not any(isinstance(value, kind) for kind in allowed):
        yield f"{at}: type"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{at}: const"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: pattern"
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{at}: bounds"
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{at}: minItems"
        for i, item in enumerate(value):
            yield from faults(schema.get("items", {}), item, f"{at}[{i}]")
    if isinstance(value, dict):
        yield from (f"{at}.{name}: required" for name in schema.get("required", []) if name not in value)
        for name, item in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
            if inner is False:
                yield f"{at}.{name}: additional"
            elif inner is not True:
                yield from faults(inner, item, f"{at}.{name}")


def message(manifest: Manifest, horizon: int | None = None) -> Any:
    steps = horizon or manifest.horizon
    batch = ForecastBatch(
        series=["JFK"],
        newest_us=np.array([1_380_603_600_000_000]),
        values=np.full((1, steps, 1), 18.4),
        steps=np.array([steps]),
        filled=np.array([1], np.int32),
        revision=np.array([False]),
        rows={},
    )
    template = compile_template(manifest, None, horizon)
    return json.loads(ForecastEncoder(manifest, template).encode(batch)[0])


@pytest.mark.parametrize("horizon", [None, 3, 12])
def test_what_is_encoded_fits_the_schema(manifest: Manifest, horizon: int | None) -> None:
    told = message(manifest, horizon)
    assert list(faults(forecast_schema(), told)) == []
    assert list(faults(forecast_schema(manifest), told)) == []
    assert list(told) == [name for name in forecast_schema()["properties"] if name in told]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"series": None}, "$.series: type"),
        ({"version": "latest"}, "$.version: pattern"),
        ({"filled": -1}, "$.filled: bounds"),
        ({"forecast": {"temperature": []}}, "$.forecast.temperature: minItems"),
        ({"forecast": {"temperature": [1, None]}}, "$.forecast.temperature[1]: type"),
        ({"more": 1}, "$.more: additional"),
    ],
)
def test_what_is_no_forecast_does_not(manifest: Manifest, change: dict[str, Any], fault: str) -> None:
    assert fault in list(faults(forecast_schema(), message(manifest) | change))


def test_a_bundles_own_schema_is_closer(manifest: Manifest) -> None:
    schema = forecast_schema(manifest)
    assert schema["title"] == "Forecast of weather"
    for change, fault in (
        ({"model": "other"}, "$.model: const"),
        ({"version": "0123456789ab"}, "$.version: const"),
        ({"step_s": 60}, "$.step_s: const"),
        ({"native_steps": 8}, "$.native_steps: bounds"),
        ({"forecast": {"humidity": [1]}}, "$.forecast.temperature: required"),
        ({"forecast": {"temperature": [1], "humidity": [1]}}, "$.forecast.humidity: additional"),
        ({"unit": {"temperature": "degC"}}, "$.unit.temperature: const"),
    ):
        assert list(faults(forecast_schema(), message(manifest) | change)) == []
        assert fault in list(faults(schema, message(manifest) | change))


def test_every_field_is_described_and_the_required_are_those_of_the_default() -> None:
    schema = forecast_schema()
    assert schema["required"] == list(DEFAULT)
    assert all(field["description"] for field in schema["properties"].values())


def test_headers_and_reasons_are_all_told() -> None:
    given = dead_letter_headers(Reason.TOO_LATE, "late", b"rows/0/1", timestamp_ms=1)
    assert {name for name, _ in given} <= DEAD_LETTER_HEADERS.keys()
    assert set(FORECAST_HEADERS) == {"foretell-origin", "foretell-revision"}
    assert set(REASONS) == set(Reason) - {Reason.OK}
