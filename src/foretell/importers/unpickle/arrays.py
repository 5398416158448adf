"""NumPy's parts of a pickle: dtypes, arrays and scalars, rebuilt from bytes that are there."""

import math
import re
from typing import Any

import numpy as np

from foretell.errors import UnreadableFile
from foretell.importers.unpickle.stand_ins import Array, ArrayShell, DtypeShell, Order

# Numbers, texts, dates, and objects (a list of values); no structures, no void.
_CODE = re.compile(r"(\?|[biufc][1-8]|c16|f16|[SU]\d{1,6}|O8?|[mM]8)")
_ORDERS: dict[str, Order] = {"<": "<", ">": ">", "|": "|", "=": "="}
_MAX_DIMENSIONS = 8


def dtype_shell(args: tuple[Any, ...]) -> DtypeShell:
    """`numpy.dtype("f8", False, True)`, as pickles write it."""
    code = args[0] if args else None
    text = code.decode("latin1", "replace") if isinstance(code, bytes) else code
    if not isinstance(text, str) or not _CODE.fullmatch(text.lstrip("<>|=")):
        raise UnreadableFile("holds an array of a dtype that is neither numbers nor texts")
    return DtypeShell(text.lstrip("<>|="), _order(text[0]) or "=")


def set_dtype_state(shell: DtypeShell, state: Any) -> None:
    """`(version, byte order, subdtype, names, fields, …)`; only the order may say anything."""
    ok = isinstance(state, tuple) and len(state) >= 5 and all(part is None for part in state[2:5])
    order = _order(state[1]) if ok else None
    if order is None:
        raise UnreadableFile("holds an array of a structured dtype, which no scaler has")
    shell.order = order


def set_array_state(shell: ArrayShell, state: Any) -> None:
    """`(version, shape, dtype, column order?, bytes or list)`."""
    parts = state[-4:] if isinstance(state, tuple) and len(state) in (4, 5) else (None,) * 4
    shape, dtype, fortran, raw = parts
    if not isinstance(dtype, DtypeShell):
        raise UnreadableFile("holds an array without a dtype")
    shell.value = build(shape, dtype, bool(fortran), raw)


def build(shape: Any, shell: DtypeShell, fortran: bool, raw: Any) -> Array:
    """An array of the declared shape, if exactly its bytes (or its objects) are there."""
    count = element_count(shape)
    dtype = shell.dtype()
    order = "F" if fortran else "C"
    if dtype.hasobject:
        if not isinstance(raw, list) or len(raw) != count:
            raise UnreadableFile(f"an array of shape {shape} comes without its {count} objects")
        flat = np.empty(count, object)
        for index, item in enumerate(raw):
            flat[index] = item
        return flat.reshape(shape, order=order)  # type: ignore[call-overload,no-any-return]
    raw = _bytes(raw)
    if raw is None or dtype.itemsize == 0 or len(raw) != count * dtype.itemsize:
        have = "no bytes" if raw is None else f"{len(raw)} bytes"
        raise UnreadableFile(f"an array of shape {shape} and dtype {dtype} comes with {have}")
    return np.frombuffer(raw, dtype).reshape(shape, order=order).copy()  # type: ignore[call-overload,no-any-return]


def element_count(shape: Any) -> int:
    """Elements of a declared shape; the shape itself must be sane."""
    ok = isinstance(shape, tuple) and len(shape) <= _MAX_DIMENSIONS
    if not ok or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise UnreadableFile("an array declares a shape that is none")
    return math.prod(shape)


def scalar(args: tuple[Any, ...]) -> Any:
    """`numpy.scalar(dtype, bytes)` → a Python number or text."""
    if len(args) != 2 or not isinstance(args[0], DtypeShell):
        raise UnreadableFile("holds a NumPy scalar without a dtype")
    return build((1,), args[0], False, args[1] if isinstance(args[1], bytes | str) else [args[1]]).item()


def _bytes(raw: Any) -> bytes | None:
    if isinstance(raw, str):  # Python 2 wrote array bytes as text
        return raw.encode("latin1", "replace")
    return bytes(raw) if isinstance(raw, bytes | bytearray) else None


def _order(value: Any) -> Order | None:
    text = value.decode("latin1") if isinstance(value, bytes) else value
    return _ORDERS.get(text) if isinstance(text, str) else None
