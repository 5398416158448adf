"""Models deployed, asked and scaled from Python: the names that callers of document 000 use.

    manager = DeploymentManager()
    await manager.initialize("models/cnn_lstm")
    answer = await manager.predict(array, priority=2, deadline_ms=50)
    manager.apply_market_hours_scaling()

What changes the number of replicas, and what only looks, is plain; what waits for models is awaited.
`SyncDeploymentManager` has the same methods for plain code.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from numpy.typing import ArrayLike

from foretell.bundle.manifest import MANIFEST
from foretell.bundle.parse import parse_manifest
from foretell.config import Settings, load
from foretell.errors import ConfigError, ForetellError
from foretell.serve.backend import Priority
from foretell.serve.deployment.autoscaling import AutoscalingConfig, TradingWorkloadAutoscaler
from foretell.serve.deployment.deployed import Deployed
from foretell.serve.deployment.plan import ModelFiles, Plan
from foretell.serve.deployment.resources import BatchConfig, ResourceConfig
from foretell.serve.deployment.service import Service
from foretell.serve.deployment.sources import find_bundle, only_model
from foretell.serve.manager.asking import Asking, Result
from foretell.serve.manager.measured import Measured


class DeploymentManager:
    """Serves on the Ray that is connected, or reaches or starts one as the settings say."""

    def __init__(self, settings: Settings | None = None) -> None:
        """`settings`: unset: from `FORETELL_CONFIG` and the environment."""
        self.settings = settings or load().settings
        self._service = Service(self.settings)
        self._measured = Measured()
        self._asks: Asking | None = None

    async def initialize(self, model_path: str | Path | None = None) -> bool:
        """Deploy a model and wait until it answers; true when it does.

        Args:
            model_path: a bundle, a model's files, or a name of the store; unset: the model of the settings,
                or the only one in their folder of models.

        Raises:
            ConfigError, BundleError, ImportFailed, RayUnreachable, DeployFailed.
        """
        return await asyncio.to_thread(self.deploy_model, model_path or only_model(self.settings))

    def deploy_model(
        self,
        model_path: str | Path,
        autoscaling_config: AutoscalingConfig | None = None,
        resource_config: ResourceConfig | None = None,
        batch_config: BatchConfig | None = None,
    ) -> bool:
        """As `initialize`, and waits in place. A further model joins those that are served already."""
        if batch_config is not None:
            serve = self.settings.serve
            batch = batch_config.settings(serve.batch)
            update = {"serve": serve.model_copy(update={"batch": batch})}
            self.settings = self._service.settings = self.settings.model_copy(update=update)
        if self._asks is None:
            deployed = self._service.start([str(model_path)], autoscaling_config, resource_config)
        else:
            now = self._service.deployed
            files = ModelFiles.of(find_bundle(str(model_path), self.settings))
            others = tuple(m for m in now.plan.models if m.name != files.name)
            batch = self.settings.serve.batch
            serve = now.plan.settings.serve.model_copy(update={"batch": batch})
            settings = now.plan.settings.model_copy(update={"serve": serve})
            plan = Plan(settings, (*others, files), now.plan.gpu, now.plan.gpu_fraction)
            scale, resources = autoscaling_config or now.scale, resource_config or now.resources
            deployed = self._service.change(Deployed(plan, scale, resources))
        self._know(deployed)
        return True

    async def predict(
        self,
        data: ArrayLike,
        priority: int = Priority.LOW,
        deadline_ms: float | None = None,
        model: str | None = None,
    ) -> Result:
        """Ask a model.

        Args:
            data: (n, lookback, features), or (n, features, lookback) where the network reads channels first,
                as in (1, 10, 60); own units. A single window may come without its first axis.
            priority: 0 low, 1 medium, 2 high. deadline_ms: from now.
            model: unset: the only one that is served.

        Returns:
            Outputs by name, each (n, …), and `processing_time_ms`. Of several windows those that cannot be
            answered (NaN, infinities) are NaN.

        Raises:
            Refusal: see its table. EngineError: no replica is left to ask.
        """
        return await self._asking.one(data, priority, deadline_ms, model)

    async def batch_predict(
        self,
        data: Sequence[ArrayLike],
        priority: int = Priority.LOW,
        deadline_ms: float | None = None,
        model: str | None = None,
    ) -> list[Result | ForetellError]:
        """Ask for many items, each as `predict` takes it: results in order, one error an item that failed."""
        return await self._asking.many(data, priority, deadline_ms, model)

    async def update(self, version: str, watch_s: float | None = None) -> None:
        """Roll another version out under load; returns when it has proved itself for `watch_s`.

        Args:
            version: of the only model that is served; or `name:version`, `name@alias`, or a path.
            watch_s: unset: `serve.watch` of the settings.

        Raises:
            DeployFailed: it never became ready, or turned sick: the version from before goes on.
        """
        self._know(await asyncio.to_thread(self._service.update, str(version), watch_s))

    def scale_deployment(self, num_replicas: int) -> bool:
        """Pin the number of replicas; returns at once.

        Returns:
            True; false where there is no room for so many: the log says for how many there is. The number
            stays what is aimed at.
        """
        if num_replicas < 1:
            raise ConfigError(f"{num_replicas} replicas", cure="ask for at least 1, or shutdown()")
        return self._service.rescale(num_replicas)

    def apply_scaling(self, config: AutoscalingConfig) -> bool:
        """Scale by load from now on; returns at once.

        Returns:
            True; false where there is room for fewer replicas than it names: it is in force all the same, as
            far as there is room, and the log says how far that is.
        """
        return self._service.rescale(config)

    def apply_market_hours_scaling(self) -> bool:
        """See `TradingWorkloadAutoscaler` for its figures, `apply_scaling` for what is returned."""
        return self.apply_scaling(TradingWorkloadAutoscaler.get_market_hours_config())

    def apply_off_hours_scaling(self) -> bool:
        """As `apply_market_hours_scaling`."""
        return self.apply_scaling(TradingWorkloadAutoscaler.get_off_hours_config())

    def apply_stress_test_scaling(self) -> bool:
        """As `apply_market_hours_scaling`."""
        return self.apply_scaling(TradingWorkloadAutoscaler.get_stress_test_config())

    async def get_deployment_stats(self) -> Result:
        """`request_count`, `avg_processing_time_ms`, `device`, `uptime_seconds`, and more; see `Measured`."""
        await asyncio.to_thread(self._listen)
        return self._measured.stats()

    async def health_check(self) -> Result:
        """`status` (healthy, degraded, unhealthy, not_deployed) and `is_healthy`, and how replicas are."""
        return await asyncio.to_thread(self._health)

    def check_performance_requirements(self) -> Result:
        """`meets_100ms_requirement`, `avg_latency_ms` and more, from what was measured; see `Measured`."""
        self._listen()
        return self._measured.performance()

    def shutdown(self) -> None:
        """Answer what is in flight and end; a Ray that was started for this ends, too."""
        if self._asks is not None:
            self._asks.close()
            self._asks = None
        self._service.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.shutdown)

    def _know(self, deployed: Deployed) -> None:
        manifests = {m.name: parse_manifest(m.files[MANIFEST]) for m in deployed.plan.models}
        if self._asks is not None:
            self._asks.close()
        self._asks = Asking(self._service.fleet.handle(), manifests)

    @property
    def _asking(self) -> Asking:
        if self._asks is None:
            raise ConfigError("nothing is deployed", cure="await initialize(), or deploy_model(path), first")
        return self._asks

    def _listen(self) -> None:
        if self._asks is not None:
            fleet = self._service.fleet
            self._measured.take(fleet.replicas(), fleet.counted())

    def _health(self) -> Result:
        if self._asks is None or not self._service.alive():
            return {"status": "not_deployed", "is_healthy": False, "replicas": {}, "message": ""}
        status = self._service.fleet.status()
        words = {"RUNNING": "healthy", "DEPLOYING": "degraded" if status.running else "unhealthy"}
        word = words.get(status.state, "degraded" if status.running else "unhealthy")
        return {
            "status": word,
            "is_healthy": word == "healthy",
            "replicas": dict(status.replicas),
            "message": status.message,
        }
