"""Which function lowers which layer."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from foretell.importers.keras.lower.builder import Builder, Value
from foretell.importers.keras.meaning.layers import Shape

L = TypeVar("L")
Lowering = Callable[[Builder, L, Sequence[Value], Shape], Value]
LOWERINGS: dict[type, Lowering[Any]] = {}


def lowers(kind: type[L]) -> Callable[[Lowering[L]], Lowering[L]]:
    """Enter the lowering of a layer: (builder, layer, inputs, shape of its output) → output.

    It raises `NotImplementedError` with a reason for what ONNX cannot say.
    """

    def enter(lowering: Lowering[L]) -> Lowering[L]:
        LOWERINGS[kind] = lowering
        return lowering

    return enter
