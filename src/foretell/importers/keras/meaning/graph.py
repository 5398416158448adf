"""Layers and what flows between them."""

import math
from dataclasses import dataclass, field

from foretell.errors import UnreadableFile, UnsupportedModel
from foretell.importers.keras.meaning.layers import Layer, Shape

MAX_ELEMENTS = 2**21  # that all layers make of one window; more is a mistake or an attack


@dataclass(frozen=True)
class Node:
    """A use of a layer: its own index stands for what it gives.

    Attributes:
        name: the layer's name. shape: of what it gives, without the batch.
        inputs: indices of earlier nodes; -1 is the window.
    """

    name: str
    layer: Layer
    inputs: tuple[int, ...]
    shape: Shape


@dataclass
class Graph:
    """A network: one window in, one or more outputs.

    Attributes:
        input_shape: (lookback, features).
        nodes: in an order in which each comes after its inputs.
        outputs: indices of nodes.
        notes: what was left aside, in words for the person who imports.
    """

    file: str
    input_shape: Shape
    nodes: list[Node] = field(default_factory=list)
    outputs: tuple[int, ...] = ()
    notes: list[str] = field(default_factory=list)
    _elements: int = 0

    def shape(self, index: int) -> Shape:
        return self.input_shape if index == -1 else self.nodes[index].shape

    def add(self, name: str, layer: Layer, inputs: tuple[int, ...]) -> int:
        """Put a layer behind its inputs, and return what stands for its output.

        Raises:
            UnreadableFile: its weights do not fit what flows in, or too much comes out.
            UnsupportedModel: it takes another number of inputs.
        """
        try:
            shape = layer.shape(*(self.shape(index) for index in inputs))
        except ValueError as error:
            raise UnreadableFile(f"{self.file}: layer {name} ({type(layer).__name__}) {error}") from None
        except TypeError:
            raise UnsupportedModel(
                f"{self.file}: layer {name} ({type(layer).__name__}) is given {len(inputs)} inputs",
                cure="initial states and masks are not supported; export the model to ONNX",
            ) from None
        self._elements += math.prod(shape)
        if self._elements > MAX_ELEMENTS:
            raise UnreadableFile(f"{self.file}: layer {name} makes {shape} of one window, too much")
        self.nodes.append(Node(name, layer, inputs, shape))
        return len(self.nodes) - 1
