"""The binary tensor data extension: JSON first, then the bytes of tensors, in the order of the JSON.

The header `Inference-Header-Content-Length` says where the JSON ends; `binary_data_size`, a parameter of a
tensor, how many bytes are its. An answer is made the same way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from foretell.serve.protocols.errors import invalid
from foretell.serve.protocols.http import Response

_LENGTH = b"inference-header-content-length"
_NOTHING = memoryview(b"")
_CURE = "Inference-Header-Content-Length is the length of the JSON, binary_data_size that of a tensor"


def split(headers: Mapping[bytes, bytes], body: bytes) -> tuple[bytes, memoryview]:
    """The JSON, and the bytes that follow it. Raises Refusal `invalid`."""
    told = headers.get(_LENGTH)
    if told is None:
        return body, _NOTHING
    if not told.isdigit() or len(told) > 12 or int(told) > len(body):
        raise invalid("Inference-Header-Content-Length", f"{len(body)} bytes came", _CURE)
    length = int(told)
    return body[:length], memoryview(body)[length:]


def join(body: bytes, tails: Sequence[bytes]) -> Response:
    """An answer with binary tensors."""
    return Response(
        b"".join((body, *tails)),
        content_type=b"application/octet-stream",
        headers=((_LENGTH, b"%d" % len(body)),),
    )


def size_of(parameters: Mapping[str, Any] | None, path: str) -> int | None:
    """`binary_data_size` of an input; `None` where it is not binary. Raises Refusal `invalid`."""
    if parameters is None:
        return None
    for name in parameters:
        # MLServer's and KServe's clients say `content_type`, how they would decode it: here all are numbers.
        if name not in {"binary_data_size", "content_type"}:
            raise invalid(f"{path}.{name}", "no such parameter of an input", "known: binary_data_size")
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise invalid(f"{path}.binary_data_size", f"{str(size)[:40]} is no number of bytes", _CURE)
    return size


def check_all_taken(tail: memoryview, size: int) -> None:
    """The bytes that came are those that the tensor says it has. Raises Refusal `invalid`."""
    if len(tail) != size:
        raise invalid(
            "inputs[0].parameters.binary_data_size",
            f"{size} bytes are told, and {len(tail)} follow the JSON",
            _CURE,
        )


def flag(value: Any, path: str) -> bool:
    """True or false; unset is false. Raises Refusal `invalid`."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise invalid(path, f"{str(value)[:40]!r} is neither true nor false", "send true or false")
