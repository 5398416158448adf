"""Write a bundle: sizes, digests and version computed, and all of it there or none."""

import hashlib
import os
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from foretell.bundle import golden as golden_file
from foretell.bundle.bundle import Bundle, open_bundle
from foretell.bundle.golden import Golden
from foretell.bundle.manifest import FORMAT, GOLDEN, MANIFEST, MODEL, FileEntry, Manifest, Meaning, Provenance
from foretell.bundle.network import check_network
from foretell.bundle.parse import check_manifest
from foretell.bundle.version import content_version
from foretell.errors import BundleError


def file_entry(data: bytes) -> FileEntry:
    """Size and digest of a file's bytes."""
    return FileEntry(len(data), hashlib.sha256(data).hexdigest())


def write_bundle(
    folder: Path, meaning: Meaning, model: bytes, golden: Golden, *, name: str, provenance: Provenance
) -> Bundle:
    """Write a bundle into `folder`: new, empty, or holding this very bundle, and then it stays as it is.

    Args:
        model: the ONNX network: one float32 input (n, *meaning.input_shape), and the outputs of `meaning`.
        golden: windows as the network reads them, and what the source (not this network) answers.

    Raises:
        ManifestInvalid: the meaning, the network and the golden sample contradict each other.
        BundleError: something else is in `folder`.
    """
    evidence = golden_file.pack(golden, meaning)
    files = {MODEL: file_entry(model), GOLDEN: file_entry(evidence)}
    manifest = Manifest(
        format=FORMAT,
        name=name,
        version=content_version(meaning, files[MODEL], golden),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files=files,
        provenance=provenance,
        **{field: getattr(meaning, field) for field in Meaning.__struct_fields__},
    )
    check_manifest(manifest)
    check_network(model, manifest)
    return _place(folder, manifest, {MODEL: model, GOLDEN: evidence})


def copy_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """The same bundle in `folder`, each file verified as it is read; see `write_bundle` for the rest."""
    return _place(folder, bundle.manifest, {name: bundle.read(name) for name in bundle.manifest.files})


def _place(folder: Path, manifest: Manifest, contents: dict[str, bytes]) -> Bundle:
    """Into a folder beside it, then renamed: a reader sees a whole bundle or none."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    beside.mkdir()
    try:
        for name, data in {**contents, MANIFEST: text}.items():
            with (beside / name).open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        beside.rename(folder)
    except OSError:
        if not folder.is_dir() or not any(folder.iterdir()):
            raise
        return _same_or_refuse(folder, manifest)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Bundle(folder, manifest)


def _same_or_refuse(folder: Path, manifest: Manifest) -> Bundle:
    held = "it is not empty"
    if (folder / MANIFEST).is_file():
        there = open_bundle(folder)
        if (there.manifest.name, there.manifest.version) == (manifest.name, manifest.version):
            return there
        held = f"it holds {there.manifest.name}:{there.manifest.version}"
    raise BundleError(f"{folder}: cannot write a bundle there, {held}", cure="name another folder (--out)")
