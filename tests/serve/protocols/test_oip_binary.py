"""The binary tensor data extension."""

from typing import Any

import msgspec
import numpy as np
import pytest

INFER = "/v2/models/weather/infer"
LENGTH = "Inference-Header-Content-Length"
WINDOWS = np.array([[[50.0 + i + n, 8.0, 40.0] for i in range(7)] for n in range(2)])


def binary(dtype: str = "FP64", size: int | None = None, **more: Any) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request whose input is bytes."""
    data = WINDOWS.astype({"FP64": "<f8", "FP32": "<f4", "INT16": "<i2"}[dtype]).tobytes()
    tensor: dict[str, Any] = {"name": "windows", "shape": [2, 7, 3], "datatype": dtype}
    tensor["parameters"] = {"binary_data_size": len(data) if size is None else size}
    head = msgspec.json.encode({"inputs": [tensor], **more})
    return head + data, {LENGTH: str(len(head))}


def read(answer: Any) -> tuple[dict[str, Any], bytes]:
    """JSON and tail of an answer."""
    length = int(answer.headers[LENGTH.lower()])
    head: dict[str, Any] = msgspec.json.decode(answer.body[:length])
    return head, answer.body[length:]


@pytest.mark.parametrize("dtype", ["FP64", "FP32", "INT16"])
def test_bytes_in_json_out(ask: Any, backend: Any, dtype: str) -> None:
    body, headers = binary(dtype)
    answer = ask("POST", INFER, body, headers)
    assert answer.status == 200
    assert answer.json["outputs"][0]["data"][:2] == [57.0, 58.0]
    np.testing.assert_array_equal(backend.calls[-1].windows, WINDOWS)


def test_json_in_bytes_out(ask: Any) -> None:
    tensor = {"name": "x", "shape": [2, 7, 3], "datatype": "FP64", "data": WINDOWS.tolist()}
    for more in (
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "forecast", "parameters": {"binary_data": True}}]},
    ):
        answer = ask("POST", INFER, {"inputs": [tensor], **more})
        assert answer.headers["content-type"] == "application/octet-stream"
        head, tail = read(answer)
        output = head["outputs"][0]
        assert output["parameters"] == {"binary_data_size": len(tail)}
        assert "data" not in output
        expected = WINDOWS[:, -1:, 0] + np.arange(1.0, 8.0)
        np.testing.assert_array_equal(np.frombuffer(tail, "<f8").reshape(output["shape"])[..., 0], expected)


def test_an_output_may_be_asked_for_as_json_among_bytes(ask: Any) -> None:
    body = {
        "inputs": [{"name": "x", "shape": [1, 2, 5], "datatype": "FP32", "data": [3.0] * 10}],
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "mean", "parameters": {"binary_data": False}}, {"name": "growth"}],
    }
    head, tail = read(ask("POST", "/v2/models/features/infer", body))
    assert head["outputs"][0]["data"] == [3.0, 3.0]
    assert (head["outputs"][1]["datatype"], len(tail)) == ("FP32", 4)


def test_sizes_that_do_not_agree_are_422(ask: Any) -> None:
    size_path = "inputs[0].parameters.binary_data_size"
    body, headers = binary()
    length = headers[LENGTH]
    wrong = [
        (binary(size=8)[0], {LENGTH: str(len(binary(size=8)[0]) - 336)}, size_path),
        (body[:-8], headers, size_path),
        (body, {LENGTH: "99999"}, LENGTH),
        (body, {LENGTH: "-1"}, LENGTH),
        (body, {LENGTH: "1" * 5000}, LENGTH),
        (binary(size=-1)[0], {LENGTH: str(len(binary(size=-1)[0]) - 336)}, size_path),
        (body + b"more", {LENGTH: length}, size_path),
    ]
    for data, told, path in wrong:
        answer = ask("POST", INFER, data, told)
        assert (answer.status, answer.json["path"]) == (422, path)


def test_bytes_must_fit_the_shape_and_be_finite(ask: Any) -> None:
    nan = np.full((1, 7, 3), np.nan).tobytes()
    for data, shape, path in ((nan, [1, 7, 3], "inputs[0].data[0][0][0]"), (nan, [2, 7, 3], "inputs[0]")):
        tensor = {"name": "x", "shape": shape, "datatype": "FP64"}
        head = msgspec.json.encode({"inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}]})
        answer = ask("POST", INFER, head + data, {LENGTH: str(len(head))})
        assert (answer.status, answer.json["path"]) == (422, path)
