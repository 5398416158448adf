"""A scaler as numbers: scaled = (own - center) / scale, a column each."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray


class Scaling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """MinMaxScaler and StandardScaler, both affine.

    Attributes:
        kind: the scaler's class in scikit-learn, for people to read.
        center, scale: one number a column, in own units; `scale` is never 0.
        clip: `[low, high]` in scaled units when the scaler was made to clip.
    """

    kind: str
    center: tuple[float, ...]
    scale: tuple[float, ...]
    clip: tuple[float, float] | None = None

    def apply(self, own: NDArray[np.float64]) -> NDArray[np.float64]:
        """(…, columns) own units → (…, columns) scaled units, float64."""
        scaled: NDArray[np.float64] = (own - np.asarray(self.center)) / np.asarray(self.scale)
        return scaled.clip(*self.clip) if self.clip else scaled

    def invert(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """(…, columns) scaled units → (…, columns) own units, float64."""
        own: NDArray[np.float64] = np.asarray(scaled, np.float64) * np.asarray(self.scale)
        own += np.asarray(self.center)
        return own

    def columns(self, indices: Sequence[int]) -> "Scaling":
        """The same scaling for some columns."""
        return Scaling(
            self.kind,
            tuple(self.center[i] for i in indices),
            tuple(self.scale[i] for i in indices),
            self.clip,
        )
