"""The peer: mosec with dynamic batching. `python mosec_program.py --port PORT`; POST /inference."""

import os
from typing import Any

from mosec import Server, Worker
from network import Network


class Forecast(Worker):
    """JSON by mosec's own defaults."""

    def __init__(self) -> None:
        super().__init__()
        self._network = Network()

    def forward(self, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        forecasts = self._network.forecast([request["window"] for request in data])
        return [{"forecast": forecast} for forecast in forecasts]


if __name__ == "__main__":
    server = Server()
    # A millisecond is the shortest wait that mosec can be told.
    workers = int(os.environ.get("BENCH_WORKERS", "1"))
    server.append_worker(Forecast, num=workers, max_batch_size=32, max_wait_time=1)
    server.run()
