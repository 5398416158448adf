"""A bundle that was touched is not opened."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foretell.bundle.bundle import open_bundle
from foretell.errors import BundleNotFound, DigestMismatch, ManifestInvalid

Editor = Callable[[Callable[[dict[str, Any]], object]], None]


def replace_file(bundle_path: Path, name: str, data: bytes) -> Callable[[dict[str, Any]], object]:
    """Put other bytes in place of a file; gives the edit that makes the manifest agree."""
    (bundle_path / name).write_bytes(data)
    entry = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return lambda manifest: manifest["files"].update({name: entry})


def test_opens_what_was_written(bundle_path: Path) -> None:
    bundle = open_bundle(bundle_path)
    assert bundle.path == bundle_path
    assert bundle.manifest.name == "weather"
    assert bundle.model_bytes() == (bundle_path / "model.onnx").read_bytes()
    assert bundle.golden().windows.shape == (16, 7, 3)


def test_no_bundle_there(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match="nowhere"):
        open_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz"])
def test_a_changed_byte_is_found_and_its_file_named(bundle_path: Path, name: str) -> None:
    data = bytearray((bundle_path / name).read_bytes())
    data[-1] ^= 1
    (bundle_path / name).write_bytes(data)
    with pytest.raises(DigestMismatch, match=name):
        open_bundle(bundle_path)


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz"])
def test_a_file_of_another_size_is_named(bundle_path: Path, name: str) -> None:
    with (bundle_path / name).open("ab") as stream:
        stream.write(b"!")
    with pytest.raises(DigestMismatch, match=rf"{name}.*bytes"):
        open_bundle(bundle_path)


def test_a_change_after_opening_is_found(bundle_path: Path) -> None:
    bundle = open_bundle(bundle_path)
    (bundle_path / "model.onnx").write_bytes(b"another")
    with pytest.raises(DigestMismatch, match=r"model\.onnx"):
        bundle.model_bytes()


def test_a_missing_file_is_named(bundle_path: Path) -> None:
    (bundle_path / "golden.npz").unlink()
    with pytest.raises(ManifestInvalid, match=r"files\.golden\.npz"):
        open_bundle(bundle_path)


def test_a_link_out_of_the_folder_is_refused(bundle_path: Path) -> None:
    model = bundle_path / "model.onnx"
    model.rename(bundle_path.parent / "elsewhere.onnx")
    model.symlink_to(bundle_path.parent / "elsewhere.onnx")
    with pytest.raises(ManifestInvalid, match="inside the bundle's folder"):
        open_bundle(bundle_path)


def test_a_link_within_the_folder_is_followed_as_kubernetes_mounts_need(bundle_path: Path) -> None:
    (bundle_path / "..data").mkdir()
    (bundle_path / "model.onnx").rename(bundle_path / "..data" / "model.onnx")
    (bundle_path / "model.onnx").symlink_to(Path("..data") / "model.onnx")
    assert open_bundle(bundle_path).model_bytes()


def test_a_size_beyond_the_limit_is_refused_before_reading(bundle_path: Path, edit: Editor) -> None:
    edit(lambda m: m["files"]["golden.npz"].update(size=10**12))
    with pytest.raises(ManifestInvalid, match=r"files\.golden\.npz\.size"):
        open_bundle(bundle_path)


def test_a_huge_manifest_is_refused(bundle_path: Path) -> None:
    with (bundle_path / "bundle.json").open("ab") as stream:
        stream.truncate(5 * 2**20)
    with pytest.raises(ManifestInvalid, match="larger"):
        open_bundle(bundle_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["input_scaling"]["center"].__setitem__(0, 51.0),
        lambda m: m.update(step_s=60.0),
        lambda m: m.update(tolerance=0.01),
        lambda m: m["targets"][0].update(name="pressure"),
        lambda m: m.update(version="0" * 12),
    ],
)
def test_an_edited_meaning_does_not_match_its_version(
    bundle_path: Path, edit: Editor, change: Callable[[dict[str, Any]], object]
) -> None:
    edit(change)
    with pytest.raises(ManifestInvalid, match="`version`"):
        open_bundle(bundle_path)


def test_another_model_does_not_match_the_version(
    bundle_path: Path, make_bundle: Callable[..., Path], tmp_path: Path, edit: Editor
) -> None:
    other = make_bundle(tmp_path / "other", seed=1)
    edit(replace_file(bundle_path, "model.onnx", (other / "model.onnx").read_bytes()))
    with pytest.raises(ManifestInvalid, match="`version`"):
        open_bundle(bundle_path)


def test_a_renamed_bundle_opens(bundle_path: Path, edit: Editor) -> None:
    edit(lambda m: m.update(name="wind"))
    assert open_bundle(bundle_path).manifest.name == "wind"
