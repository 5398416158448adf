"""Whole HTTP requests, made before a load begins: no two of them ask the same."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.bundle import Bundle

VARIETY = 512


def windows(bundle: Bundle, rows: int, count: int = VARIETY) -> Iterator[NDArray[np.float64]]:
    """`count` times windows (rows, lookback, features) in own units."""
    rng = np.random.default_rng(rows)
    for _ in range(count):
        yield rng.uniform(30, 70, (rows, *bundle.manifest.input_shape)).round(2)


def post(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """As it goes over the wire."""
    told = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def oip_json(block: NDArray[np.float64], parameters: Mapping[str, Any] | None = None) -> bytes:
    """The body of an Open Inference request."""
    tensor = {"name": "windows", "shape": block.shape, "datatype": "FP64", "data": block.tolist()}
    told = {"inputs": [tensor], **({"parameters": parameters} if parameters else {})}
    return json.dumps(told, separators=(",", ":")).encode()


def oip_binary(
    block: NDArray[np.float64], parameters: Mapping[str, Any] | None = None
) -> tuple[bytes, dict[str, str]]:
    """Body and headers: the tensor as FP32 bytes behind the JSON, and the answer wanted likewise."""
    raw = block.astype("<f4").tobytes()
    tensor = {
        "name": "windows",
        "shape": block.shape,
        "datatype": "FP32",
        "parameters": {"binary_data_size": len(raw)},
    }
    told = {"inputs": [tensor], "parameters": {"binary_data_output": True, **(parameters or {})}}
    head = json.dumps(told, separators=(",", ":")).encode()
    return head + raw, {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
