"""reference.npz: windows and forecasts that the source's own software recorded, in their own units."""

import io
import math
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from foretell.errors import UnreadableFile

_MOST_WINDOWS = 64
_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Recorded:
    """windows (k, lookback, features), forecasts (k, …) of the network's first output, float64."""

    file: str
    windows: NDArray[np.float64]
    forecasts: NDArray[np.float64]


def read_recorded(data: bytes, file: str, window: tuple[int, int], forecast: tuple[int, ...]) -> Recorded:
    """The first windows of the file.

    Args:
        window: (lookback, features). forecast: shape of the network's first output.

    Raises:
        UnreadableFile: no such archive, or arrays of other shapes; names both.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            windows, forecasts = _array(archive, "windows"), _array(archive, "forecasts")
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, NotImplementedError) as error:
        raise UnreadableFile(f"{file}: holds no windows and forecasts that can be read ({error})") from None
    if windows.shape[1:] != window or len(windows) != len(forecasts) or not len(windows):
        raise UnreadableFile(f"{file}: has windows of shape {windows.shape}; the model takes {window}")
    if math.prod(forecasts.shape[1:]) != math.prod(forecast):
        raise UnreadableFile(
            f"{file}: has forecasts of shape {forecasts.shape}; the network gives {forecast}"
        )
    first = slice(0, _MOST_WINDOWS)
    return Recorded(file, windows[first], forecasts[first].reshape(-1, *forecast))


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[np.float64]:
    """A member's numbers, its header believed only as far as its bytes go."""
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > _MAX_BYTES:
        raise ValueError(f"{name} unpacks to {info.file_size} bytes")
    body = io.BytesIO(archive.read(info))
    if npy.read_magic(body) != (1, 0):
        raise ValueError(f"{name} is of an unknown version")
    shape, fortran, dtype = npy.read_array_header_1_0(body)
    raw = body.read()
    if dtype.kind != "f" or fortran or math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError(f"{name} is not what its header says")
    return np.frombuffer(raw, dtype).reshape(shape).astype(np.float64)
