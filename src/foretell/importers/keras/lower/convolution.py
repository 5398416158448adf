"""Convolution and pooling along time."""

from collections.abc import Sequence

import numpy as np

from foretell.importers.keras.lower.builder import Builder, Value
from foretell.importers.keras.lower.pointwise import activate
from foretell.importers.keras.lower.registry import lowers
from foretell.importers.keras.meaning import layers
from foretell.importers.keras.meaning.layers import Shape


@lowers(layers.Conv1D)
def _conv(builder: Builder, layer: layers.Conv1D, inputs: Sequence[Value], shape: Shape) -> Value:
    kernel = builder.constant(np.transpose(layer.kernel, (2, 1, 0)))
    bias = [] if layer.bias is None else [builder.constant(layer.bias)]
    made = builder.op(
        "Conv",
        builder.get(inputs[0], "bct"),
        kernel,
        *bias,
        kernel_shape=[layer.span.size],
        strides=[layer.span.stride],
        dilations=[layer.span.dilation],
        pads=list(layer.span.pads(inputs[0].shape[0])),
        group=layer.groups,
    )
    return builder.value(shape, "bct", activate(builder, layer.activation, made, "bct"))


@lowers(layers.Pool1D)
def _pool(builder: Builder, layer: layers.Pool1D, inputs: Sequence[Value], shape: Shape) -> Value:
    made = builder.op(
        "MaxPool" if layer.kind == "max" else "AveragePool",
        builder.get(inputs[0], "bct"),
        kernel_shape=[layer.span.size],
        strides=[layer.span.stride],
        pads=list(layer.span.pads(inputs[0].shape[0])),
    )
    return builder.value(shape, "bct", made)


@lowers(layers.GlobalPool1D)
def _global_pool(
    builder: Builder, layer: layers.GlobalPool1D, inputs: Sequence[Value], shape: Shape
) -> Value:
    order = inputs[0].order
    made = builder.op(
        "ReduceMax" if layer.kind == "max" else "ReduceMean",
        inputs[0].orders[order],
        builder.ints(order.index("t")),
        keepdims=int(layer.keep),
    )
    return builder.value(shape, order if layer.keep else "", made)
