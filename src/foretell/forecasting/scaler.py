"""Scaling prepared once: own units to what the network reads, and back."""

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.bundle.scaling import Scaling


class Scaler:
    """Both directions for one bundle. Numbers are scaled in float64; only the network's own are float32."""

    def __init__(self, manifest: Manifest) -> None:
        self._inputs = _Affine.of(manifest.input_scaling)
        self._targets = _Affine.of(manifest.target_scaling)
        self._clip = manifest.input_scaling.clip if manifest.input_scaling else None
        self._channels_first = manifest.layout == "channels_first"

    def to_network(self, windows: NDArray[np.float64]) -> NDArray[np.float32]:
        """(n, lookback, features) own units → (n, *input_shape) scaled; infinite where float32 ends."""
        # A value beyond float32 becomes infinite here and is refused by the engine: no warning on top of it.
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = self._scaled(windows)
            if self._clip:
                scaled = np.clip(scaled, *self._clip)
            if self._channels_first:
                scaled = scaled.transpose(0, 2, 1)
            return np.ascontiguousarray(scaled, np.float32)

    def _scaled(self, windows: NDArray[np.float64]) -> NDArray[np.floating]:
        if self._inputs is None:
            return windows
        centered = windows - self._inputs.center
        if self._clip:
            return np.divide(centered, self._inputs.scale, out=centered)
        # Divided in float64, and rounded on the way: one pass less over all of it.
        scaled = np.empty(windows.shape, np.float32)
        return np.divide(centered, self._inputs.scale, out=scaled, dtype=np.float64, casting="same_kind")

    def from_network(self, scaled: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, horizon, targets) scaled → own units."""
        own = scaled.astype(np.float64)
        if self._targets:
            own *= self._targets.scale
            own += self._targets.center
        return own


class _Affine:
    """`Scaling` as arrays."""

    def __init__(self, scaling: Scaling) -> None:
        self.center = np.array(scaling.center, np.float64)
        self.scale = np.array(scaling.scale, np.float64)

    @classmethod
    def of(cls, scaling: Scaling | None) -> "_Affine | None":
        return cls(scaling) if scaling else None
