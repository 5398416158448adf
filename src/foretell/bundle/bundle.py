"""A bundle on disk: written in one piece, and trusted only after it was checked."""

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
_LARGEST = {MODEL: 2**31, GOLDEN: golden_file.LARGEST}
_LARGEST_OTHER = 2**31


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder whose files are those that were written. Holds the manifest, reads files when asked."""

    path: Path
    manifest: Manifest

    def model_bytes(self) -> bytes:
        """The network. Raises `DigestMismatch` where it changed since the bundle was opened."""
        return _read_verified(self.path, MODEL, self.manifest.files[MODEL])

    def golden(self) -> Golden:
        """The golden sample, in the network's own (scaled) units."""
        data = _read_verified(self.path, GOLDEN, self.manifest.files[GOLDEN])
        return golden_file.unpack(data, self.manifest)


def open_bundle(path: Path) -> Bundle:
    """Read the manifest, then check sizes, digests and what the files say of themselves.

    Raises:
        BundleNotFound: no folder with a bundle.json there.
        ManifestInvalid: names the field that is wrong, or the part of a file that contradicts it.
        DigestMismatch: names the file whose bytes are not those that were written.
    """
    manifest_file = path / MANIFEST
    if not manifest_file.is_file():
        raise BundleNotFound(f"{path}: no {MANIFEST} there", cure="make a bundle with `foretell import`")
    if manifest_file.stat().st_size > _LARGEST_MANIFEST:
        raise ManifestInvalid(f"{manifest_file}: larger than {_LARGEST_MANIFEST} bytes")
    bundle = Bundle(path, parse_manifest(manifest_file.read_bytes()))
    files = bundle.manifest.files
    for name, entry in files.items():
        _check_size(path, name, entry)
    for name in files.keys() - {MODEL, GOLDEN}:
        _read_verified(path, name, files[name])
    check_network(bundle.model_bytes(), bundle.manifest)
    _check_version(bundle)
    return bundle


def _check_version(bundle: Bundle) -> None:
    manifest = bundle.manifest
    version = content_version(
        manifest, manifest.files[MODEL].sha256, bundle.golden().windows.astype("<f4").tobytes()
    )
    if version != manifest.version:
        raise ManifestInvalid(
            f"{bundle.path / MANIFEST}: `version` is {manifest.version}, its content is {version}",
            cure="bundle.json was edited after it was written; import the source again",
        )


def _check_size(folder: Path, name: str, entry: FileEntry) -> None:
    """Before a byte is read: a file of this folder, of the size that the manifest states."""
    file = folder / name
    if not file.exists():
        raise ManifestInvalid(f"{folder / MANIFEST}: `files.{name}`: there is no such file")
    if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
        raise ManifestInvalid(f"{folder / MANIFEST}: `files.{name}` lies outside the bundle's folder")
    largest = _LARGEST.get(name, _LARGEST_OTHER)
    if entry.size > largest:
        raise ManifestInvalid(f"{folder / MANIFEST}: `files.{name}.size` is {entry.size}, above {largest}")
    size = file.stat().st_size
    if size != entry.size:
        raise DigestMismatch(
            f"{file}: {size} bytes, and {entry.size} were written",
            cure="copy the bundle again, or import its source again",
        )


def _read_verified(folder: Path, name: str, entry: FileEntry) -> bytes:
    file = folder / name
    with file.open("rb") as stream:
        data = stream.read(entry.size + 1)
    if len(data) != entry.size or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise DigestMismatch(
            f"{file}: not the file that was written (its SHA-256 differs)",
            cure="copy the bundle again, or import its source again",
        )
    return data
