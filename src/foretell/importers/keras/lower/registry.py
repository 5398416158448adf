"""Which function lowers which layer."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from foretell.importers.keras.lower.builder import Builder, Value
from foretell.importers.keras.meaning.layers import Shape

Lowering = Callable[[Builder, Any, Sequence[Value], Shape], Value]
F = TypeVar("F", bound=Lowering)
LOWERINGS: dict[type, Lowering] = {}


def lowers(*kinds: type) -> Callable[[F], F]:
    """Enter the lowering of these layers: (builder, layer, inputs, shape of its output) → output.

    It raises `NotImplementedError` with a reason for what ONNX cannot say.
    """

    def enter(lowering: F) -> F:
        LOWERINGS.update(dict.fromkeys(kinds, lowering))
        return lowering

    return enter
