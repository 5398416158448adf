"""The OpenAPI document tells the truth, and its examples run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from foretell.bundle.bundle import open_bundle
from foretell.config import RowSettings
from foretell.rows.adapter import Adapter, FeatureRule, Source
from foretell.serve.protocols.examples import forecast_example, row_fields

FEATURES = ("temperature", "wind_speed", "dewpoint", "hour")
ADAPTER = Adapter(
    {
        "temperature": FeatureRule("air.temperature", "degC", None, "degF"),
        "dewpoint": FeatureRule(
            derive="dew_point",
            of={"temperature": Source("air.temperature", "degC"), "humidity": Source("humidity")},
            model_unit="degF",
        ),
        "hour": FeatureRule(derive="hour_sin"),
    }
)


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        here = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return here.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_operation_answers_its_own_example(ask: Any) -> None:
    document = ask("GET", "/openapi.json").json
    assert document["openapi"] == "3.1.0"
    told = operations(document)
    assert {path for _, path, _ in told} >= {"/v1/forecast/weather", "/v2/models/features/infer", "/metrics"}
    for method, path, operation in told:
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        answer = ask(method, path, b"" if body is None else body)
        assert answer.status == 200, (path, answer.body)
        assert answer.headers["content-type"] in operation["responses"]["200"]["content"]


def test_no_reference_leads_nowhere(ask: Any) -> None:
    document = ask("GET", "/openapi.json").json
    schemas = document["components"]["schemas"]
    assert {name.removeprefix("#/components/schemas/") for name in references(document)} <= schemas.keys()


def test_the_document_names_inputs_units_and_shapes(ask: Any) -> None:
    paths = ask("GET", "/openapi.json").json["paths"]
    forecast = paths["/v1/forecast/weather"]["post"]
    assert "temperature (50 ± 20)" in forecast["description"]
    infer = paths["/v2/models/features/infer"]["post"]["requestBody"]["content"]["application/json"]
    shape = infer["schema"]["allOf"][1]["properties"]["inputs"]["items"]["properties"]["shape"]
    assert shape["prefixItems"][1:] == [{"const": 2}, {"const": 5}]


@pytest.mark.parametrize("time_format", ["iso8601", "epoch_s", "epoch_ms", "epoch_us"])
def test_examples_of_adapted_rows_run(
    backend: Any,
    asking: Any,
    make_app: Any,
    tmp_path: Path,
    make_bundle: Callable[..., Path],
    time_format: Any,
) -> None:
    bundle = make_bundle(tmp_path, name="adapted", features=FEATURES, adapter=ADAPTER)
    backend.manifests()["adapted"] = manifest = open_bundle(bundle).manifest
    rows = RowSettings(timestamp="at.time", time_format=time_format)
    example = forecast_example(manifest, rows)
    assert example["rows"][0]["air"] == {"temperature": 10.0}
    answer = asking(make_app(rows=rows))("POST", "/v1/forecast/adapted", example)
    assert answer.status == 200, answer.body
    assert backend.calls[-1].windows[0, 0, 0] == pytest.approx(50.0)


def test_the_fields_of_a_row_and_their_units(tmp_path: Path, make_bundle: Callable[..., Path]) -> None:
    manifest = open_bundle(make_bundle(tmp_path, features=FEATURES, adapter=ADAPTER)).manifest
    told = {"air.temperature": "degC", "wind_speed": None, "humidity": "percent"}
    assert row_fields(manifest) == told


def test_an_example_is_there_for_the_asking_and_holds_no_negative_zero(ask: Any, backend: Any) -> None:
    manifest = backend.manifests()["weather"]
    columns = tuple(msgspec.structs.replace(c, center=-0.0001) for c in manifest.inputs)
    backend.manifests()["weather"] = msgspec.structs.replace(manifest, inputs=columns)
    example = ask("GET", "/v1/forecast/weather/example")
    assert example.status == 200
    assert b"-0" not in example.body.replace(b"2025-01-0", b"")
    assert ask("POST", "/v1/forecast/weather", example.body).status == 200
    assert ask("GET", "/v1/forecast/none/example").status == 404


def test_the_page_needs_nothing_from_elsewhere(ask: Any) -> None:
    page = ask("GET", "/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert b"://" not in page.body
    assert b"/openapi.json" in page.body
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert ask("GET", "/").headers["location"] == "/docs"
