"""What an engine is: blocks in, blocks out, one thread, no state between calls."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foretell.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What came of a block of n windows.

    Attributes:
        outputs: by the network's names, each (n, …) float32; NaN in the rows of refused windows.
        refused: (n,) bool, windows that held NaN or infinities, or whose answer did.
    """

    outputs: dict[str, NDArray[np.float32]]
    refused: NDArray[np.bool_]


class Engine(Protocol):
    """Evaluates a network. `tests/engines/test_conformance.py` holds every engine to the same words.

    Attributes:
        name: `onnxruntime`; `device`: `cpu` or `cuda:0`.
        input_shape: (lookback, features), or (features, lookback) where the network wants channels first.
        output_shapes: by name, without the batch.
        chunk: windows a call that run fastest.
        bounded: it ends after much the same time whatever the values; a network with a loop may never end.
    """

    name: str
    device: str
    input_shape: tuple[int, int]
    output_shapes: dict[str, tuple[int, ...]]
    chunk: int
    bounded: bool

    def run(self, windows: NDArray[np.float32]) -> Evaluated:
        """(n, *input_shape) float32, scaled units → `Evaluated`; n of any size, also 0.

        Raises:
            ShapeError: names the shape that came and the one that is wanted.
            EngineError: the runtime failed; nothing of the block was evaluated.
        """
        ...

    def close(self) -> None:
        """Give back the device's memory."""
        ...


def wanted_shape(windows: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """The windows as contiguous float32, if they are (n, *shape). Raises `ShapeError`, which names both."""
    if windows.ndim != 3 or windows.shape[1:] != shape:
        raise ShapeError(f"windows of shape {windows.shape}; the network reads (n, {shape[0]}, {shape[1]})")
    return np.ascontiguousarray(windows, np.float32)
