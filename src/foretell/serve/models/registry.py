"""The models of a replica: which are there, which version answers, and when all of them are ready."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from foretell.bundle.manifest import Manifest
from foretell.config import BatchSettings, EngineSettings
from foretell.forecasting.forecaster import Forecaster
from foretell.serve.backend import Answer, Call, Priority, Refusal
from foretell.serve.models.figures import NAMES, Figures
from foretell.serve.models.served_model import ServedModel
from foretell.telemetry.meter import Snapshot

_DRAIN_POLL_S = 0.005


class Registry:
    """A `Backend`. Of several versions of a name, the one that was given last is in force.

    Attributes:
        figures: of all its models; its `observe` is for the gate.
    """

    def __init__(self, models: Sequence[ServedModel], figures: Figures | None = None) -> None:
        self.figures = figures or Figures()
        self._models: dict[str, dict[str, ServedModel]] = {}
        for model in models:
            versions = self._models.setdefault(model.manifest.name, {})
            versions.pop(model.manifest.version, None)
            versions[model.manifest.version] = model
        self._ready = True

    @classmethod
    def open(
        cls,
        bundles: Sequence[Path],
        engine: EngineSettings | None = None,
        batch: BatchSettings | None = None,
        *,
        gpu: bool = False,
        gpu_fraction: float = 1.0,
    ) -> "Registry":
        """Open, check by the golden sample, and warm up on every shape of batch: then it is ready.

        `gpu_fraction`: of this replica; its models share it.

        Raises:
            BundleError: a bundle cannot be trusted, or the engine's answers differ from the source's.
            EngineError: the runtime does not take a network.
        """
        models: list[ServedModel] = []
        figures = Figures()
        try:
            for path in bundles:
                share = gpu_fraction / len(bundles)
                forecaster = Forecaster.open(path, engine, gpu=gpu, gpu_fraction=share)
                models.append(ServedModel(forecaster, batch or BatchSettings(), figures))
                models[-1].warm_up()
        except BaseException:
            for model in models:
                model.close()
            raise
        return cls(models, figures)

    def manifests(self) -> Mapping[str, Manifest]:
        """Of the versions that are in force, by name."""
        return {name: _in_force(versions).manifest for name, versions in self._models.items()}

    def ready(self) -> bool:
        return self._ready and bool(self._models)

    async def infer(self, call: Call) -> Answer:
        if not self._ready:
            raise Refusal("not_ready", "this replica is draining", cure="try again: another one will answer")
        return await self._find(call).infer(call)

    def models(self) -> list[ServedModel]:
        """All versions of all names."""
        return [model for versions in self._models.values() for model in versions.values()]

    def waiting(self) -> dict[Priority, int]:
        """Calls in flight, by class."""
        counts = [model.waiting() for model in self.models()]
        return {priority: sum(count[priority] for count in counts) for priority in Priority}

    def stuck_for(self) -> float:
        """Seconds since the oldest batch that is under way was begun; 0 when none is."""
        return max((model.stuck_for() for model in self.models()), default=0.0)

    def snapshot(self) -> Snapshot:
        """All figures, for the page of metrics and for Ray's."""
        depth: dict[str, float] = {}
        rows: dict[str, float] = {}
        for name, versions in self._models.items():
            rows[name] = sum(model.rows() for model in versions.values())
            for priority, label in NAMES.items():
                depth[f"{name},{label}"] = sum(m.waiting()[priority] for m in versions.values())
        return self.figures.snapshot(depth, rows)

    def device(self) -> str:
        """`cpu` or `cuda:0`; several where models differ."""
        return ", ".join(sorted({model.device for model in self.models()}))

    async def drain(self, timeout_s: float = 30.0) -> int:
        """Take no more calls, answer those in flight, and give back the engines.

        Returns:
            Calls that had to be refused because they were not answered within `timeout_s`.
        """
        self._ready = False
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while any(self.waiting().values()):
                    await asyncio.sleep(_DRAIN_POLL_S)
        left = sum(self.waiting().values())
        await asyncio.to_thread(self.close)
        return left

    def close(self) -> None:
        """At once: what waits is refused."""
        self._ready = False
        for model in self.models():
            model.close()

    def _find(self, call: Call) -> ServedModel:
        versions = self._models.get(call.model)
        if versions is None:
            there = ", ".join(sorted(self._models))
            raise Refusal("model_not_found", f"no model `{call.model}`", cure=f"there is {there}")
        if not call.version:
            return _in_force(versions)
        if call.version not in versions:
            raise Refusal(
                "model_not_found",
                f"{call.model} has no version `{call.version}`",
                cure=f"there is {', '.join(versions)}; leave the version out for the one in force",
            )
        return versions[call.version]


def _in_force(versions: Mapping[str, ServedModel]) -> ServedModel:
    return next(reversed(list(versions.values())))
