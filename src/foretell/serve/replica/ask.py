"""A call as it travels through a handle of Serve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ask:
    """Its deadline is told from now, as clocks differ.

    Attributes:
        windows: (n, …) as the network's layout has them, own units.
    """

    model: str
    windows: NDArray[np.float64]
    priority: int = 0
    deadline_s: float | None = None
