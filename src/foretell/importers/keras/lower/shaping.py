"""Layers that move numbers and compute nothing."""

from collections.abc import Sequence

from foretell.importers.keras.lower.builder import Builder, Value
from foretell.importers.keras.lower.registry import lowers
from foretell.importers.keras.meaning import layers
from foretell.importers.keras.meaning.layers import Shape


@lowers(layers.Flatten)
def _flatten(builder: Builder, _: layers.Flatten, inputs: Sequence[Value], shape: Shape) -> Value:
    if len(inputs[0].shape) == 1:
        return inputs[0]
    return builder.value(shape, "", builder.op("Flatten", builder.plain(inputs[0]), axis=1))


@lowers(layers.Reshape)
def _reshape(builder: Builder, _: layers.Reshape, inputs: Sequence[Value], shape: Shape) -> Value:
    made = builder.op("Reshape", builder.plain(inputs[0]), builder.ints(-1, *shape))
    return builder.value(shape, "btc" if len(shape) == 2 else "", made)


@lowers(layers.RepeatVector)
def _repeat(builder: Builder, layer: layers.RepeatVector, inputs: Sequence[Value], shape: Shape) -> Value:
    one = builder.op("Unsqueeze", builder.plain(inputs[0]), builder.ints(0))
    return builder.value(shape, "tbc", builder.op("Expand", one, builder.ints(layer.count, 1, 1)))


@lowers(layers.Concatenate)
def _concatenate(builder: Builder, layer: layers.Concatenate, inputs: Sequence[Value], shape: Shape) -> Value:
    order = inputs[0].order
    axis = layer.axis % len(shape) + 1  # after the batch, in Keras's order
    if order:
        axis = order.index("btc"[axis])
    tensors = [value.orders[""] if order == "" else builder.get(value, order) for value in inputs]
    return builder.value(shape, order, builder.op("Concat", *tensors, axis=axis))
