"""The golden sample: a few windows and the answers that the source gave, evidence for the engine in use."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import GOLDEN, Meaning
from foretell.errors import ManifestInvalid

LARGEST = 256 * 2**20
_MOST_WINDOWS = 4096
_WINDOWS = "windows.npy"


@dataclass(frozen=True, slots=True)
class Golden:
    """
    Attributes:
        windows: (k, *input_shape) float32, as the network reads them (scaled).
        answers: by the network's output names, (k, *shape) float32, as the network gives them (scaled).
    """

    windows: NDArray[np.float32]
    answers: dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Difference:
    """The worst difference from the golden answers: in which output, as a share of its range."""

    output: str
    share: float


def worst_difference(golden: Golden, evaluated: Mapping[str, NDArray[np.float32]]) -> Difference:
    """Compare what an engine made of `golden.windows` with its answers; NaN counts as infinitely far."""
    worst = Difference(next(iter(golden.answers)), 0.0)
    for name, expected in golden.answers.items():
        expected64 = expected.astype(np.float64)
        reach = float(np.ptp(expected64)) or float(np.abs(expected64).max()) or 1.0
        off = float(np.abs(evaluated[name].astype(np.float64) - expected64).max()) / reach
        off = off if np.isfinite(off) else float("inf")
        if off > worst.share:
            worst = Difference(name, off)
    return worst


def pack(golden: Golden, meaning: Meaning) -> bytes:
    """The bytes of golden.npz; the same arrays give the same bytes.

    Raises:
        ManifestInvalid: a shape is not the manifest's, or a number is not finite.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for member, (output, shape) in _members(meaning).items():
            array = golden.answers[output] if output else golden.windows
            array = np.ascontiguousarray(array, np.float32)
            _check(array, member, shape)
            body = io.BytesIO()
            np.lib.format.write_array(body, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(member), body.getvalue())
    return out.getvalue()


def unpack(data: bytes, meaning: Meaning) -> Golden:
    """The reverse of `pack`, for bytes that nobody vouches for.

    Raises:
        ManifestInvalid: not such an archive, other arrays than the manifest's, or more than 256 MiB of them.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            arrays = {
                name: _read_member(archive, member, shape)
                for member, (name, shape) in _members(meaning).items()
            }
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ManifestInvalid(f"{GOLDEN}: cannot be read ({error})", cure="import the source again") from None
    windows = arrays.pop("")
    for name, array in arrays.items():
        if len(array) != len(windows):
            raise ManifestInvalid(f"{GOLDEN}: {len(array)} answers of `{name}` for {len(windows)} windows")
    return Golden(windows, arrays)


def _members(meaning: Meaning) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Members of the archive → output (windows: none) and shape without the batch."""
    outputs = {f"answer_{i}.npy": (o.name, o.shape) for i, o in enumerate(meaning.outputs)}
    return {_WINDOWS: ("", meaning.input_shape), **outputs}


def _read_member(archive: zipfile.ZipFile, member: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    info = archive.getinfo(member)
    if info.file_size > LARGEST:
        raise ValueError(f"{member} unpacks to {info.file_size} bytes")
    body = io.BytesIO(archive.read(info))
    # The header is read by itself: a shape that lies must be seen before memory is asked for.
    version = np.lib.format.read_magic(body)
    if version != (1, 0):
        raise ValueError(f"{member} is of npy version {version}")
    claimed, fortran, dtype = np.lib.format.read_array_header_1_0(body)
    data = body.read()
    if dtype != np.float32 or fortran or int(np.prod(claimed, dtype=object)) * 4 != len(data):
        raise ValueError(f"{member} is not what its header says")
    array = np.frombuffer(data, np.float32).reshape(claimed)
    _check(array, member, shape)
    return array


def _check(array: NDArray[np.float32], member: str, shape: tuple[int, ...]) -> None:
    if array.shape[1:] != shape or not 1 <= len(array) <= _MOST_WINDOWS:
        raise ManifestInvalid(
            f"{GOLDEN}: {member} is {array.shape}; the manifest says (1 to {_MOST_WINDOWS}, "
            f"{', '.join(map(str, shape))})"
        )
    if not np.isfinite(array).all():
        raise ManifestInvalid(f"{GOLDEN}: {member} holds numbers that are not finite")
