"""An ONNX graph in the making. A value knows in which order its axes lie, so that few transposes are needed.

Axes are named b (batch), t (time), c (channels). Recurrent operators want `tbc`, convolutions `bct`, Keras
says `btc`; a value is transposed when somebody wants another order, once for each order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from foretell.importers.keras.meaning.layers import Shape

OPSET = 18
IR_VERSION = 9


@dataclass
class Value:
    """What flows between two layers.

    Attributes:
        shape: in Keras's order, without the batch.
        orders: the tensor's name for each order of axes in which it exists; `""` where it is no sequence.
    """

    shape: Shape
    orders: dict[str, str] = field(default_factory=dict)

    @property
    def order(self) -> str:
        """An order in which it exists already."""
        return next(iter(self.orders))


class Builder:
    """Nodes and constants, and names that nobody has used."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._known: dict[tuple[Any, ...], str] = {}

    def constant(self, array: NDArray[Any]) -> str:
        """The name of a constant; equal ones are stored once. Floats become float32."""
        array = np.ascontiguousarray(array.astype(np.float32) if array.dtype.kind == "f" else array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = f"k{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def ints(self, *values: int) -> str:
        """A constant list of whole numbers, as operators take axes and shapes."""
        return self.constant(np.asarray(values, np.int64))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output, and return the output's name."""
        return self.output(kind, inputs, 0, **attributes)

    def output(self, kind: str, inputs: Sequence[str], index: int, **attributes: Any) -> str:
        """Add an operator for one of its outputs; those before it are not asked for."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [""] * index + [name], **attributes))
        return name

    def value(self, shape: Shape, order: str, name: str) -> Value:
        return Value(shape, {order: name})

    def get(self, value: Value, order: str) -> str:
        """A sequence in the wanted order of axes."""
        if order not in value.orders:
            have = value.order
            perm = [have.index(axis) for axis in order]
            value.orders[order] = self.op("Transpose", value.orders[have], perm=perm)
        return value.orders[order]

    def last(self, value: Value) -> tuple[str, str]:
        """Some order in which channels come last, and the tensor in it."""
        for order, name in value.orders.items():
            if order in ("", "btc", "tbc"):
                return order, name
        return "btc", self.get(value, "btc")

    def plain(self, value: Value) -> str:
        """As Keras has it: batch first, channels last."""
        return value.orders[""] if "" in value.orders else self.get(value, "btc")

    def model(self, window: tuple[str, Shape], outputs: Sequence[tuple[str, str, Shape]]) -> onnx.ModelProto:
        """The finished model. Outputs are (tensor, the name that it gets, shape without the batch)."""
        given = helper.make_tensor_value_info(window[0], TensorProto.FLOAT, ["batch", *window[1]])
        made = []
        for tensor, name, shape in outputs:
            self.nodes.append(helper.make_node("Identity", [tensor], [name]))
            made.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape]))
        self._name_outputs({tensor: name for tensor, name, _ in outputs}, window[0])
        graph = helper.make_graph(self.nodes, "foretell", [given], made, self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, producer_name="foretell", ir_version=IR_VERSION, opset_imports=opsets)

    def _name_outputs(self, names: dict[str, str], window: str) -> None:
        """Let operators write to the outputs' names themselves, where that is possible."""
        if window in names or len(names) != len(set(names.values())):
            return
        self.nodes = [node for node in self.nodes if node.op_type != "Identity"]
        for node in self.nodes:
            for place in (node.input, node.output):
                place[:] = [names.get(tensor, tensor) for tensor in place]
