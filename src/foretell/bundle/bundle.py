"""A bundle on disk, trusted only after it was checked."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from foretell.bundle import golden as golden_file
from foretell.bundle.golden import Golden
from foretell.bundle.manifest import GOLDEN, MANIFEST, MODEL, FileEntry, Manifest
from foretell.bundle.network import check_network
from foretell.bundle.parse import parse_manifest
from foretell.bundle.version import content_version
from foretell.errors import BundleNotFound, DigestMismatch, ManifestInvalid

_LARGEST_MANIFEST = 4 * 2**20
_LARGEST = {GOLDEN: golden_file.LARGEST}
_LARGEST_OTHER = 2**31
_COPY_AGAIN = "copy the bundle again, or import its source again"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder whose files are those that were written. Holds the manifest, reads files when asked."""

    path: Path
    manifest: Manifest

    def read(self, name: str) -> bytes:
        """A file of the manifest. Raises `DigestMismatch` where it is not what was written."""
        entry, file = self.manifest.files[name], self.path / name
        with file.open("rb") as stream:
            data = stream.read(entry.size + 1)
        if len(data) != entry.size or hashlib.sha256(data).hexdigest() != entry.sha256:
            raise DigestMismatch(
                f"{file}: not the file that was written (its SHA-256 differs)", cure=_COPY_AGAIN
            )
        return data

    def model_bytes(self) -> bytes:
        """The network."""
        return self.read(MODEL)

    def golden(self) -> Golden:
        """The golden sample, in the network's own (scaled) units."""
        return golden_file.unpack(self.read(GOLDEN), self.manifest)


def open_bundle(path: Path) -> Bundle:
    """Read the manifest, then check sizes, digests and what the files say of themselves.

    Raises:
        BundleNotFound: no folder with a bundle.json there.
        ManifestInvalid: names the field that is wrong, or the part of a file that contradicts it.
        DigestMismatch: names the file whose bytes are not those that were written.
    """
    if not (path / MANIFEST).is_file():
        raise BundleNotFound(f"{path}: no {MANIFEST} there", cure="make a bundle with `foretell import`")
    try:
        return _open(path)
    except ManifestInvalid as error:
        raise ManifestInvalid(f"{path}: {error.message}", cure=error.cure) from None


def _open(path: Path) -> Bundle:
    with (path / MANIFEST).open("rb") as stream:
        data = stream.read(_LARGEST_MANIFEST + 1)
    if len(data) > _LARGEST_MANIFEST:
        raise ManifestInvalid(f"{MANIFEST}: larger than {_LARGEST_MANIFEST} bytes")
    bundle = Bundle(path, parse_manifest(data))
    files = bundle.manifest.files
    for name, entry in files.items():
        _check_size(path, name, entry)
    for name in files.keys() - {MODEL, GOLDEN}:
        bundle.read(name)
    check_network(bundle.model_bytes(), bundle.manifest)
    version = content_version(bundle.manifest, files[MODEL], bundle.golden())
    if version != bundle.manifest.version:
        raise ManifestInvalid(
            f"{MANIFEST}: `version` is {bundle.manifest.version}, and the content's is {version}",
            cure="bundle.json was edited after it was written; import the source again",
        )
    return bundle


def _check_size(folder: Path, name: str, entry: FileEntry) -> None:
    """Before a byte is read: a file of this folder, of the size that the manifest states."""
    file = folder / name
    if not file.exists():
        raise ManifestInvalid(f"{MANIFEST}: `files.{name}`: there is no such file", cure=_COPY_AGAIN)
    if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
        raise ManifestInvalid(f"{MANIFEST}: `files.{name}` is no file inside the bundle's folder")
    largest = _LARGEST.get(name, _LARGEST_OTHER)
    if entry.size > largest:
        raise ManifestInvalid(f"{MANIFEST}: `files.{name}.size` is {entry.size}, above {largest}")
    size = file.stat().st_size
    if size != entry.size:
        raise DigestMismatch(f"{file}: {size} bytes, and {entry.size} were written", cure=_COPY_AGAIN)
