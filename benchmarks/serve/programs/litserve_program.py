"""The peer: LitServe with batching. `python litserve_program.py PORT`; POST /predict."""

import sys
from typing import Any

import litserve
from network import Network, Window


class Forecast(litserve.LitAPI):
    """The steps that LitServe's page on batching names."""

    def setup(self, device: str) -> None:
        self._network = Network()

    def decode_request(self, request: dict[str, Any]) -> Window:
        window: Window = request["window"]
        return window

    def batch(self, inputs: list[Window]) -> list[Window]:
        return inputs

    def predict(self, windows: list[Window]) -> list[list[float]]:
        return self._network.forecast(windows)

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        return output

    def encode_response(self, output: list[float]) -> dict[str, Any]:
        return {"forecast": output}


if __name__ == "__main__":
    # `fast_queue` is what LitServe recommends above 100 requests a second.
    api = Forecast(max_batch_size=32, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
