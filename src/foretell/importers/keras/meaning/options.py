"""A layer's configuration, read option by option; what is not understood is refused by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from foretell.errors import UnreadableFile, UnsupportedModel
from foretell.importers.keras.meaning.activations import Activation, activation_of

CURE = "export the model to ONNX (model.export(..., format='onnx')) and import that, or ask for this layer"


@dataclass
class Options:
    """Attributes:
    file, name, class_name: what messages name.
    config: the options as the file has them.
    weights: the layer's arrays, in Keras's order.
    major: version of Keras.
    notes: where a reader puts what it left aside.
    """

    file: str
    name: str
    class_name: str
    config: Mapping[str, Any]
    weights: tuple[NDArray[np.float32], ...]
    major: int
    notes: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        return f"{self.file}: layer {self.name} ({self.class_name})"

    def unsupported(self, what: str) -> NoReturn:
        raise UnsupportedModel(f"{self.where}: {what}", cure=CURE)

    def damaged(self, what: str) -> NoReturn:
        raise UnreadableFile(f"{self.where}: {what}")

    def only(self, option: str, *allowed: object) -> None:
        """An option that may have these values (or be absent) and no others."""
        value = self.config.get(option, allowed[0])
        if value not in allowed:
            self.unsupported(f"{option}={value!r} is not supported")

    def flag(self, option: str, default: bool = False) -> bool:
        value = self.config.get(option, default)
        if not isinstance(value, bool):
            self.damaged(f"{option} is {value!r}, not true or false")
        return value

    def count(self, option: str, default: int | None = None) -> int:
        """A positive whole number, also as a list of one."""
        value = self.config.get(option, default)
        if isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
            self.damaged(f"{option} is {value!r}, not a positive whole number")
        return value

    def number(self, option: str, default: float) -> float:
        value = self.config.get(option, default)
        if isinstance(value, Mapping):  # Keras 2 stored arrays so
            value = value.get("value")
        if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
            self.damaged(f"{option} is {value!r}, not a number")
        return float(value)

    def activation(self, option: str = "activation", default: str = "linear") -> Activation:
        value = self.config.get(option, default)
        found = activation_of(value, self.major)
        if found is None:
            self.unsupported(f"{option}={_short(value)} is not supported")
        return found

    def take(self, *shapes: tuple[int | None, ...] | None) -> Iterator[NDArray[np.float32]]:
        """The weights, one for each shape that is not `None`; `None` in a shape fits any length.

        Raises:
            UnreadableFile: their number or shapes differ, or they hold NaN.
        """
        wanted = [shape for shape in shapes if shape is not None]
        if len(wanted) != len(self.weights):
            self.damaged(f"has {len(self.weights)} weights, {len(wanted)} are expected")
        for weight, shape in zip(self.weights, wanted, strict=True):
            fits = weight.ndim == len(shape) and all(
                want in (None, have) for want, have in zip(shape, weight.shape, strict=True)
            )
            if not fits or 0 in weight.shape:
                self.damaged(f"a weight has shape {weight.shape}, {shape} is expected")
            if not np.isfinite(weight).all():
                self.damaged("a weight holds numbers that are not finite")
            yield weight

    def inner(self, option: str, weights: tuple[NDArray[np.float32], ...]) -> "Options":
        """The layer that this one wraps."""
        found = self.config.get(option)
        if not isinstance(found, Mapping) or not isinstance(found.get("config"), Mapping):
            self.damaged(f"its {option} is missing")
        class_name = str(found.get("class_name"))
        return Options(
            self.file, f"{self.name}/{option}", class_name, found["config"], weights, self.major, self.notes
        )


def _short(value: object) -> str:
    return repr(value)[:80]
