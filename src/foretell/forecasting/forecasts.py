"""What a forecaster gives for a block of windows."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Forecasts:
    """Of n windows.

    Attributes:
        values: (n, horizon, targets) float64, own units; NaN beyond `steps`.
        steps: (n,) int64, steps that are forecast: all, fewer where a roll-out stopped, 0 where refused.
        native_steps: the first steps, that the network gave without its own forecasts as inputs.
        refused: (n,) bool, windows that held NaN or infinities, or whose answer did.
        others: further outputs of the network by name, each (n, …) float32 as it gives them, of native steps.
    """

    values: NDArray[np.float64]
    steps: NDArray[np.int64]
    native_steps: int
    refused: NDArray[np.bool_]
    others: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)
