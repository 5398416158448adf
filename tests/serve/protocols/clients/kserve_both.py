"""KServe's clients against 127.0.0.1: `kserve_both.py HTTP_PORT GRPC_PORT`."""

import asyncio
import sys

import httpx
import numpy as np
from expected import EXPECTED, WINDOWS
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput


def asked(*, binary: bool) -> InferRequest:
    tensor = InferInput("windows", [2, 7, 3], "FP64")
    tensor.set_data_from_numpy(WINDOWS, binary_data=binary)
    return InferRequest(
        "weather",
        [tensor],
        request_id="42",
        parameters={"priority": "high", "horizon": 7},
        request_outputs=[RequestedOutput("forecast", {"binary_data": binary})],
    )


async def rest(port: str) -> None:
    url = f"http://127.0.0.1:{port}"
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "weather")
    for binary in (True, False):
        answer = await client.infer(url, asked(binary=binary), model_name="weather")
        np.testing.assert_array_equal(answer.outputs[0].as_numpy(), EXPECTED)
        assert answer.id == "42"
    said = ""
    try:
        await client.infer(url, asked(binary=False), model_name="none")
    except httpx.HTTPStatusError as error:
        said = str(error)
    assert "no model `none`" in said, said
    await client.close()


async def grpc(port: str) -> None:
    async with InferenceGRPCClient(f"127.0.0.1:{port}") as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("weather")
        for binary in (True, False):
            tensor = InferInput("windows", [2, 7, 3], "FP64")
            tensor.set_data_from_numpy(WINDOWS, binary_data=binary)
            answer = await client.infer(InferRequest("weather", [tensor], request_id="42"))
            np.testing.assert_array_equal(answer.outputs[0].as_numpy(), EXPECTED)
            assert answer.id == "42"


asyncio.run(rest(sys.argv[1]))
asyncio.run(grpc(sys.argv[2]))
