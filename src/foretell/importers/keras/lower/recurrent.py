"""LSTM and GRU. ONNX orders LSTM gates i, o, f, c and GRU gates z, r, h; weights lie transposed there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.importers.keras.lower.builder import Builder, Value
from foretell.importers.keras.lower.registry import lowers
from foretell.importers.keras.meaning import layers
from foretell.importers.keras.meaning.activations import Activation
from foretell.importers.keras.meaning.layers import LSTM, Recurrent, Shape

Weight = NDArray[np.float32]
_IFCO_TO_IOFC = (0, 3, 1, 2)
_FUNCTIONS = {
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "linear": "Affine",
    "hard_sigmoid": "HardSigmoid",
    "elu": "Elu",
    "leaky_relu": "LeakyRelu",
}


@lowers(layers.LSTM, layers.GRU)
def _one_way(builder: Builder, layer: Recurrent, inputs: Sequence[Value], shape: Shape) -> Value:
    made = _run(builder, [layer], "reverse" if layer.backwards else "forward", inputs[0])
    if not layer.sequences:
        return builder.value(shape, "", builder.op("Squeeze", made, builder.ints(0)))
    steps = builder.op("Squeeze", made, builder.ints(1))
    if layer.backwards:  # Keras tells them in the order in which they were computed
        steps = builder.op(
            "Slice", steps, builder.ints(-1), builder.ints(-(2**62)), builder.ints(0), builder.ints(-1)
        )
    return builder.value(shape, "tbc", steps)


@lowers(layers.Bidirectional)
def _both_ways(builder: Builder, layer: layers.Bidirectional, inputs: Sequence[Value], shape: Shape) -> Value:
    both = _run(builder, [layer.forward, layer.backward], "bidirectional", inputs[0])
    sequences = layer.forward.sequences
    axis, order = (1, "tbc") if sequences else (0, "")
    if layer.merge != "concat":
        reduce = {"sum": "ReduceSum", "mul": "ReduceProd", "ave": "ReduceMean"}[layer.merge]
        return builder.value(shape, order, builder.op(reduce, both, builder.ints(axis), keepdims=0))
    beside = builder.op("Transpose", both, perm=[0, 2, 1, 3] if sequences else [1, 0, 2])
    rest = (0, 0) if sequences else (0,)
    return builder.value(shape, order, builder.op("Reshape", beside, builder.ints(*rest, shape[-1])))


def _run(builder: Builder, ways: list[Recurrent], direction: str, given: Value) -> str:
    """The operator's output: (time, ways, batch, units) for sequences, else (ways, batch, units)."""
    first = ways[0]
    parts = [_lstm(way) if isinstance(way, LSTM) else _gru(way) for way in ways]
    weights = [builder.constant(np.stack(part)) for part in zip(*parts, strict=True)]
    attributes: dict[str, Any] = {"hidden_size": first.units, "direction": direction}
    if not isinstance(first, LSTM):
        if len({way.reset_after for way in ways if not isinstance(way, LSTM)}) != 1:
            raise NotImplementedError("its two directions reset differently")
        attributes["linear_before_reset"] = int(first.reset_after)
    attributes |= _functions(ways)
    kind = "LSTM" if isinstance(first, LSTM) else "GRU"
    index = 0 if first.sequences else 1
    return builder.output(kind, [builder.get(given, "tbc"), *weights], index, **attributes)


def _lstm(layer: LSTM) -> tuple[Weight, Weight, Weight]:
    def gates(weight: Weight) -> Weight:
        parts = np.split(weight, 4, axis=-1)
        return np.concatenate([parts[i] for i in _IFCO_TO_IOFC], axis=-1).T

    bias = np.concatenate([gates(layer.bias), np.zeros_like(layer.bias)])
    return gates(layer.kernel), gates(layer.recurrent), bias


def _gru(layer: layers.GRU) -> tuple[Weight, Weight, Weight]:
    return layer.kernel.T, layer.recurrent.T, np.concatenate([layer.bias, layer.recurrent_bias])


def _functions(ways: list[Recurrent]) -> dict[str, Any]:
    """ONNX's activations: gates first, then cell (LSTM: and hidden), for each way; none for the defaults."""
    wanted: list[Activation] = []
    for way in ways:
        inner = [way.activation] * (2 if isinstance(way, LSTM) else 1)
        wanted += [way.recurrent_activation, *inner]
    if all(way.activation.kind == "tanh" and way.recurrent_activation.kind == "sigmoid" for way in ways):
        return {}
    unknown = [activation.kind for activation in wanted if activation.kind not in _FUNCTIONS]
    if unknown:
        raise NotImplementedError(f"the activation {unknown[0]} inside a recurrent layer is not supported")
    names = [_FUNCTIONS[activation.kind] for activation in wanted]
    # ONNX Runtime takes one alpha and one beta for each activation that has any, in order.
    alphas = [_alpha(a) for a in wanted if a.kind in ("linear", "hard_sigmoid", "elu", "leaky_relu")]
    betas = [a.beta for a in wanted if a.kind in ("linear", "hard_sigmoid")]
    found: dict[str, Any] = {"activations": names}
    if alphas:
        found["activation_alpha"] = alphas
    if betas:
        found["activation_beta"] = betas
    return found


def _alpha(activation: Activation) -> float:
    return 1.0 if activation.kind == "linear" else activation.alpha
