"""The layers that are understood. A shape is that of one window, without the batch; time comes first.

Each layer says what shape it makes of its inputs', and raises `ValueError` when they do not fit.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foretell.importers.keras.meaning.activations import Activation

Shape = tuple[int, ...]
Weight = NDArray[np.float32]
Padding = Literal["valid", "same", "causal"]


def _fits(shape: Shape, dimensions: int, channels: int | None = None) -> None:
    if len(shape) != dimensions:
        raise ValueError(f"takes {dimensions} dimensions, is given {shape}")
    if channels is not None and shape[-1] != channels:
        raise ValueError(f"was made for {channels} channels, is given {shape}")


@dataclass(frozen=True, eq=False)
class Identity:
    """What does nothing when a model is used: dropout, noise, regularisation."""

    def shape(self, given: Shape) -> Shape:
        return given


@dataclass(frozen=True, eq=False)
class Activate:
    activation: Activation

    def shape(self, given: Shape) -> Shape:
        return given


@dataclass(frozen=True, eq=False)
class Dense:
    """kernel (channels, units); bias (units) or none."""

    kernel: Weight
    bias: Weight | None
    activation: Activation

    def shape(self, given: Shape) -> Shape:
        _fits(given, len(given), len(self.kernel))
        return (*given[:-1], self.kernel.shape[1])


@dataclass(frozen=True, eq=False)
class LSTM:
    """Gates in Keras's order i, f, c, o.

    kernel (channels, 4 units), recurrent (units, 4 units), bias (4 units).
    """

    kernel: Weight
    recurrent: Weight
    bias: Weight
    activation: Activation
    recurrent_activation: Activation
    sequences: bool
    backwards: bool

    @property
    def units(self) -> int:
        return len(self.recurrent)

    def shape(self, given: Shape) -> Shape:
        _fits(given, 2, len(self.kernel))
        return (given[0], self.units) if self.sequences else (self.units,)


@dataclass(frozen=True, eq=False)
class GRU:
    """Gates in Keras's order z, r, h; `reset_after`: the reset gate acts after the recurrent product.

    kernel (channels, 3 units), recurrent (units, 3 units), both biases (3 units).
    """

    kernel: Weight
    recurrent: Weight
    bias: Weight
    recurrent_bias: Weight
    activation: Activation
    recurrent_activation: Activation
    reset_after: bool
    sequences: bool
    backwards: bool

    @property
    def units(self) -> int:
        return len(self.recurrent)

    def shape(self, given: Shape) -> Shape:
        _fits(given, 2, len(self.kernel))
        return (given[0], self.units) if self.sequences else (self.units,)


@dataclass(frozen=True, eq=False)
class Bidirectional:
    """Two of a kind, one through the window and one back, joined channel by channel."""

    forward: LSTM | GRU
    backward: LSTM | GRU
    merge: Literal["concat", "sum", "mul", "ave"]

    def shape(self, given: Shape) -> Shape:
        one = self.forward.shape(given)
        self.backward.shape(given)
        return (*one[:-1], one[-1] * 2) if self.merge == "concat" else one


@dataclass(frozen=True)
class Span:
    """Where a kernel or pool looks: `size` steps, `dilation` apart, every `stride` steps."""

    size: int
    stride: int
    padding: Padding
    dilation: int = 1

    def pads(self, steps: int) -> tuple[int, int]:
        """Steps that are added before and after."""
        reach = (self.size - 1) * self.dilation
        if self.padding == "causal":
            return reach, 0
        if self.padding == "valid":
            return 0, 0
        total = max((math.ceil(steps / self.stride) - 1) * self.stride + reach + 1 - steps, 0)
        return total // 2, total - total // 2

    def steps(self, steps: int) -> int:
        """How many steps come out of so many."""
        out = (steps + sum(self.pads(steps)) - (self.size - 1) * self.dilation - 1) // self.stride + 1
        if out < 1:
            raise ValueError(f"looks at {self.size} steps, is given {steps}")
        return out


@dataclass(frozen=True, eq=False)
class Conv1D:
    """kernel (size, channels / groups, filters); bias (filters) or none."""

    kernel: Weight
    bias: Weight | None
    span: Span
    groups: int
    activation: Activation

    def shape(self, given: Shape) -> Shape:
        _fits(given, 2, self.kernel.shape[1] * self.groups)
        return self.span.steps(given[0]), self.kernel.shape[2]


@dataclass(frozen=True, eq=False)
class Pool1D:
    kind: Literal["max", "average"]
    span: Span

    def shape(self, given: Shape) -> Shape:
        _fits(given, 2)
        return self.span.steps(given[0]), given[1]


@dataclass(frozen=True, eq=False)
class GlobalPool1D:
    kind: Literal["max", "average"]
    keep: bool

    def shape(self, given: Shape) -> Shape:
        _fits(given, 2)
        return (1, given[1]) if self.keep else (given[1],)


@dataclass(frozen=True, eq=False)
class BatchNormalization:
    """By the figures of training, a channel each: (own - mean) / sqrt(variance + epsilon) * gamma + beta."""

    gamma: Weight
    beta: Weight
    mean: Weight
    variance: Weight
    epsilon: float

    def shape(self, given: Shape) -> Shape:
        _fits(given, len(given), len(self.mean))
        return given


@dataclass(frozen=True, eq=False)
class LayerNormalization:
    """Over the channels of each step; gamma and beta (channels) or none."""

    gamma: Weight | None
    beta: Weight | None
    epsilon: float

    def shape(self, given: Shape) -> Shape:
        for part in (self.gamma, self.beta):
            _fits(given, len(given), None if part is None else len(part))
        return given


@dataclass(frozen=True, eq=False)
class Flatten:
    def shape(self, given: Shape) -> Shape:
        return (math.prod(given),)


@dataclass(frozen=True, eq=False)
class Reshape:
    """To a shape in which one dimension may be -1, the rest."""

    target: Shape

    def shape(self, given: Shape) -> Shape:
        known = math.prod(n for n in self.target if n != -1)
        filled = tuple(math.prod(given) // max(known, 1) if n == -1 else n for n in self.target)
        if math.prod(filled) != math.prod(given):
            raise ValueError(f"cannot make {self.target} of {given}")
        return filled


@dataclass(frozen=True, eq=False)
class RepeatVector:
    count: int

    def shape(self, given: Shape) -> Shape:
        _fits(given, 1)
        return self.count, given[0]


@dataclass(frozen=True, eq=False)
class Merge:
    """Of several inputs of one shape, element by element."""

    kind: Literal["add", "subtract", "multiply", "average", "maximum", "minimum"]

    def shape(self, *given: Shape) -> Shape:
        if len(set(given)) != 1 or (self.kind == "subtract" and len(given) != 2):
            raise ValueError(f"takes inputs of one shape, is given {', '.join(map(str, given))}")
        return given[0]


@dataclass(frozen=True, eq=False)
class Concatenate:
    """Along an axis: 0 is the first one after the batch, -1 the last."""

    axis: int

    def shape(self, *given: Shape) -> Shape:
        axis = self.axis % len(given[0])
        rest = {shape[:axis] + shape[axis + 1 :] for shape in given}
        if len(rest) != 1:
            raise ValueError(f"inputs do not fit side by side: {', '.join(map(str, given))}")
        return (*given[0][:axis], sum(shape[axis] for shape in given), *given[0][axis + 1 :])


@dataclass(frozen=True, eq=False)
class Attention:
    """Dot product attention of query, value and key (the value again when there are two inputs)."""

    def shape(self, query: Shape, value: Shape, key: Shape | None = None) -> Shape:
        for given in (query, value, key or value):
            _fits(given, 2)
        if query[1] != (key or value)[1] or value[0] != (key or value)[0]:
            raise ValueError(f"query {query}, value {value} and key {key or value} do not fit")
        return query[0], value[1]


Recurrent = LSTM | GRU
Layer = (
    Identity
    | Activate
    | Dense
    | LSTM
    | GRU
    | Bidirectional
    | Conv1D
    | Pool1D
    | GlobalPool1D
    | BatchNormalization
    | LayerNormalization
    | Flatten
    | Reshape
    | RepeatVector
    | Merge
    | Concatenate
    | Attention
)
