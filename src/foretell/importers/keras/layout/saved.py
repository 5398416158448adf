"""A saved model as every version means it: a configuration, and weights by layer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.errors import UnreadableFile, UnsupportedModel
from foretell.importers.keras.layout.archive import read_archive
from foretell.importers.keras.layout.hdf5 import Hdf5, open_hdf5

Weights = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class SavedModel:
    """Attributes:
    file: its name, for messages.
    layout: `HDF5` or `.keras`.
    version: of the Keras that wrote it, `2.15.0`; major is its first number.
    class_name: `Sequential`, `Functional` (also `Model`).
    config: of the model, with its `layers`.
    weights: of each layer by its name, in Keras's order.
    """

    file: str
    layout: str
    version: str
    class_name: str
    config: Mapping[str, Any]
    weights: Mapping[str, Weights]

    @property
    def major(self) -> int:
        head = self.version.split(".")[0]
        return int(head) if head.isdigit() else 2


def read_layout(data: bytes, file: str) -> SavedModel:
    """Recognise the format by its first bytes, and read it.

    Raises:
        UnreadableFile: neither format, or damaged.
        UnsupportedModel: weights without an architecture.
    """
    if data.startswith(b"PK"):
        parts = read_archive(data, file)
        class_name, config = model_config(parts.config, file)
        with open_hdf5(parts.weights, f"{file}:model.weights.h5") as hdf5:
            weights = _archive_weights(hdf5, config)
        return SavedModel(file, ".keras", parts.version, class_name, config, weights)
    with open_hdf5(data, file) as hdf5:
        return _read_hdf5(hdf5, file)


def model_config(text: str, file: str) -> tuple[str, Mapping[str, Any]]:
    """The class and configuration in a model's JSON."""
    try:
        tree = json.loads(text)
        class_name, config = tree["class_name"], tree["config"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnreadableFile(f"{file}: its architecture is no JSON of a Keras model") from None
    if isinstance(config, list):  # Sequential before Keras 2.3
        config = {"layers": config}
    layers = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(class_name, str) or not isinstance(layers, list) or not all(map(_is_layer, layers)):
        raise UnsupportedModel(
            f"{file}: a model of class {str(class_name)[:60]} does not list its layers",
            cure="a subclassed model is code; rebuild it as Sequential or functional, or export it to ONNX",
        )
    return class_name, config


def _is_layer(layer: object) -> bool:
    return (
        isinstance(layer, dict)
        and isinstance(layer.get("class_name"), str)
        and isinstance(layer.get("config"), dict)
    )


def _read_hdf5(hdf5: Hdf5, file: str) -> SavedModel:
    text = hdf5.text(hdf5.root, "model_config")
    if text is None:
        raise UnsupportedModel(
            f"{file}: holds weights without an architecture",
            cure="save the whole model with model.save(), not model.save_weights()",
        )
    class_name, config = model_config(text, file)
    group = hdf5.group(hdf5.root, "model_weights")
    version = hdf5.text(hdf5.root, "keras_version") or hdf5.text(group, "keras_version") or "2"
    weights = {}
    for layer in config["layers"]:
        name = layer_name(layer)
        child = hdf5.child(group, name)
        names = hdf5.texts(child, "weight_names") if child is not None else []
        weights[name] = tuple(hdf5.array(child, weight) for weight in names)
    return SavedModel(file, "HDF5", version, class_name, config, weights)


def layer_name(layer: Mapping[str, Any]) -> str:
    """The name by which weights and links know a layer."""
    return str(layer["config"].get("name") or layer.get("name") or layer["class_name"])


def _archive_weights(hdf5: Hdf5, config: Mapping[str, Any]) -> dict[str, Weights]:
    """Keras 3 names a layer's group by its class and a count, in the order of the layers (saving_lib.py)."""
    holder = hdf5.child(hdf5.root, "layers") or hdf5.child(hdf5.root, "_layer_checkpoint_dependencies")
    if holder is None:
        raise UnreadableFile("model.weights.h5 has no layers, so it is no complete Keras model")
    counts: dict[str, int] = {}
    weights: dict[str, Weights] = {}
    for layer in config["layers"]:
        base = snake_case(layer["class_name"])
        count = counts.get(base, 0)
        counts[base] = count + 1
        group = hdf5.child(holder, f"{base}_{count}" if count else base)
        weights[layer_name(layer)] = () if group is None else tuple(_variables(hdf5, group))
    return weights


_INNER = ("cell", "forward_layer", "backward_layer", "layer")


def _variables(hdf5: Hdf5, group: Any) -> list[NDArray[np.float32]]:
    """A layer's own variables, then those of the layers inside it, as the HDF5 layout orders them too."""
    own = hdf5.child(group, "vars")
    found = [hdf5.array(own, str(index)) for index in range(len(own))] if own is not None else []
    for name in _INNER:
        inner = hdf5.child(group, name)
        if inner is not None:
            found += _variables(hdf5, inner)
    return found


def snake_case(name: str) -> str:
    """`MaxPooling1D` → `max_pooling1d`, after keras/src/utils/naming.py."""
    out = []
    for index, letter in enumerate(name):
        before = name[index - 1] if index else ""
        after = name[index + 1 : index + 2]
        starts_word = letter.isupper() and before and (before.islower() or after.islower())
        out.append(f"_{letter.lower()}" if starts_word else letter.lower())
    return "".join(out)
