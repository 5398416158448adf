"""Model files that hold code, reach out of their file, climb out of their folder, or unpack to gigabytes."""

import base64
import io
import json
import marshal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from foretell.errors import ImportFailed, UnreadableFile, UnsupportedModel
from foretell.importers.keras import read_keras

WINDOW = {"batch_input_shape": [None, 4, 1]}
DENSE = {"class_name": "Dense", "config": {"name": "d", "units": 1, **WINDOW}}
SECRET = 1234.5


def write_h5(path: io.BytesIO, layers: list[dict[str, Any]], fill: Callable[[h5py.Group], object]) -> None:
    """A Keras file whose group of weights for layer `d` is filled by the attack."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": layers}})
        group = file.create_group("model_weights").create_group("d")
        group.attrs["weight_names"] = [b"kernel", b"bias"]
        fill(group)


def read(layers: list[dict[str, Any]], fill: Callable[[h5py.Group], object] = lambda group: None) -> Any:
    out = io.BytesIO()
    write_h5(out, layers, fill)
    return read_keras(out.getvalue(), "model.h5")


def archive(entries: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in entries.items():
            zipped.writestr(name, data)
    return out.getvalue()


def weights_h5() -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"] = np.ones((1, 1), np.float32)
        group["1"] = np.zeros(1, np.float32)
    return out.getvalue()


def good_archive(**more: bytes) -> dict[str, bytes]:
    layer = {"module": "keras.layers", **DENSE}
    config = {"class_name": "Sequential", "config": {"layers": [layer]}}
    return {
        "config.json": json.dumps(config).encode(),
        "metadata.json": b'{"keras_version": "3.5.0"}',
        "model.weights.h5": weights_h5(),
        **more,
    }


def test_the_archive_that_attacks_start_from_is_good() -> None:
    assert read_keras(archive(good_archive()), "model.keras").outputs[0].shape == (4, 1)


# Code.


def code(trap: Path) -> str:
    function = compile(f"open({str(trap)!r}, 'w').close()", "attack", "exec")
    return base64.b64encode(marshal.dumps(function)).decode()


@pytest.mark.parametrize("form", ["keras 2", "keras 3"])
def test_a_lambda_layer_is_refused_and_not_run(trap: Path, form: str) -> None:
    function: Any = [code(trap), None, None]
    if form == "keras 3":
        function = {
            "class_name": "__lambda__",
            "config": {"code": code(trap), "defaults": None, "closure": None},
        }
    layer = {"class_name": "Lambda", "config": {"name": "lambda", "function": function, **WINDOW}}
    with pytest.raises(UnsupportedModel, match=r"layer lambda \(Lambda\): holds Python code"):
        read([layer])
    config = json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}}).encode()
    with pytest.raises(UnsupportedModel, match="Lambda"):
        read_keras(archive(good_archive() | {"config.json": config}), "model.keras")
    assert not trap.exists()


@pytest.mark.parametrize(
    "layer",
    [
        {
            "module": "os",
            "class_name": "system",
            "config": {"name": "x", "command": "touch trapped", **WINDOW},
        },
        {"module": "builtins", "class_name": "Dense", "config": {"name": "x", "units": 1, **WINDOW}},
        {"class_name": "__import__", "config": {"name": "os", **WINDOW}},
    ],
)
def test_a_class_from_elsewhere_is_a_name_that_nobody_knows(layer: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModel, match=layer["class_name"]):
        read([layer])


def test_an_activation_from_elsewhere() -> None:
    function = {
        "module": "builtins",
        "class_name": "function",
        "config": "relu",
        "registered_name": "function",
    }
    layer = {"class_name": "Activation", "config": {"name": "x", "activation": function, **WINDOW}}
    with pytest.raises(UnsupportedModel, match="activation="):
        read([layer])


# Out of the file.


def secret_file(folder: Path) -> Path:
    path = folder / "secret.h5"
    with h5py.File(path, "w") as file:
        file["kernel"] = np.full((1, 1), SECRET, np.float32)
    return path


def by_external_link(group: h5py.Group, secret: Path) -> None:
    group["kernel"] = h5py.ExternalLink(str(secret), "/kernel")


def by_soft_link(group: h5py.Group, secret: Path) -> None:
    group.file["elsewhere"] = np.full((1, 1), SECRET, np.float32)
    group["kernel"] = h5py.SoftLink("/elsewhere")


def by_external_storage(group: h5py.Group, secret: Path) -> None:
    group.create_dataset("kernel", (1, 1), np.float32, external=[(str(secret), 0, 4)])


def by_virtual_dataset(group: h5py.Group, secret: Path) -> None:
    layout = h5py.VirtualLayout((1, 1), np.float32)
    layout[...] = h5py.VirtualSource(str(secret), "kernel", (1, 1))
    group.create_virtual_dataset("kernel", layout)


@pytest.mark.parametrize("attack", [by_external_link, by_soft_link, by_external_storage, by_virtual_dataset])
def test_weights_that_lie_elsewhere(attack: Callable[[h5py.Group, Path], None], tmp_path: Path) -> None:
    secret = secret_file(tmp_path)

    def fill(group: h5py.Group) -> None:
        attack(group, secret)
        group["bias"] = np.zeros(1, np.float32)

    with pytest.raises(UnreadableFile, match=r"link to another place|stored in another file") as caught:
        read([DENSE], fill)
    assert str(SECRET) not in str(caught.value)


def test_a_group_that_is_a_link(tmp_path: Path) -> None:
    def fill(group: h5py.Group) -> None:
        holder = group.parent
        del holder["d"]
        holder["d"] = h5py.ExternalLink(str(secret_file(tmp_path)), "/")

    with pytest.raises(UnreadableFile, match="link to another place"):
        read([DENSE], fill)


# More than there is.


def huge(group: h5py.Group) -> None:
    group.create_dataset("kernel", (2**20, 2**20), np.float32, chunks=(1024, 1024))


def huge_and_packed(group: h5py.Group) -> None:
    group.create_dataset("kernel", (2**15, 2**15), np.float32, chunks=(1024, 1024), compression="gzip")


@pytest.mark.parametrize("fill", [huge, huge_and_packed])
def test_shapes_beyond_what_the_file_holds(fill: Callable[[h5py.Group], object]) -> None:
    with pytest.raises(UnreadableFile, match="more than the file can hold"):
        read([DENSE], fill)


@pytest.mark.parametrize("kind", ["S8", h5py.string_dtype()])
def test_weights_that_are_no_numbers(kind: Any) -> None:
    with pytest.raises(UnreadableFile, match="plain numbers"):
        read([DENSE], lambda group: group.create_dataset("kernel", (1, 1), kind))


@pytest.mark.parametrize(
    "layers",
    [
        [
            {"class_name": "Flatten", "config": {"name": "f", **WINDOW}},
            {"class_name": "RepeatVector", "config": {"name": "r", "n": 2**30}},
        ],
        [{"class_name": "Flatten", "config": {"name": "f", "batch_input_shape": [None, 2**40, 1]}}],
        [{"class_name": "Reshape", "config": {"name": "r", "target_shape": [2**30, -1], **WINDOW}}],
        [{"class_name": "MaxPooling1D", "config": {"name": "p", "pool_size": 2**40, **WINDOW}}],
    ],
)
def test_sizes_that_no_model_has(layers: list[dict[str, Any]]) -> None:
    with pytest.raises(UnreadableFile):
        read(layers)


@pytest.mark.parametrize(
    "config",
    [
        "[" * 200_000,
        '{"class_name": "Sequential"}',
        '{"class_name": 1, "config": {"layers": 3}}',
        "null",
        "NaN",
    ],
)
def test_an_architecture_that_is_none(config: str) -> None:
    with pytest.raises(ImportFailed, match=r"model\.keras"):
        read_keras(archive(good_archive() | {"config.json": config.encode()}), "model.keras")


def test_a_graph_that_runs_in_circles() -> None:
    link = [[["b", 0, 0, {}]]], [[["a", 0, 0, {}]]]
    layers = [
        {"class_name": "InputLayer", "name": "i", "config": {"name": "i", **WINDOW}, "inbound_nodes": []},
        {"class_name": "Flatten", "name": "a", "config": {"name": "a"}, "inbound_nodes": link[0]},
        {"class_name": "Flatten", "name": "b", "config": {"name": "b"}, "inbound_nodes": link[1]},
    ]
    model = {"layers": layers, "input_layers": [["i", 0, 0]], "output_layers": [["b", 0, 0]]}
    config = json.dumps({"class_name": "Functional", "config": model}).encode()
    with pytest.raises(UnreadableFile, match="waits for something that never comes"):
        read_keras(archive(good_archive() | {"config.json": config}), "model.keras")


# Archives.


@pytest.mark.parametrize(
    "name", ["../trapped", "/tmp/../trapped", "a/../../trapped", "..\\trapped", "C:\\trapped"]
)
def test_an_archive_that_climbs_out(name: str, trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = trap.parent / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    with pytest.raises(UnreadableFile, match="climb out of its folder"):
        read_keras(archive(good_archive(**{name: b"x"})), "model.keras")
    assert not trap.exists()


def test_an_archive_that_unpacks_to_gigabytes() -> None:
    out = io.BytesIO(archive(good_archive()))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("assets/big", b"")
        zipped.getinfo("assets/big").file_size = 5 * 2**30
    with pytest.raises(UnreadableFile, match="would unpack to"):
        read_keras(out.getvalue(), "model.keras")


def test_a_configuration_that_unpacks_to_much() -> None:
    with pytest.raises(UnreadableFile, match=r"config\.json is larger"):
        read_keras(archive(good_archive() | {"config.json": bytes(20 * 2**20)}), "model.keras")


def test_an_entry_that_lies_about_its_size() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in good_archive().items():
            zipped.writestr(name, data)
        zipped.getinfo("config.json").file_size = 10
    with pytest.raises(UnreadableFile):
        read_keras(out.getvalue(), "model.keras")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_file_twice() -> None:
    out = io.BytesIO(archive(good_archive()))
    with zipfile.ZipFile(out, "a") as zipped:
        zipped.writestr("config.json", b"{}")
    with pytest.raises(UnreadableFile, match="same file twice"):
        read_keras(out.getvalue(), "model.keras")


@pytest.mark.parametrize("missing", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_file_that_is_missing(missing: str) -> None:
    entries = good_archive()
    del entries[missing]
    with pytest.raises(UnreadableFile, match=f"has no {missing}"):
        read_keras(archive(entries), "model.keras")
