"""Triton's gRPC client against the server at 127.0.0.1:PORT: `triton_grpc.py PORT`."""

import sys
import threading
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from expected import BY_MODEL, EXPECTED, WINDOWS
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(f"127.0.0.1:{sys.argv[1]}")
assert client.is_server_live()
assert client.is_server_ready()
assert client.is_model_ready("weather")
assert client.get_server_metadata(as_json=True)["name"] == "foretell"
metadata = client.get_model_metadata("weather")
assert list(metadata.inputs[0].shape) == [-1, 7, 3]
(version,) = metadata.versions


def tensor(dtype: str) -> triton.InferInput:
    told = triton.InferInput(metadata.inputs[0].name, [2, 7, 3], dtype)
    told.set_data_from_numpy(WINDOWS.astype({"FP32": np.float32, "FP64": np.float64}[dtype]))
    return told


for dtype in ("FP32", "FP64"):
    answer = client.infer(
        "weather",
        [tensor(dtype)],
        model_version=version,
        outputs=[triton.InferRequestedOutput("forecast")],
        request_id="42",
        priority=2,
        timeout=5_000_000,
        client_timeout=5,
        parameters={"horizon": 7},
    )
    np.testing.assert_array_equal(answer.as_numpy("forecast"), EXPECTED)
    assert answer.get_response().id == "42"

done = threading.Event()
results: list[Any] = []


def take(result: Any, error: Any) -> None:
    results.append(error or result)
    done.set()


client.async_infer("weather", [tensor("FP32")], take)
assert done.wait(5)
np.testing.assert_array_equal(results[0].as_numpy("forecast"), EXPECTED)

for model, (windows, outputs) in BY_MODEL.items():
    assert [output.name for output in client.get_model_metadata(model).outputs] == list(outputs)
    asked = triton.InferInput("windows", windows.shape, "FP64")
    asked.set_data_from_numpy(windows)
    for names in (None, list(outputs)[::-1][:2]):  # all, and some of them in another order
        wanted = names and [triton.InferRequestedOutput(name) for name in names]
        answer = client.infer(model, [asked], outputs=wanted)
        told = [output.name for output in answer.get_response().outputs]
        assert told == (names or list(outputs))
        for name in told:
            np.testing.assert_array_equal(answer.as_numpy(name), outputs[name], name)

wrong = triton.InferInput("x", [1, 7, 2], "FP32")
wrong.set_data_from_numpy(np.zeros((1, 7, 2), np.float32))
said, status = "", ""
try:
    client.infer("weather", [wrong])
except InferenceServerException as error:
    said, status = error.message(), error.status()
assert "weather reads [n, 7, 3]" in said, said
assert "give 7 steps of temperature, wind_speed, dewpoint" in said, said
assert status == "StatusCode.INVALID_ARGUMENT"
client.close()
