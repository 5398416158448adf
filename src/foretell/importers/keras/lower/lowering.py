"""A graph of typed layers → an ONNX model with a free batch."""

import re

import onnx

from foretell.errors import UnsupportedModel
from foretell.importers.keras.lower import convolution, pointwise, recurrent, shaping
from foretell.importers.keras.lower.builder import Builder
from foretell.importers.keras.lower.registry import LOWERINGS
from foretell.importers.keras.meaning import Graph

WINDOW = "window"
__all__ = ["convolution", "lower", "pointwise", "recurrent", "shaping"]


def lower(graph: Graph) -> onnx.ModelProto:
    """The same network as ONNX operators: one input `window` (batch, lookback, features), float32.

    Raises:
        UnsupportedModel: an option that ONNX has no operator for; names the layer.
    """
    builder = Builder()
    values = {-1: builder.value(graph.input_shape, "btc", WINDOW)}
    for index, node in enumerate(graph.nodes):
        inputs = [values[i] for i in node.inputs]
        try:
            values[index] = LOWERINGS[type(node.layer)](builder, node.layer, inputs, node.shape)
        except NotImplementedError as error:
            kind = type(node.layer).__name__
            raise UnsupportedModel(f"{graph.file}: layer {node.name} ({kind}): {error}") from None
    outputs = [
        (builder.plain(values[index]), name, graph.shape(index))
        for index, name in zip(graph.outputs, output_names(graph), strict=True)
    ]
    return builder.model((WINDOW, graph.input_shape), outputs)


def output_names(graph: Graph) -> list[str]:
    """The names of the output layers, each once."""
    names: list[str] = []
    for index in graph.outputs:
        base = re.sub(r"\W", "_", graph.nodes[index].name) if index >= 0 else "copy"
        names.append(base if base not in [*names, WINDOW] else f"{base}_{len(names)}")
    return names
