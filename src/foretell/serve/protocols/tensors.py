"""Tensors of the Open Inference Protocol as arrays.

A datatype says what the numbers are, so the same tensor means the same as JSON and as bytes: FP32 numbers are
rounded to FP32, integers must be whole and fit. Then all become float64, which is what models read.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.serve.protocols.errors import invalid

Floats = NDArray[np.float64]

DATATYPES: dict[str, np.dtype[Any]] = {
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "FP16": np.dtype("<f2"),
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
}
_NAMES = {dtype: name for name, dtype in DATATYPES.items()}


def datatype(array: NDArray[Any]) -> str:
    """The protocol's name for an array's type."""
    return _NAMES.get(array.dtype) or _NAMES[array.dtype.newbyteorder("<")]


def from_numbers(data: Sequence[Any], name: str, shape: Sequence[int], path: str) -> Floats:
    """Numbers in row-major order, flat or nested as the shape says.

    Args:
        name: the datatype. path: of the tensor, as in `inputs[0]`.

    Raises:
        Refusal: `invalid`.
    """
    dtype = _dtype(name, path)
    try:
        values = np.array(data, np.float64)
    except ValueError:
        raise invalid(f"{path}.data", "arrays of different lengths", "nest it as the shape says") from None
    if values.size != prod(shape) or (values.ndim > 1 and values.shape != tuple(shape)):
        raise _wrong_count(f"{path}.data", f"holds {_held(values)}", shape)
    if dtype.kind != "f":
        _check_whole(values, dtype, name, path)
    elif dtype.itemsize < 8:
        with np.errstate(
            over="ignore"
        ):  # an infinity is refused with its path, where all values are looked at
            values = values.astype(dtype).astype(np.float64)
    return values if values.ndim == len(shape) > 1 else values.reshape(shape)


def from_bytes(data: bytes | memoryview, name: str, shape: Sequence[int], path: str) -> Floats:
    """Little-endian bytes in row-major order. Errors as in `from_numbers`."""
    dtype = _dtype(name, path)
    if len(data) != prod(shape) * dtype.itemsize:
        raise _wrong_count(path, f"has {len(data)} bytes", shape, f" {name}")
    return np.frombuffer(data, dtype).astype(np.float64).reshape(shape)


def _dtype(name: str, path: str) -> np.dtype[Any]:
    dtype = DATATYPES.get(name)
    if dtype is None:
        raise invalid(
            f"{path}.datatype", f"{name!r} is no datatype of numbers", f"one of {', '.join(DATATYPES)}"
        )
    return dtype


def _check_whole(values: Floats, dtype: np.dtype[Any], name: str, path: str) -> None:
    limits = np.iinfo(dtype)
    wrong = (values != np.floor(values)) | (values < limits.min) | (values > limits.max)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise invalid(
            f"{path}.data[{i}]", f"{values.flat[i]:g} is no {name}", "FP32 or FP64 takes any number"
        )


def _wrong_count(path: str, held: str, shape: Sequence[int], unit: str = "") -> Exception:
    numbers = prod(shape)
    return invalid(
        path, f"{held}; shape {list(shape)} wants {numbers}{unit}", "send as many as the shape says"
    )


def _held(values: Floats) -> str:
    return f"{values.size} numbers" if values.ndim == 1 else f"an array of shape {list(values.shape)}"
