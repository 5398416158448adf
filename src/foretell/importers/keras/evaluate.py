"""The reference: what the layers mean, computed in float64 with NumPy alone, step by step.

It shares nothing with the lowering but the layers' meaning, so that one checks the other. It is made to be
read, not to be fast. Arrays are (windows, time, channels) or (windows, channels).
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from foretell.importers.keras.meaning import Graph, layers
from foretell.importers.keras.meaning.activations import Activation
from foretell.importers.keras.meaning.layers import Recurrent

Array = NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Array])
_EVALUATES: dict[type, Callable[..., Array]] = {}
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def evaluate(graph: Graph, windows: NDArray[Any]) -> list[Array]:
    """(n, lookback, features) in the network's units → each output (n, …), float64."""
    made: dict[int, Array] = {-1: np.asarray(windows, np.float64)}
    for index, node in enumerate(graph.nodes):
        made[index] = _EVALUATES[type(node.layer)](node.layer, *(made[i] for i in node.inputs))
    return [made[index] for index in graph.outputs]


def _evaluates(*kinds: type) -> Callable[[F], F]:
    def enter(function: F) -> F:
        _EVALUATES.update(dict.fromkeys(kinds, function))
        return function

    return enter


def _sigmoid(x: Array) -> Array:
    return np.exp(-np.logaddexp(0, -x))


def _softmax(x: Array) -> Array:
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


_erf = np.vectorize(math.erf, otypes=[np.float64])
_FUNCTIONS: dict[str, Callable[[Array, Activation], Array]] = {
    "linear": lambda x, _: x,
    "tanh": lambda x, _: np.tanh(x),
    "sigmoid": lambda x, _: _sigmoid(x),
    "relu": lambda x, _: np.maximum(x, 0),
    "relu6": lambda x, _: np.clip(x, 0, 6),
    "hard_sigmoid": lambda x, a: np.clip(a.alpha * x + a.beta, 0, 1),
    "softmax": lambda x, _: _softmax(x),
    "elu": lambda x, a: _elu(x, a.alpha),
    "selu": lambda x, _: _SELU_SCALE * _elu(x, _SELU_ALPHA),
    "softplus": lambda x, _: np.logaddexp(0, x),
    "softsign": lambda x, _: x / (1 + np.abs(x)),
    "swish": lambda x, _: x * _sigmoid(x),
    "gelu": lambda x, _: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "exponential": lambda x, _: np.exp(x),
    "leaky_relu": lambda x, a: np.where(x > 0, x, a.alpha * x),
}


def activate(activation: Activation, x: Array) -> Array:
    """An activation on any array; softmax over its last axis."""
    return _FUNCTIONS[activation.kind](x, activation)


@_evaluates(layers.Identity)
def _identity(_: layers.Identity, x: Array) -> Array:
    return x


@_evaluates(layers.Activate)
def _activate(layer: layers.Activate, x: Array) -> Array:
    return activate(layer.activation, x)


@_evaluates(layers.Dense)
def _dense(layer: layers.Dense, x: Array) -> Array:
    return activate(
        layer.activation, x @ layer.kernel.astype(np.float64) + (0 if layer.bias is None else layer.bias)
    )


@_evaluates(layers.LSTM, layers.GRU)
def _recurrent(layer: Recurrent, x: Array) -> Array:
    x = x[:, ::-1] if layer.backwards else x
    states = _lstm(layer, x) if isinstance(layer, layers.LSTM) else _gru(layer, x)
    return states if layer.sequences else states[:, -1]


def _lstm(layer: layers.LSTM, x: Array) -> Array:
    hidden = cell = np.zeros((len(x), layer.units))
    states = []
    for step in range(x.shape[1]):
        gates = (
            x[:, step] @ layer.kernel.astype(np.float64)
            + hidden @ layer.recurrent.astype(np.float64)
            + layer.bias
        )
        i, f, c, o = np.split(gates, 4, axis=-1)
        gate = layer.recurrent_activation
        cell = activate(gate, f) * cell + activate(gate, i) * activate(layer.activation, c)
        hidden = activate(gate, o) * activate(layer.activation, cell)
        states.append(hidden)
    return np.stack(states, axis=1)


def _gru(layer: layers.GRU, x: Array) -> Array:
    hidden = np.zeros((len(x), layer.units))
    kernels = np.split(layer.kernel.astype(np.float64), 3, axis=-1)
    inner = np.split(layer.recurrent.astype(np.float64), 3, axis=-1)
    bias, inner_bias = np.split(layer.bias, 3), np.split(layer.recurrent_bias, 3)
    states = []
    for step in range(x.shape[1]):
        given = [x[:, step] @ kernel + b for kernel, b in zip(kernels, bias, strict=True)]
        update = activate(layer.recurrent_activation, given[0] + hidden @ inner[0] + inner_bias[0])
        reset = activate(layer.recurrent_activation, given[1] + hidden @ inner[1] + inner_bias[1])
        if layer.reset_after:
            new = given[2] + reset * (hidden @ inner[2] + inner_bias[2])
        else:
            new = given[2] + (reset * hidden) @ inner[2] + inner_bias[2]
        hidden = update * hidden + (1 - update) * activate(layer.activation, new)
        states.append(hidden)
    return np.stack(states, axis=1)


@_evaluates(layers.Bidirectional)
def _bidirectional(layer: layers.Bidirectional, x: Array) -> Array:
    forward, backward = (
        _recurrent(layer.forward, x),
        _recurrent(layer.backward, x if layer.backward.backwards else x[:, ::-1]),
    )
    if layer.forward.sequences:
        backward = backward[:, ::-1]
    if layer.merge == "concat":
        return np.concatenate([forward, backward], axis=-1)
    if layer.merge == "mul":
        return forward * backward
    return (forward + backward) / (2 if layer.merge == "ave" else 1)


def _padded(span: layers.Span, x: Array, fill: float) -> Array:
    return np.pad(x, ((0, 0), span.pads(x.shape[1]), (0, 0)), constant_values=fill)


def _looks(span: layers.Span, x: Array) -> Array:
    """(n, time, channels) → (n, steps out, channels, size): what the kernel or pool looks at."""
    reach = (span.size - 1) * span.dilation + 1
    seen = sliding_window_view(x, reach, axis=1)
    return seen[:, :: span.stride, :, :: span.dilation]


@_evaluates(layers.Conv1D)
def _conv(layer: layers.Conv1D, x: Array) -> Array:
    seen = np.split(_looks(layer.span, _padded(layer.span, x, 0.0)), layer.groups, axis=2)
    kernels = np.split(layer.kernel.astype(np.float64), layer.groups, axis=2)
    parts = [np.einsum("ntck,kcf->ntf", s, k) for s, k in zip(seen, kernels, strict=True)]
    made = np.concatenate(parts, axis=-1)
    return activate(layer.activation, made if layer.bias is None else made + layer.bias)


@_evaluates(layers.Pool1D)
def _pool(layer: layers.Pool1D, x: Array) -> Array:
    seen = _looks(layer.span, _padded(layer.span, x, np.nan))  # padding counts for nothing
    return np.asarray(np.nanmax(seen, axis=-1) if layer.kind == "max" else np.nanmean(seen, axis=-1))


@_evaluates(layers.GlobalPool1D)
def _global_pool(layer: layers.GlobalPool1D, x: Array) -> Array:
    return np.asarray((x.max if layer.kind == "max" else x.mean)(axis=1, keepdims=layer.keep))


@_evaluates(layers.BatchNormalization)
def _batch_norm(layer: layers.BatchNormalization, x: Array) -> Array:
    return (x - layer.mean) / np.sqrt(
        layer.variance.astype(np.float64) + layer.epsilon
    ) * layer.gamma + layer.beta


@_evaluates(layers.LayerNormalization)
def _layer_norm(layer: layers.LayerNormalization, x: Array) -> Array:
    mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    made = (x - mean) / np.sqrt(variance + layer.epsilon) * (1 if layer.gamma is None else layer.gamma)
    return np.asarray(made if layer.beta is None else made + layer.beta)


@_evaluates(layers.Flatten, layers.Reshape)
def _reshape(layer: layers.Flatten | layers.Reshape, x: Array) -> Array:
    return x.reshape(len(x), *layer.shape(x.shape[1:]))


@_evaluates(layers.RepeatVector)
def _repeat(layer: layers.RepeatVector, x: Array) -> Array:
    return np.repeat(x[:, None], layer.count, axis=1)


_MERGES: dict[str, Callable[..., Any]] = {
    "add": np.sum,
    "multiply": np.prod,
    "average": np.mean,
    "maximum": np.max,
    "minimum": np.min,
}


@_evaluates(layers.Merge)
def _merge(layer: layers.Merge, *given: Array) -> Array:
    if layer.kind == "subtract":
        return given[0] - given[1]
    return np.asarray(_MERGES[layer.kind](np.stack(given), axis=0))


@_evaluates(layers.Concatenate)
def _concatenate(layer: layers.Concatenate, *given: Array) -> Array:
    return np.concatenate(given, axis=layer.axis % (given[0].ndim - 1) + 1)


@_evaluates(layers.Attention)
def _attention(_: layers.Attention, query: Array, value: Array, key: Array | None = None) -> Array:
    scores = query @ np.swapaxes(value if key is None else key, 1, 2)
    return _softmax(scores) @ value
