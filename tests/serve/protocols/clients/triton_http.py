"""Triton's HTTP client against the server at 127.0.0.1:PORT: `triton_http.py PORT`."""

import sys

import numpy as np
import tritonclient.http as triton
from expected import BY_MODEL, EXPECTED, WINDOWS
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(f"127.0.0.1:{sys.argv[1]}")
assert client.is_server_live()
assert client.is_server_ready()
assert client.is_model_ready("weather")
assert not client.is_model_ready("none")
assert client.get_server_metadata()["name"] == "foretell"
metadata = client.get_model_metadata("weather")
assert metadata["inputs"][0]["shape"] == [-1, 7, 3]
(version,) = metadata["versions"]
assert client.is_model_ready("weather", version)


def tensor(dtype: str, *, binary: bool) -> triton.InferInput:
    told = triton.InferInput(metadata["inputs"][0]["name"], [2, 7, 3], dtype)
    told.set_data_from_numpy(WINDOWS.astype({"FP32": np.float32, "FP64": np.float64}[dtype]), binary)
    return told


for dtype in ("FP32", "FP64"):
    for binary_in in (True, False):
        for binary_out in (True, False):
            answer = client.infer(
                "weather",
                [tensor(dtype, binary=binary_in)],
                outputs=[triton.InferRequestedOutput("forecast", binary_data=binary_out)],
                request_id="42",
                priority=2,
                timeout=5_000_000,
                parameters={"horizon": 7},
            )
            np.testing.assert_array_equal(answer.as_numpy("forecast"), EXPECTED)
            assert answer.get_response()["id"] == "42"

for compression in ("gzip", "deflate"):
    answer = client.infer("weather", [tensor("FP64", binary=True)], request_compression_algorithm=compression)
    np.testing.assert_array_equal(answer.as_numpy("forecast"), EXPECTED)

np.testing.assert_array_equal(  # without a choice of outputs it asks for bytes
    client.infer("weather", [tensor("FP64", binary=True)], model_version=version).as_numpy("forecast"),
    EXPECTED,
)
waiting = client.async_infer("weather", [tensor("FP32", binary=True)])
np.testing.assert_array_equal(waiting.get_result().as_numpy("forecast"), EXPECTED)

channels = triton.InferInput("x", [1, 2, 5], "FP32")
channels.set_data_from_numpy(np.full((1, 2, 5), 3.0, np.float32))
answer = client.infer("features", [channels])
np.testing.assert_array_equal(answer.as_numpy("mean"), [[3.0, 3.0]])
np.testing.assert_array_equal(answer.as_numpy("growth"), [[0.0]])

for model, (windows, outputs) in BY_MODEL.items():
    assert [output["name"] for output in client.get_model_metadata(model)["outputs"]] == list(outputs)
    for binary in (True, False):
        asked = triton.InferInput("windows", windows.shape, "FP64")
        asked.set_data_from_numpy(windows, binary)
        chosen = list(outputs)[::-1][:2]  # some of them, in another order
        for names in (None, chosen):
            wanted = names and [triton.InferRequestedOutput(name, binary_data=binary) for name in names]
            answer = client.infer(model, [asked], outputs=wanted)
            told = [output["name"] for output in answer.get_response()["outputs"]]
            assert told == (names or list(outputs))
            for name in told:
                np.testing.assert_array_equal(answer.as_numpy(name), outputs[name], name)

for model, shape, said in (
    ("none", [1, 7, 3], "no model `none`"),
    ("weather", [1, 7, 2], "weather reads [n, 7, 3]"),
    ("weather", [1, 7, 2], "give 7 steps of temperature, wind_speed, dewpoint"),  # the cure
):
    wrong = triton.InferInput("x", shape, "FP32")
    wrong.set_data_from_numpy(np.zeros(shape, np.float32))
    message = ""
    try:
        client.infer(model, [wrong])
    except InferenceServerException as error:
        message = error.message()
    assert said in message, message
client.close()
