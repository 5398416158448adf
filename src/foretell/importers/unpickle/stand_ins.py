"""What stands for classes and objects while a pickle is read: names and state, nothing that acts."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Order = Literal["<", ">", "|", "="]


@dataclass(frozen=True, slots=True)
class Global:
    """A name that the file mentions; it is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Instance:
    """An object of any class: the class's name, and the state that the file gives it."""

    of: Global
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class DtypeShell:
    """A NumPy dtype on its way: the code comes first, the byte order with its state."""

    code: str
    order: Order = "="

    def dtype(self) -> "np.dtype[Any]":
        return np.dtype(self.code).newbyteorder(self.order)


@dataclass(slots=True, eq=False)
class ArrayShell:
    """A NumPy array before its state; `value` is the array once it came."""

    value: Array | None = None
