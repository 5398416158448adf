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
from foretell.bundle.parse import check_manifest
from foretell.bundle.version import content_version
from foretell.errors import BundleError


def file_entry(data: bytes) -> FileEntry:
    """Size and digest of a file's bytes."""
    return FileEntry(len(data), hashlib.sha256(data).hexdigest())


def write_bundle(
    folder: Path, meaning: Meaning, model: bytes, golden: Golden, *, name: str, provenance: Provenance
) -> Bundle:
    """Write the bundle `folder` and open it as anybody else would.

    A folder that already holds the same bundle is left as it is.

    Raises:
        ManifestInvalid: the meaning, the network and the golden sample contradict each other.
        BundleError: something else is in `folder`.
    """
    evidence = golden_file.pack(golden, meaning)
    files = {MODEL: file_entry(model), GOLDEN: file_entry(evidence)}
    manifest = Manifest(
        format=FORMAT,
        name=name,
        version=content_version(meaning, files[MODEL].sha256, golden.windows.astype("<f4").tobytes()),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files=files,
        provenance=provenance,
        **{field: getattr(meaning, field) for field in Meaning.__struct_fields__},
    )
    check_manifest(manifest)
    if folder.exists() and any(folder.iterdir()):
        return _same_or_refuse(folder, manifest)
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    return _write(folder, {MODEL: model, GOLDEN: evidence, MANIFEST: text})


def _same_or_refuse(folder: Path, manifest: Manifest) -> Bundle:
    if (folder / MANIFEST).is_file():
        there = open_bundle(folder)
        if (there.manifest.name, there.manifest.version) == (manifest.name, manifest.version):
            return there
        held = f"it holds {there.manifest.name}:{there.manifest.version}"
    else:
        held = "it is not empty"
    raise BundleError(f"{folder}: cannot write a bundle there, {held}", cure="name another folder (--out)")


def _write(folder: Path, contents: dict[str, bytes]) -> Bundle:
    """Files into a folder beside it, checked there, then renamed: a reader sees a whole bundle or none."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    beside.mkdir()
    try:
        for name, data in contents.items():
            with (beside / name).open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        manifest = open_bundle(beside).manifest
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return Bundle(folder, manifest)
