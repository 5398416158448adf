"""What every format yields: a network as ONNX, and somebody who knows its right answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Output

Reference = Callable[[NDArray[np.float32]], Sequence[NDArray[np.float64]]]


@dataclass(frozen=True)
class Network:
    """Attributes:
    file: its name. made_by: what wrote it.
    model: the ONNX graph; its batch is open.
    input_shape: of a window as it reads it, (lookback, features) or the other way round.
    outputs: names and shapes without the batch.
    reference: windows (n, *input_shape) → the answers that are right, one array an output.
    notes: what was left aside.
    """

    file: str
    made_by: str
    model: bytes
    input_shape: tuple[int, int]
    outputs: tuple[Output, ...]
    reference: Reference
    notes: tuple[str, ...] = field(default=())
