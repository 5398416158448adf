"""HDF5, read with care: no link leaves the file, no dataset is larger than what the file holds for it."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from foretell.errors import ImportFailed, UnreadableFile

MAX_WEIGHT_BYTES = 2**30
_MAX_TEXT = 16 * 2**20
_BEST_COMPRESSION = 1100  # deflate packs 1032 bytes into one at most
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


class Hdf5:
    """An open file; every name is walked link by link."""

    def __init__(self, file: h5py.File, name: str) -> None:
        self._file = file
        self._name = name
        self._read = 0

    @property
    def root(self) -> h5py.Group:
        return self._file["/"]

    def child(self, group: h5py.Group, path: str) -> Any:
        """What lies at a path below a group; `None` when there is nothing.

        Raises:
            UnreadableFile: a link on the way is not a plain one (soft, or to another file).
        """
        for part in filter(None, path.split("/")):
            link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise UnreadableFile(
                    f"{self._name}: {part} is a link to another place ({_target(link)})",
                    cure="save the model again; Keras writes no such links",
                )
            group = group[part]
        return group

    def group(self, group: h5py.Group, path: str) -> h5py.Group:
        """The group at a path, which must be there."""
        found = self.child(group, path)
        if not isinstance(found, h5py.Group):
            raise UnreadableFile(f"{self._name}: has no {path}, so it is no complete Keras model")
        return found

    def array(self, group: h5py.Group, path: str) -> NDArray[np.float32]:
        """The numbers at a path, float32.

        Raises:
            UnreadableFile: missing, no numbers, stored elsewhere, or larger than what the file holds.
        """
        found = self.child(group, path)
        if not isinstance(found, h5py.Dataset):
            raise UnreadableFile(f"{self._name}: the weight {path} is missing")
        self._check_storage(found, path)
        return np.asarray(found[()]).astype(np.float32)

    def _check_storage(self, found: h5py.Dataset, path: str) -> None:
        plan = found.id.get_create_plist()
        layout = plan.get_layout()
        if layout == h5py.h5d.VIRTUAL or plan.get_external_count():
            raise UnreadableFile(f"{self._name}: the weight {path} is stored in another file")
        filters = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
        if found.dtype.kind not in "fiub" or filters - _FILTERS or found.shape is None:
            raise UnreadableFile(f"{self._name}: the weight {path} is not stored as plain numbers")
        declared = int(np.prod([int(n) for n in found.shape], dtype=object)) * found.dtype.itemsize
        held = found.id.get_storage_size() * (_BEST_COMPRESSION if filters else 1)
        self._read += declared
        if declared > held or self._read > MAX_WEIGHT_BYTES:
            raise UnreadableFile(
                f"{self._name}: the weight {path} declares shape {found.shape}, more than the file can hold"
            )

    def text(self, holder: h5py.Group, attribute: str) -> str | None:
        """A text attribute; `None` when it is not there."""
        value = holder.attrs.get(attribute)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > _MAX_TEXT:
            raise UnreadableFile(f"{self._name}: the attribute {attribute} is no text of a sane length")
        return value

    def texts(self, holder: h5py.Group, attribute: str) -> list[str]:
        """A list of texts; long lists are split into attribute0, attribute1, … as Keras does."""
        if attribute in holder.attrs:
            return [_decoded(item) for item in holder.attrs[attribute]]
        found: list[str] = []
        index = 0
        while f"{attribute}{index}" in holder.attrs:
            found += [_decoded(item) for item in holder.attrs[f"{attribute}{index}"]]
            index += 1
        return found


@contextmanager
def open_hdf5(data: bytes, name: str) -> Iterator[Hdf5]:
    """The HDF5 file in some bytes.

    Raises:
        UnreadableFile: it is none, or damaged; also for what goes wrong inside the block.
    """
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            yield Hdf5(file, name)
    except ImportFailed:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise UnreadableFile(f"{name}: is no HDF5 file, or damaged: {error}") from None


def _decoded(item: object) -> str:
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)


def _target(link: object) -> str:
    file = getattr(link, "filename", None)
    return f"{file}:{getattr(link, 'path', '?')}" if file else str(getattr(link, "path", "?"))
