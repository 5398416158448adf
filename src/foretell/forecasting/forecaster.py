"""The heart: forecasts = forecaster.predict(windows)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.bundle import Bundle, open_bundle
from foretell.bundle.manifest import Manifest
from foretell.config import EngineSettings
from foretell.engines.engine import Engine, Evaluated
from foretell.engines.make import open_engine
from foretell.errors import InputError, ShapeError
from foretell.forecasting.forecasts import Forecasts
from foretell.forecasting.rollout import RollOut
from foretell.forecasting.scaler import Scaler


class Forecaster:
    """A bundle and the engine that evaluates it.

    A forecast model's first output holds horizon × targets numbers a window, whether as (horizon, targets) or
    in one row: step by step, and all targets of a step side by side.
    """

    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        self.manifest = manifest
        self.engine = engine
        self._scaler = Scaler(manifest)
        self._window_shape = (manifest.lookback, len(manifest.inputs))
        self._output = manifest.outputs[0].name
        self._rollout = RollOut(manifest, self._native)

    @classmethod
    def open(
        cls,
        path: Path,
        engine_settings: EngineSettings | None = None,
        *,
        gpu: bool = False,
        gpu_fraction: float = 1.0,
    ) -> "Forecaster":
        """Open a bundle, checked in full (see `open_bundle` and `open_engine` for the errors)."""
        return cls.of(open_bundle(path), engine_settings, gpu=gpu, gpu_fraction=gpu_fraction)

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        engine_settings: EngineSettings | None = None,
        *,
        gpu: bool = False,
        gpu_fraction: float = 1.0,
    ) -> "Forecaster":
        """A forecaster for a bundle that is open already."""
        settings = engine_settings or EngineSettings()
        return cls(bundle.manifest, open_engine(bundle, settings, gpu=gpu, gpu_fraction=gpu_fraction))

    def predict(
        self,
        windows: NDArray[np.float64],
        horizon: int | None = None,
        newest_us: NDArray[np.int64] | None = None,
    ) -> Forecasts:
        """Forecast the steps that follow each window.

        Args:
            windows: (n, lookback, features) own units, oldest step first; n may be 0.
            horizon: steps; the model's own unless told. Beyond it forecasts are fed back, see `RollOut`.
            newest_us: (n,) event time of each newest step, microseconds UTC; only a roll-out with features
                of the calendar needs it.

        Raises:
            ShapeError: names the shape that came and the one that is wanted.
            InputError: the model forecasts nothing, or the horizon makes no sense.
            EngineError: the runtime failed.
        """
        horizon = self._check(windows, horizon)
        evaluated = self._run(windows)
        values, refused = self._own_units(evaluated), evaluated.refused
        native = self.manifest.horizon
        if horizon > native:
            values, steps = self._rollout.extend(windows, values, refused, horizon, newest_us)
        else:
            values = values[:, :horizon]
            steps = np.where(refused, 0, horizon)
        others = {name: given for name, given in evaluated.outputs.items() if name != self._output}
        return Forecasts(values, steps, min(horizon, native), refused, others)

    def evaluate(self, windows: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
        """All outputs by name, each (n, …) as the network gives them; NaN in the rows of refused windows."""
        self._check_shape(windows)
        return self._run(windows).outputs

    def close(self) -> None:
        """Give back the engine's memory."""
        self.engine.close()

    def _run(self, windows: NDArray[np.float64]) -> Evaluated:
        return self.engine.run(self._scaler.to_network(windows))

    def _native(self, windows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(n, lookback, features) → (n, native horizon, targets) own units, and which were refused."""
        evaluated = self._run(windows)
        return self._own_units(evaluated), evaluated.refused

    def _own_units(self, evaluated: Evaluated) -> NDArray[np.float64]:
        shape = (len(evaluated.refused), self.manifest.horizon, len(self.manifest.targets))
        return self._scaler.from_network(evaluated.outputs[self._output].reshape(shape))

    def _check(self, windows: NDArray[np.float64], horizon: int | None) -> int:
        if self.manifest.task != "forecast":
            raise InputError(
                f"{self.manifest.name} gives features, no forecast of a target",
                cure=f"ask for its outputs: {', '.join(o.name for o in self.manifest.outputs)}",
            )
        self._check_shape(windows)
        if horizon is not None and horizon < 1:
            raise InputError(f"a horizon of {horizon} steps", cure="ask for at least 1")
        return self.manifest.horizon if horizon is None else horizon

    def _check_shape(self, windows: NDArray[np.float64]) -> None:
        if windows.ndim != 3 or windows.shape[1:] != self._window_shape:
            lookback, features = self._window_shape
            names = ", ".join(column.name for column in self.manifest.inputs)
            raise ShapeError(
                f"windows of shape {windows.shape}; {self.manifest.name} reads (n, {lookback}, {features})",
                cure=f"give {lookback} steps of {names}, oldest first",
            )
