"""The peer: BentoML with adaptive batching. `bentoml serve bentoml_program:Forecast`; POST /forecast."""

import bentoml
from network import Network, Window


@bentoml.service(
    workers=1,
    traffic={"timeout": 30, "max_concurrency": 512},
    logging={"access": {"enabled": False}},  # none of the others writes one
)
class Forecast:
    """One worker, as foretell has one replica. A request's batch holds its one window."""

    def __init__(self) -> None:
        self._network = Network()

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=1000)
    def forecast(self, windows: list[Window]) -> list[list[float]]:
        return self._network.forecast(windows)
