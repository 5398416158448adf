"""Bundles whose manifest lies: about places, sizes, shapes and digests."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foretell.bundle.bundle import open_bundle
from foretell.errors import BundleError, DigestMismatch, ForetellError, GoldenMismatch, ManifestInvalid
from foretell.forecasting.forecaster import Forecaster

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def bundle(tmp_path: Path, make_bundle: Callable[..., Path]) -> Path:
    return make_bundle(tmp_path)


def edit(bundle: Path, change: Change) -> None:
    file = bundle / "bundle.json"
    tree = json.loads(file.read_text())
    change(tree)
    file.write_text(json.dumps(tree))


def put(*path: str | int, value: Any) -> Change:
    def change(tree: dict[str, Any]) -> None:
        at: Any = tree
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value

    return change


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", "C:\\x", "bundle.json"])
def test_files_outside_the_folder(bundle: Path, name: str) -> None:
    (bundle.parent / "secret").write_text("secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    edit(bundle, put("files", name, value={"size": 6, "sha256": digest}))
    with pytest.raises(ManifestInvalid, match="files"):
        open_bundle(bundle)


def test_a_file_that_is_a_link_out_of_the_folder(bundle: Path) -> None:
    outside = bundle.parent / "outside.onnx"
    (bundle / "model.onnx").rename(outside)
    (bundle / "model.onnx").symlink_to(outside)
    with pytest.raises(BundleError, match=r"model\.onnx"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (put("format", value=99), "format"),
        (put("lookback", value=8), "lookback|7"),
        (put("horizon", value=8), "outputs|horizon"),
        (put("lookback", value=10**12), "lookback"),
        (put("outputs", 0, "shape", value=[9]), "outputs"),
        (put("outputs", 0, "name", value="other"), "other"),
        (put("inputs", 0, "name", value="wind_speed"), "inputs"),
        (put("input_scaling", "scale", value=[1.0]), "input_scaling"),
        (put("input_scaling", "scale", value=[0.0, 1.0, 1.0]), "input_scaling"),
        (put("input_scaling", "center", value=[1e308, 1.0, 1.0]), "version"),
        (put("tolerance", value=1e9), "tolerance"),
        (put("version", value="000000000000"), "version"),
        (put("surprise", value=1), "surprise"),
        (put("name", value="../../x"), "name"),
        (put("step_s", value=-1.0), "step_s"),
    ],
)
def test_a_field_that_lies_is_named(bundle: Path, change: Change, field: str) -> None:
    edit(bundle, change)
    with pytest.raises(ManifestInvalid, match=field):
        open_bundle(bundle)


@pytest.mark.parametrize("file", ["model.onnx", "golden.npz"])
def test_sizes_and_digests(bundle: Path, file: str) -> None:
    edit(bundle, put("files", file, "size", value=3))
    with pytest.raises(DigestMismatch, match=file):
        open_bundle(bundle)
    edit(bundle, put("files", file, "size", value=(bundle / file).stat().st_size))
    edit(bundle, put("files", file, "sha256", value="0" * 64))
    with pytest.raises(DigestMismatch, match=file):
        open_bundle(bundle)


def test_a_size_beyond_all_memory(bundle: Path) -> None:
    edit(bundle, put("files", "model.onnx", "size", value=2**60))
    with pytest.raises(BundleError, match=r"model\.onnx"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[" * 200_000, '{"format": 1}', "\ud800".encode("utf-8", "surrogatepass")]
)
def test_a_manifest_that_is_none(bundle: Path, text: str | bytes) -> None:
    (bundle / "bundle.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ManifestInvalid):
        open_bundle(bundle)


def test_another_network_under_the_same_name(
    bundle: Path, tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    other = make_bundle(tmp_path / "other", seed=1)
    data = (other / "model.onnx").read_bytes()
    (bundle / "model.onnx").write_bytes(data)
    edit(bundle, put("files", "model.onnx", "size", value=len(data)))
    edit(bundle, put("files", "model.onnx", "sha256", value=hashlib.sha256(data).hexdigest()))
    with pytest.raises((ManifestInvalid, GoldenMismatch)):
        Forecaster.open(bundle)


def test_every_error_names_the_cure_or_the_field(bundle: Path) -> None:
    edit(bundle, put("lookback", value="seven"))
    with pytest.raises(ForetellError, match="lookback"):
        open_bundle(bundle)
