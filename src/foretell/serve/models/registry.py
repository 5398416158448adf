"""The models of a replica: which are there, and when all of them are ready."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from foretell.bundle.manifest import Manifest
from foretell.config import BatchSettings, EngineSettings
from foretell.forecasting.forecaster import Forecaster
from foretell.serve.backend import Answer, Call, Refusal
from foretell.serve.models.figures import NAMES, Figures
from foretell.serve.models.served_model import ServedModel
from foretell.telemetry.meter import Snapshot


class Registry:
    """A `Backend`: one version of each model. The next version of any comes as a replica of its own.

    Attributes:
        figures: of all its models; its `observe` is for the gate.
    """

    def __init__(self, models: Sequence[ServedModel], figures: Figures | None = None) -> None:
        self.figures = figures or Figures()
        self._models = {model.manifest.name: model for model in models}
        self._manifests = {name: model.manifest for name, model in self._models.items()}
        self._open = True

    @classmethod
    def open(
        cls,
        bundles: Sequence[Path],
        engine: EngineSettings | None = None,
        batch: BatchSettings | None = None,
        *,
        stuck_s: float = 30.0,
        gpu: bool = False,
        gpu_fraction: float = 1.0,
    ) -> "Registry":
        """Open, check by the golden sample, and warm up on every shape of batch: then it is ready.

        Args:
            stuck_s: an evaluation that takes longer will not end.
            gpu_fraction: of this replica; its models share it.

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
                models.append(ServedModel(forecaster, batch or BatchSettings(), figures, stuck_s=stuck_s))
                models[-1].warm_up()
        except BaseException:
            for model in models:
                model.close()
            raise
        return cls(models, figures)

    def manifests(self) -> Mapping[str, Manifest]:
        return self._manifests

    def ready(self) -> bool:
        return self._open and bool(self._models) and not self.trouble()

    def infer(self, call: Call) -> Coroutine[Any, Any, Answer]:
        """See `Backend.infer`."""
        model = self._models.get(call.model)
        if model is None:
            there = ", ".join(sorted(self._models))
            raise Refusal("model_not_found", f"no model `{call.model}`", cure=f"there is {there}")
        if call.version and call.version != model.manifest.version:
            raise Refusal(
                "model_not_found",
                f"{call.model} has no version `{call.version}` here",
                cure=f"in force is {model.manifest.version}; name no version to have what is in force",
            )
        return model.infer(call)

    def full(self, model: str) -> Callable[[], Refusal] | None:
        """Sheds a call of the lowest class without a deadline, where it is sure to be shed."""
        there = self._models.get(model)
        return there.shed if there and there.full else None

    def trouble(self) -> str:
        """What is wrong with an engine; empty when nothing is."""
        return next(filter(None, (model.trouble() for model in self._models.values())), "")

    def snapshot(self) -> Snapshot:
        """All figures, for the page of metrics and for Ray's."""
        depth: dict[str, float] = {}
        rows: dict[str, float] = {}
        for name, model in self._models.items():
            rows[name] = model.rows()
            for priority, count in model.waiting().items():
                depth[f"{name},{NAMES[priority]}"] = count
        return self.figures.snapshot(depth, rows)

    def device(self) -> str:
        """`cpu` or `cuda:0`; several where models differ."""
        return ", ".join(sorted({model.device for model in self._models.values()}))

    def close(self) -> None:
        """At once: what waits is refused, and so is what comes."""
        self._open = False
        for model in self._models.values():
            model.close()
