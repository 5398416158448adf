"""A worker as a Ray actor. Its class must lie in a module: sent by value, it could not be unpickled."""

import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import ray

from foretell.config import Settings
from foretell.errors import ForetellError
from foretell.forecasting.forecaster import Forecaster
from foretell.interpreter import tune_interpreter
from foretell.rows.adapter import Adapter
from foretell.stream.kafka.clients import secrets
from foretell.stream.messages.blocks import Place
from foretell.stream.worker.worker import Worker, WorkerStatus
from foretell.telemetry.export import RayExport
from foretell.telemetry.log import setup

_EXPORT_S = 1.0


@dataclass(frozen=True)
class Plan:
    """All that a worker needs, wherever in the cluster it is started.

    Attributes:
        files: the bundle's, by name: its folder need not exist on the worker's machine.
        adapter: how features come out of rows; its file need not exist there either.
        gpu: whether the cluster has one. ends: of `--until-end`.
    """

    settings: Settings
    files: dict[str, bytes]
    adapter: Adapter
    gpu: bool
    ends: dict[Place, int] = field(default_factory=dict)
    rebuild: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a worker ended: `code` of the error, empty when it was asked to."""

    code: str = ""
    message: str = ""


class WorkerActor:
    """`run` takes the actor's main thread; `status` and `stop` have one of their own."""

    def __init__(self, plan: Plan, index: int) -> None:
        tune_interpreter(young=200_000)
        settings = plan.settings
        setup(settings.log, secrets(settings.kafka))
        with tempfile.TemporaryDirectory(prefix="foretell-") as folder:
            for name, content in plan.files.items():
                (Path(folder) / name).write_bytes(content)
            forecaster = Forecaster.open(
                Path(folder), settings.engine, gpu=plan.gpu, gpu_fraction=settings.stream.gpu_fraction
            )
        self._worker = Worker(
            settings, forecaster, index, adapter=plan.adapter, ends=plan.ends, rebuild=plan.rebuild
        )
        threading.Thread(target=self._export, name="metrics", daemon=True).start()

    def run(self) -> Outcome:
        """Until `stop`, or until it cannot go on."""
        try:
            self._worker.run()
        except ForetellError as error:
            return Outcome(error.code, str(error))
        return Outcome()

    @ray.method(concurrency_group="control")
    def status(self) -> WorkerStatus:
        return self._worker.status()

    @ray.method(concurrency_group="control")
    def read_until(self, ends: dict[Place, int]) -> None:
        self._worker.read_until(ends)

    @ray.method(concurrency_group="control")
    def stop(self) -> None:
        self._worker.stop()

    def _export(self) -> None:
        export = RayExport()
        while True:
            time.sleep(_EXPORT_S)
            export.flush(self._worker.figures())
