"""Layers that work on each number, or on the channels of each step: they take any order of axes they can."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from foretell.importers.keras.lower.builder import Builder, Value
from foretell.importers.keras.lower.registry import lowers
from foretell.importers.keras.meaning import layers
from foretell.importers.keras.meaning.activations import LINEAR, Activation
from foretell.importers.keras.meaning.layers import Shape

_OPERATORS = {
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "exponential": "Exp",
    "selu": "Selu",
}


def _number(builder: Builder, value: float) -> str:
    return builder.constant(np.asarray(value, np.float32))


def _relu6(builder: Builder, given: str, _: Activation) -> str:
    return builder.op("Clip", given, _number(builder, 0), _number(builder, 6))


def _swish(builder: Builder, given: str, _: Activation) -> str:
    return builder.op("Mul", given, builder.op("Sigmoid", given))


def _gelu(builder: Builder, given: str, _: Activation) -> str:
    half = builder.op("Mul", given, _number(builder, 0.5))
    erf = builder.op("Erf", builder.op("Mul", given, _number(builder, math.sqrt(0.5))))
    return builder.op("Mul", half, builder.op("Add", erf, _number(builder, 1)))


_COMPOSED: dict[str, Callable[[Builder, str, Activation], str]] = {
    "relu6": _relu6,
    "swish": _swish,
    "gelu": _gelu,
    "hard_sigmoid": lambda b, x, a: b.op("HardSigmoid", x, alpha=a.alpha, beta=a.beta),
    "elu": lambda b, x, a: b.op("Elu", x, alpha=a.alpha),
    "leaky_relu": lambda b, x, a: b.op("LeakyRelu", x, alpha=a.alpha),
}


def activate(builder: Builder, activation: Activation, given: str, order: str) -> str:
    """The operators of an activation on a tensor that lies in some order."""
    if activation == LINEAR:
        return given
    if activation.kind == "softmax":
        return builder.op("Softmax", given, axis=order.index("c") if order else -1)
    if activation.kind in _OPERATORS:
        return builder.op(_OPERATORS[activation.kind], given)
    return _COMPOSED[activation.kind](builder, given, activation)


@lowers(layers.Identity)
def _identity(_: Builder, __: layers.Identity, inputs: Sequence[Value], ___: Shape) -> Value:
    return inputs[0]


@lowers(layers.Activate)
def _activate(builder: Builder, layer: layers.Activate, inputs: Sequence[Value], shape: Shape) -> Value:
    order = inputs[0].order
    return builder.value(shape, order, activate(builder, layer.activation, inputs[0].orders[order], order))


@lowers(layers.Dense)
def _dense(builder: Builder, layer: layers.Dense, inputs: Sequence[Value], shape: Shape) -> Value:
    order, given = builder.last(inputs[0])
    kernel = builder.constant(layer.kernel)
    if layer.bias is None:
        made = builder.op("MatMul", given, kernel)
    elif len(shape) == 1:
        made = builder.op("Gemm", given, kernel, builder.constant(layer.bias))
    else:
        made = builder.op("Add", builder.op("MatMul", given, kernel), builder.constant(layer.bias))
    return builder.value(shape, order, activate(builder, layer.activation, made, order))


@lowers(layers.BatchNormalization)
def _batch_norm(
    builder: Builder, layer: layers.BatchNormalization, inputs: Sequence[Value], shape: Shape
) -> Value:
    factor = layer.gamma.astype(np.float64) / np.sqrt(layer.variance.astype(np.float64) + layer.epsilon)
    offset = layer.beta - layer.mean * factor
    order = inputs[0].order
    along = (-1, 1) if order == "bct" else (-1,)
    scaled = builder.op("Mul", inputs[0].orders[order], builder.constant(factor.reshape(along)))
    return builder.value(shape, order, builder.op("Add", scaled, builder.constant(offset.reshape(along))))


@lowers(layers.LayerNormalization)
def _layer_norm(
    builder: Builder, layer: layers.LayerNormalization, inputs: Sequence[Value], shape: Shape
) -> Value:
    order, given = builder.last(inputs[0])
    gamma = np.ones(shape[-1]) if layer.gamma is None else layer.gamma
    beta = [] if layer.beta is None else [builder.constant(layer.beta)]
    made = builder.op(
        "LayerNormalization", given, builder.constant(gamma), *beta, axis=-1, epsilon=layer.epsilon
    )
    return builder.value(shape, order, made)


_MERGES = {
    "add": "Sum",
    "subtract": "Sub",
    "multiply": "Mul",
    "average": "Mean",
    "maximum": "Max",
    "minimum": "Min",
}


@lowers(layers.Merge)
def _merge(builder: Builder, layer: layers.Merge, inputs: Sequence[Value], shape: Shape) -> Value:
    order = inputs[0].order
    tensors = [value.orders[""] if order == "" else builder.get(value, order) for value in inputs]
    if layer.kind != "multiply":
        return builder.value(shape, order, builder.op(_MERGES[layer.kind], *tensors))
    product = tensors[0]
    for tensor in tensors[1:]:
        product = builder.op("Mul", product, tensor)
    return builder.value(shape, order, product)


@lowers(layers.Attention)
def _attention(builder: Builder, _: layers.Attention, inputs: Sequence[Value], shape: Shape) -> Value:
    query, value, *key = inputs
    scores = builder.op("MatMul", builder.get(query, "btc"), builder.get(key[0] if key else value, "bct"))
    weights = builder.op("Softmax", scores, axis=-1)
    return builder.value(shape, "btc", builder.op("MatMul", weights, builder.get(value, "btc")))
