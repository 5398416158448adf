"""The peer: Ray Serve as it comes, with @serve.batch. `python ray_serve_program.py PORT`; POST /."""

import logging
import signal
import sys
from typing import Any

import ray
from network import Network, Window
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=256, logging_config={"enable_access_log": False})
class Forecast:
    """As the page on dynamic request batching has it."""

    def __init__(self) -> None:
        self._network = Network()

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.001)
    async def forecast(self, windows: list[Window]) -> list[list[float]]:
        return self._network.forecast(windows)

    async def __call__(self, request: Request) -> dict[str, Any]:
        body = await request.json()
        return {"forecast": await self.forecast(body["window"])}


if __name__ == "__main__":
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1]), "access_log": False})
    serve.run(Forecast.bind(), logging_config={"enable_access_log": False, "log_level": "ERROR"})
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
