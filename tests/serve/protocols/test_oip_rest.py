"""The Open Inference Protocol over HTTP, JSON."""

from typing import Any

import numpy as np
import pytest

from foretell.bundle.manifest import Manifest
from foretell.serve.backend import Priority

INFER = "/v2/models/weather/infer"


def tensor(window: list[list[float]], **other: Any) -> dict[str, Any]:
    flat = [x for step in window for x in step]
    return {"name": "windows", "shape": [1, 7, 3], "datatype": "FP64", "data": flat, **other}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models", {"models": ["features", "weather"]}),
        ("/v2/models/weather/ready", {"name": "weather", "ready": True}),
    ],
)
def test_health(ask: Any, path: str, told: object) -> None:
    answer = ask("GET", path)
    assert (answer.status, answer.json) == (200, told)


def test_not_ready_is_503(ask: Any, backend: Any) -> None:
    backend.is_ready = False
    assert ask("GET", "/v2/health/live").status == 200
    for path in ("/v2/health/ready", "/v2/models/weather/ready"):
        assert (ask("GET", path).status, ask("GET", path).json["ready"]) == (503, False)


def test_server_metadata(ask: Any) -> None:
    told = ask("GET", "/v2").json
    assert told["name"] == "foretell"
    assert told["extensions"] == ["binary_tensor_data"]


def test_model_metadata(ask: Any, weather: Manifest) -> None:
    told = ask("GET", "/v2/models/weather").json
    assert told["versions"] == [weather.version]
    assert told["inputs"] == [{"name": "windows", "datatype": "FP64", "shape": [-1, 7, 3]}]
    assert told["outputs"] == [{"name": "forecast", "datatype": "FP64", "shape": [-1, -1, 1]}]
    assert told["properties"]["horizon"] == "7"
    assert ask("GET", f"/v2/models/weather/versions/{weather.version}").json == told
    features = ask("GET", "/v2/models/features").json
    assert features["inputs"][0]["shape"] == [-1, 2, 5]
    assert [o["name"] for o in features["outputs"]] == ["mean", "growth"]


def test_infer(ask: Any, weather: Manifest, window: list[list[float]]) -> None:
    answer = ask("POST", INFER, {"id": "42", "inputs": [tensor(window)]})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {
        "model_name": "weather",
        "model_version": weather.version,
        "id": "42",
        "outputs": [
            {
                "name": "forecast",
                "datatype": "FP64",
                "shape": [1, 7, 1],
                "data": [57.0, 58.0, 59.0, 60.0, 61.0, 62.0, 63.0],
            }
        ],
    }


@pytest.mark.parametrize("id_", ["\x1f", "a\r\nSet-Cookie: b=c", "é", "x" * 129])
def test_an_id_that_is_unfit_for_a_header_stays_in_the_body(
    ask: Any, window: list[list[float]], id_: str
) -> None:
    answer = ask("POST", INFER, {"id": id_, "inputs": [tensor(window)]})
    assert answer.json["id"] == id_
    assert answer.headers["x-request-id"].isascii()
    assert answer.headers["x-request-id"].isprintable()
    assert len(answer.headers["x-request-id"]) < 128
    good = ask("POST", INFER, {"id": "42", "inputs": [tensor(window)]})
    assert good.headers["x-request-id"] == "42"


def test_nested_data_is_the_same_as_flat(ask: Any, window: list[list[float]]) -> None:
    flat = ask("POST", INFER, {"inputs": [tensor(window)]}).json
    assert ask("POST", INFER, {"inputs": [tensor(window, data=[window])]}).json == flat


def test_integers_and_single_precision_are_cast_by_rule(
    ask: Any, backend: Any, window: list[list[float]]
) -> None:
    whole = [tensor([[int(x) for x in step] for step in window], datatype="INT32")]
    assert ask("POST", INFER, {"inputs": whole}).status == 200
    np.testing.assert_array_equal(backend.calls[-1].windows, [window])
    window[0][0] = 0.1
    assert ask("POST", INFER, {"inputs": [tensor(window, datatype="FP32")]}).status == 200
    assert backend.calls[-1].windows[0, 0, 0] == np.float32(0.1)
    assert backend.calls[-1].windows.dtype == np.float64


def test_parameters(ask: Any, backend: Any, window: list[list[float]]) -> None:
    parameters = {"priority": "high", "deadline_ms": 60_000, "horizon": 3}
    answer = ask("POST", INFER, {"inputs": [tensor(window)], "parameters": parameters})
    assert answer.json["outputs"][0]["shape"] == [1, 3, 1]
    call = backend.calls[-1]
    assert (call.priority, call.horizon) == (Priority.HIGH, 3)
    ask("POST", INFER, {"inputs": [tensor(window)], "parameters": {"timeout": 2_000_000, "priority": 1}})
    assert backend.calls[-1].priority is Priority.MEDIUM
    assert 0 < call.deadline - backend.calls[-1].deadline < 60
    ask("POST", INFER, {"inputs": [tensor(window)]})
    assert (backend.calls[-1].priority, backend.calls[-1].deadline) == (Priority.LOW, None)


def test_outputs_are_selected_in_the_order_asked_for(ask: Any) -> None:
    body = {
        "inputs": [{"name": "x", "shape": [2, 2, 5], "datatype": "FP32", "data": [3.0] * 20}],
        "outputs": [{"name": "growth"}, {"name": "mean"}],
    }
    answer = ask("POST", "/v2/models/features/infer", body).json
    assert [(o["name"], o["shape"]) for o in answer["outputs"]] == [("growth", [2, 1]), ("mean", [2, 2])]
    body["outputs"] = [{"name": "mean"}]
    answer = ask("POST", "/v2/models/features/infer", body).json
    assert [(o["name"], o["datatype"], o["data"]) for o in answer["outputs"]] == [("mean", "FP32", [3.0] * 4)]


def test_an_item_that_failed_is_null_and_told(ask: Any, backend: Any, window: list[list[float]]) -> None:
    backend.refuse = {1}
    body = {"inputs": [{**tensor(window), "shape": [2, 7, 3], "data": [window, window]}]}
    answer = ask("POST", INFER, body).json
    assert answer["outputs"][0]["data"][6:8] == [63.0, None]
    assert answer["parameters"] == {"refused": "1"}
    backend.refuse = {0, 1}
    all_failed = ask("POST", INFER, body)
    assert (all_failed.status, all_failed.json["code"]) == (500, "engine")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"shape": [1, 7, 2]}, "inputs[0].shape"),
        ({"shape": [7, 3]}, "inputs[0].shape"),
        ({"shape": [0, 7, 3]}, "inputs[0].shape"),
        ({"shape": [-1, 7, 3]}, "inputs[0].shape"),
        ({"shape": [1.5, 7, 3]}, "inputs[0].shape[0]"),
        ({"data": [1.0] * 20}, "inputs[0].data"),
        ({"data": [[[1.0] * 7] * 3]}, "inputs[0].data"),
        ({"data": [[[1.0], [1.0, 2.0]]]}, "inputs[0].data"),
        ({"data": [1.0] * 20 + [None]}, "inputs[0].data[20]"),
        ({"data": [1.0] * 20 + ["1.0"]}, "inputs[0].data[20]"),
        ({"data": [True] * 21}, "inputs[0].data[0]"),
        ({"data": [1e39] * 21, "datatype": "FP32"}, "inputs[0].data[0][0][0]"),
        ({"data": [1] * 20 + [1.5], "datatype": "INT8"}, "inputs[0].data[20]"),
        ({"data": [1] * 20 + [300], "datatype": "UINT8"}, "inputs[0].data[20]"),
        ({"datatype": "BYTES"}, "inputs[0].datatype"),
        ({"datatype": "BOOL"}, "inputs[0].datatype"),
        ({"dtype": "FP32"}, "inputs[0].dtype"),
        ({"parameters": {"colour": "red"}}, "inputs[0].parameters.colour"),
        ({"parameters": {"binary_data_size": 168}}, "inputs[0].data"),
    ],
)
def test_a_wrong_tensor_is_422_with_its_path(
    ask: Any, window: list[list[float]], change: dict[str, Any], path: str
) -> None:
    answer = ask("POST", INFER, {"inputs": [tensor(window, **change)]})
    assert (answer.status, answer.json["path"]) == (422, path)
    assert answer.json["code"] == "invalid"
    assert path in answer.json["error"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"inputs": []}, "inputs"),
        ({"colour": "red"}, "colour"),
        ({"model_name": "features"}, "model_name"),
        ({"parameters": {"colour": "red"}}, "parameters.colour"),
        ({"parameters": {"priority": "urgent"}}, "parameters.priority"),
        ({"parameters": {"priority": 3}}, "parameters.priority"),
        ({"parameters": {"priority": True}}, "parameters.priority"),
        ({"parameters": {"deadline_ms": -1}}, "parameters.deadline_ms"),
        ({"parameters": {"deadline_ms": "soon"}}, "parameters.deadline_ms"),
        ({"parameters": {"horizon": 0}}, "parameters.horizon"),
        ({"parameters": {"horizon": 10**18}}, "parameters.horizon"),
        ({"parameters": {"x" * 1_000_000: 1}}, "parameters." + "x" * 289),
        ({"parameters": {"horizon": [1]}}, "parameters.horizon"),
        ({"parameters": {"binary_data_output": 1}}, "parameters.binary_data_output"),
        ({"outputs": [{"name": "mean"}]}, "outputs[0].name"),
        ({"outputs": [{"name": "forecast"}, {"name": "forecast"}]}, "outputs[1].name"),
        ({"outputs": [{"name": "forecast", "parameters": {"top": 1}}]}, "outputs[0].parameters.top"),
    ],
)
def test_a_wrong_request_is_422_with_its_path(
    ask: Any, window: list[list[float]], change: dict[str, Any], path: str
) -> None:
    answer = ask("POST", INFER, {"inputs": [tensor(window)], **change})
    assert (answer.status, answer.json["path"]) == (422, path)


def test_unknown_models_and_versions_are_404(ask: Any, window: list[list[float]]) -> None:
    for path in ("/v2/models/none", "/v2/models/none/infer", "/v2/models/weather/versions/1/infer"):
        method = "POST" if path.endswith("infer") else "GET"
        answer = ask(method, path, {"inputs": [tensor(window)]} if method == "POST" else b"")
        assert (answer.status, answer.json["code"]) == (404, "model_not_found")
