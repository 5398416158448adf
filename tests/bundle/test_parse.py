"""Each field of bundle.json that makes no sense is refused by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foretell.bundle.parse import parse_manifest
from foretell.errors import ManifestInvalid


@pytest.fixture
def document(bundle_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle_path / "bundle.json").read_text())
    return found


def refused(document: dict[str, Any]) -> str:
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(json.dumps(document).encode())
    return caught.value.message


def test_what_was_written_is_read(document: dict[str, Any]) -> None:
    manifest = parse_manifest(json.dumps(document).encode())
    assert [column.name for column in manifest.inputs] == ["temperature", "wind_speed", "dewpoint"]
    assert manifest.input_shape == (7, 3)


def test_channels_first_turns_the_input_shape(document: dict[str, Any]) -> None:
    document["layout"] = "channels_first"
    assert parse_manifest(json.dumps(document).encode()).input_shape == (3, 7)


def test_a_newer_format_is_refused_before_its_unknown_fields(document: dict[str, Any]) -> None:
    document |= {"format": 2, "something_new": 1}
    assert "`format` is 2" in refused(document)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(text)


@pytest.mark.parametrize(
    "field",
    [
        "name",
        "version",
        "created",
        "task",
        "inputs",
        "targets",
        "lookback",
        "horizon",
        "step_s",
        "layout",
        "outputs",
        "input_scaling",
        "target_scaling",
        "adapter",
        "tolerance",
        "provenance",
        "files",
    ],
)
def test_a_missing_field_is_named(document: dict[str, Any], field: str) -> None:
    del document[field]
    assert f"`{field}`" in refused(document)


def test_an_unknown_field_is_named(document: dict[str, Any]) -> None:
    document["inputs"][1]["colour"] = "red"
    message = refused(document)
    assert "colour" in message
    assert "$.inputs[" in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 0),
        ("name", "../weather"),
        ("name", ""),
        ("version", "3f9c"),
        ("version", "3F9C2AB41D07"),
        ("task", "guess"),
        ("lookback", 0),
        ("lookback", 7.5),
        ("lookback", 10**9),
        ("horizon", 0),
        ("step_s", -3600.0),
        ("step_s", 0),
        ("layout", "sideways"),
        ("inputs", []),
        ("targets", []),
        ("outputs", []),
        ("tolerance", 0),
        ("tolerance", 1.0),
        ("tolerance", None),
    ],
)
def test_a_senseless_value_is_named(document: dict[str, Any], field: str, value: object) -> None:
    document[field] = value
    assert field in refused(document)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: d["inputs"].append({"name": "dewpoint"}), "inputs"),
        (lambda d: d["inputs"][0].update(name=""), "inputs[0].name"),
        (lambda d: d["inputs"][0].update(low=2.0, high=1.0), "inputs[0].low"),
        (lambda d: d["inputs"][0].update(spread=-1.0), "inputs[0].spread"),
        (lambda d: d["outputs"].append(d["outputs"][0]), "outputs"),
        (lambda d: d["outputs"][0].update(shape=[8]), "outputs[0].shape"),
        (lambda d: d["outputs"][0].update(shape=[0]), "outputs[0].shape"),
        (lambda d: d["input_scaling"]["center"].append(0.0), "input_scaling.center"),
        (lambda d: d["target_scaling"]["scale"].__setitem__(0, 0.0), "target_scaling.scale"),
        (lambda d: d["adapter"].update(features={"humidity": {"field": "h"}}), "adapter.features.humidity"),
        (lambda d: d["files"].pop("golden.npz"), "golden.npz"),
        (lambda d: d["files"].update({"../x": d["files"]["model.onnx"]}), "files.../x"),
        (lambda d: d["files"].update({"/etc/passwd": d["files"]["model.onnx"]}), "files./etc/passwd"),
        (lambda d: d["files"].update({"a/b": d["files"]["model.onnx"]}), "files.a/b"),
        (lambda d: d["files"].update({"bundle.json": d["files"]["model.onnx"]}), "files.bundle.json"),
        (lambda d: d["files"]["model.onnx"].update(size=-1), "files.model.onnx.size"),
        (lambda d: d["files"]["model.onnx"].update(sha256="00"), "files.model.onnx.sha256"),
    ],
)
def test_parts_that_contradict_each_other_are_named(
    document: dict[str, Any], change: Callable[[dict[str, Any]], object], named: str
) -> None:
    change(document)
    assert named in refused(document)
