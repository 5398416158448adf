"""`DeploymentManager`'s twin for plain code: the same methods, and each waits for its answer."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from numpy.typing import ArrayLike

from foretell.config import Settings
from foretell.errors import ForetellError
from foretell.serve.backend import Priority
from foretell.serve.deployment.autoscaling import AutoscalingConfig
from foretell.serve.deployment.resources import BatchConfig, ResourceConfig
from foretell.serve.loop_thread import LoopThread
from foretell.serve.manager.asking import Result
from foretell.serve.manager.deployment_manager import DeploymentManager


class SyncDeploymentManager:
    """On a loop in a thread of its own; several threads may use one. `shutdown` it, or use `with`.

    Attributes:
        manager: does the work; what is plain there is plain here.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.manager = DeploymentManager(settings)
        self._loop = LoopThread("foretell-manager")

    def initialize(self, model_path: str | Path | None = None) -> bool:
        """As `DeploymentManager.initialize`; likewise all others."""
        return self._loop.wait(self.manager.initialize(model_path))

    def deploy_model(
        self,
        model_path: str | Path,
        autoscaling_config: AutoscalingConfig | None = None,
        resource_config: ResourceConfig | None = None,
        batch_config: BatchConfig | None = None,
    ) -> bool:
        return self.manager.deploy_model(model_path, autoscaling_config, resource_config, batch_config)

    def predict(
        self,
        data: ArrayLike,
        priority: int = Priority.LOW,
        deadline_ms: float | None = None,
        model: str | None = None,
    ) -> Result:
        return self._loop.wait(self.manager.predict(data, priority, deadline_ms, model))

    def batch_predict(
        self,
        data: Sequence[ArrayLike],
        priority: int = Priority.LOW,
        deadline_ms: float | None = None,
        model: str | None = None,
    ) -> list[Result | ForetellError]:
        return self._loop.wait(self.manager.batch_predict(data, priority, deadline_ms, model))

    def update(self, version: str, watch_s: float | None = None) -> None:
        self._loop.wait(self.manager.update(version, watch_s))

    def scale_deployment(self, num_replicas: int) -> bool:
        return self.manager.scale_deployment(num_replicas)

    def apply_scaling(self, config: AutoscalingConfig) -> bool:
        return self.manager.apply_scaling(config)

    def apply_market_hours_scaling(self) -> bool:
        return self.manager.apply_market_hours_scaling()

    def apply_off_hours_scaling(self) -> bool:
        return self.manager.apply_off_hours_scaling()

    def apply_stress_test_scaling(self) -> bool:
        return self.manager.apply_stress_test_scaling()

    def get_deployment_stats(self) -> Result:
        return self._loop.wait(self.manager.get_deployment_stats())

    def health_check(self) -> Result:
        return self._loop.wait(self.manager.health_check())

    def check_performance_requirements(self) -> Result:
        return self.manager.check_performance_requirements()

    def shutdown(self) -> None:
        self.manager.shutdown()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
