"""What a server's answers mean to a client: arrays, or a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretell.errors import ServerUnreachable
from foretell.serve.backend import Refusal
from foretell.serve.protocols.errors import HttpRefusal
from foretell.serve.protocols.tensors import DATATYPES

HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True, slots=True)
class Inference:
    """An answer of the Open Inference Protocol.

    Attributes:
        model, version: that gave it. id: of the request, for the server's log.
        outputs: by name, each (n, …): `forecast` (n, horizon, targets) own units, or the network's own.
        refused: windows, from 0, that failed alone; their outputs are NaN.
        steps: (n,) steps that hold, where a roll-out stopped; `None`: all.
        notes: what the server had to say, for instance that it was served as medium.
    """

    model: str
    version: str
    outputs: Mapping[str, NDArray[np.floating]]
    id: str = ""
    refused: tuple[int, ...] = ()
    steps: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = field(default=())


class _Tensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: list[float | None] | None = None
    parameters: dict[str, Any] = {}


class _Answer(msgspec.Struct):
    model_name: str
    model_version: str
    outputs: list[_Tensor]
    id: str = ""
    parameters: dict[str, Any] = {}


def inference(body: bytes, headers: Mapping[str, str]) -> Inference:
    """An answer to `infer`, JSON or with binary tensors. Raises ServerUnreachable where it is none."""
    try:
        length = int(headers.get(HEADER_LENGTH, len(body)))
        told = msgspec.json.decode(body[:length], type=_Answer)
        outputs, at = {}, length
        for tensor in told.outputs:
            size = tensor.parameters.get("binary_data_size", 0)
            outputs[tensor.name] = _array(tensor, body[at : at + size])
            at += size
    except (ValueError, KeyError, msgspec.DecodeError) as error:
        raise ServerUnreachable(
            f"the answer is none of the Open Inference Protocol: {error}", cure="check the URL"
        ) from None
    told_of = told.parameters
    return Inference(
        told.model_name,
        told.model_version,
        outputs,
        told.id,
        tuple(int(i) for i in str(told_of.get("refused", "")).split(",") if i),
        np.array([int(s) for s in str(told_of["steps"]).split(",")]) if "steps" in told_of else None,
        tuple(note for note in str(told_of.get("notes", "")).split("; ") if note),
    )


def _array(tensor: _Tensor, raw: bytes) -> NDArray[Any]:
    dtype = DATATYPES[tensor.datatype]
    if tensor.data is None:
        return np.frombuffer(raw, dtype).reshape(tensor.shape)
    return np.array(tensor.data, np.float64).astype(dtype).reshape(tensor.shape)  # null is NaN


def refusal(status: int, body: bytes, headers: Mapping[str, str]) -> Refusal | ServerUnreachable:
    """What an answer that is none says: in the words of foretell, or of whoever stands before it."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = None
    inner = told.get("error") if isinstance(told, dict) else None
    fields = inner if isinstance(inner, dict) else told
    if not isinstance(fields, dict) or not isinstance(fields.get("code"), str):
        message = f"status {status}, and not in foretell's words"
        return ServerUnreachable(message, cure="check the URL, and what stands before the server")
    code = fields["code"]
    # Under /v2 `error` holds path, message and cure in one.
    message = str(fields.get("message") or (inner if isinstance(inner, str) else code))
    cure, path = str(fields.get("cure") or ""), fields.get("path")
    message = message.removeprefix(f"{path}: ")
    return HttpRefusal(
        code if code in HttpRefusal.HTTP else "internal",
        message,
        cure=cure,
        path=path if isinstance(path, str) else None,
        retry_after=retry_after(headers),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; a date, which foretell never sends, counts as none."""
    told = headers.get("Retry-After", "")
    return float(told) if told.isdigit() else None
