"""The .keras archive of Keras 3: three files in a zip, of which nothing is unpacked to a disk."""

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from foretell.errors import UnreadableFile
from foretell.importers.keras.layout.hdf5 import MAX_WEIGHT_BYTES

_MAX_CONFIG_BYTES = 16 * 2**20
_MAX_ENTRIES = 10_000


@dataclass(frozen=True)
class Parts:
    """The files of an archive that count: JSON, HDF5, and the version that wrote them."""

    config: str
    weights: bytes
    version: str


def read_archive(data: bytes, name: str) -> Parts:
    """Read an archive.

    Raises:
        UnreadableFile: damaged, incomplete, with names that climb out, or more than a gigabyte unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check(archive, name)
            config = _entry(archive, "config.json", _MAX_CONFIG_BYTES, name)
            metadata = json.loads(_entry(archive, "metadata.json", _MAX_CONFIG_BYTES, name))
            weights = _entry(archive, "model.weights.h5", MAX_WEIGHT_BYTES, name)
            return Parts(config.decode(), weights, str(metadata["keras_version"]))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UnreadableFile(f"{name}: is no .keras archive, or damaged: {error}") from None
    except (ValueError, KeyError, TypeError, OSError):
        raise UnreadableFile(f"{name}: its config.json or metadata.json is damaged") from None


def _check(archive: zipfile.ZipFile, name: str) -> None:
    entries = archive.infolist()
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise UnreadableFile(
                f"{name}: holds a file {entry.filename!r} that would climb out of its folder",
                cure="this is no archive that Keras wrote; ask whoever sent it",
            )
    if len(entries) > _MAX_ENTRIES or len({entry.filename for entry in entries}) < len(entries):
        raise UnreadableFile(f"{name}: holds the same file twice, or far too many")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_WEIGHT_BYTES + 2 * _MAX_CONFIG_BYTES:
        raise UnreadableFile(f"{name}: would unpack to {total:,} bytes, more than a forecasting model has")


def _entry(archive: zipfile.ZipFile, entry: str, limit: int, name: str) -> bytes:
    if entry not in archive.namelist():
        raise UnreadableFile(f"{name}: has no {entry}, so it is no complete Keras model")
    with archive.open(entry) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UnreadableFile(f"{name}: its {entry} is larger than {limit >> 20} MiB")
    return data
