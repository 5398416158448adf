"""Sequential and functional models → a graph of typed layers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from foretell.errors import MissingFact, UnreadableFile, UnsupportedModel
from foretell.importers.keras.layout import SavedModel
from foretell.importers.keras.layout.saved import layer_name
from foretell.importers.keras.meaning.graph import Graph
from foretell.importers.keras.meaning.layers import Layer
from foretell.importers.keras.meaning.options import CURE, Options
from foretell.importers.keras.meaning.readers import READERS

_OWN_MODULES = ("keras", "tf_keras", "tensorflow")
_MAX_WINDOW = 2**18  # numbers: half a year of minutes of one feature
_FUNCTIONAL = ("Functional", "Model")


def graph_of(saved: SavedModel, lookback: int | None) -> Graph:
    """What a saved model means.

    Args:
        saved: configuration and weights.
        lookback: steps of a window, where the model takes any number of them.

    Raises:
        UnsupportedModel: names the layer, its class and the option that is not known.
        MissingFact: the model takes windows of any length and nobody said which.
        UnreadableFile: weights do not fit their layers.
    """
    if saved.class_name == "Sequential":
        return _sequential(saved, lookback)
    if saved.class_name in _FUNCTIONAL:
        return _functional(saved, lookback)
    raise UnsupportedModel(
        f"{saved.file}: a model of class {saved.class_name}; known are Sequential and functional models",
        cure=CURE,
    )


def meaning_of(saved: SavedModel, layer: Mapping[str, Any], notes: list[str]) -> Layer:
    """What one layer means."""
    name, class_name = layer_name(layer), layer["class_name"]
    options = Options(
        saved.file, name, class_name, layer["config"], saved.weights.get(name, ()), saved.major, notes
    )
    if class_name == "Lambda":
        raise UnsupportedModel(
            f"{options.where}: holds Python code, and foretell runs nothing that is in a file",
            cure="replace it with layers that say what it does, or export the model to ONNX",
        )
    module = layer.get("module")
    own = not isinstance(module, str) or module.split(".")[0] in _OWN_MODULES
    reader = READERS.get(class_name) if own else None
    if reader is None:
        options.unsupported("is not supported" if own else f"of {module} is not a layer of Keras")
    return reader(options)


def _sequential(saved: SavedModel, lookback: int | None) -> Graph:
    layers = saved.config["layers"]
    first = layers[0] if layers else {"config": {}}
    shape = _declared(first["config"]) or saved.config.get("build_input_shape")
    graph = Graph(saved.file, _window(saved, shape, lookback))
    at = -1
    for layer in layers:
        if layer["class_name"] != "InputLayer":
            at = graph.add(layer_name(layer), meaning_of(saved, layer, graph.notes), (at,))
    if at == -1:
        raise UnreadableFile(f"{saved.file}: the model has no layers")
    graph.outputs = (at,)
    return graph


def _declared(config: Mapping[str, Any]) -> object:
    return config.get("batch_shape") or config.get("batch_input_shape")


def _window(saved: SavedModel, shape: object, lookback: int | None) -> tuple[int, int]:
    if not isinstance(shape, list | tuple) or len(shape) != 3 or not isinstance(shape[2], int):
        raise UnsupportedModel(
            f"{saved.file}: the model takes {shape}, not windows (batch, lookback, features)",
            cure="foretell serves models that take one window of a series",
        )
    steps = shape[1] if shape[1] is not None else lookback
    if steps is None:
        raise MissingFact(
            f"{saved.file}: the model takes windows of any length", cure="say how long they are: --lookback N"
        )
    if not isinstance(steps, int) or steps < 1 or shape[2] < 1 or steps * shape[2] > _MAX_WINDOW:
        raise UnreadableFile(f"{saved.file}: the model declares windows of shape {shape}")
    return steps, shape[2]


def _functional(saved: SavedModel, lookback: int | None) -> Graph:
    layers = {layer_name(layer): layer for layer in saved.config["layers"]}
    entries = _links(saved, saved.config.get("input_layers"))
    if len(entries) != 1:
        raise UnsupportedModel(
            f"{saved.file}: the model takes {len(entries)} inputs; one window is supported"
        )
    entry = entries[0][0]
    if entry not in layers:
        raise UnreadableFile(f"{saved.file}: its input layer {entry} is missing")
    graph = Graph(saved.file, _window(saved, _declared(layers[entry]["config"]), lookback))
    made = {(entry, 0): -1}
    meanings: dict[str, Layer] = {}
    waiting = [(name, use, inputs) for name, layer in layers.items() for use, inputs in _uses(saved, layer)]
    while waiting:
        ready = [item for item in waiting if all(link in made for link in item[2])]
        if not ready:
            raise UnreadableFile(f"{saved.file}: layer {waiting[0][0]} waits for something that never comes")
        for name, use, inputs in ready:
            if name not in meanings:
                meanings[name] = meaning_of(saved, layers[name], graph.notes)
            made[name, use] = graph.add(name, meanings[name], tuple(made[link] for link in inputs))
        waiting = [item for item in waiting if (item[0], item[1]) not in made]
    exits = _links(saved, saved.config.get("output_layers"))
    if not exits or not all(link in made for link in exits):
        raise UnreadableFile(f"{saved.file}: its output layers are missing")
    graph.outputs = tuple(made[link] for link in exits)
    return graph


def _links(saved: SavedModel, value: object) -> list[tuple[str, int]]:
    """`[["dense", 0, 0], …]`, one such by itself, or a dictionary of them → (layer, use) pairs."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and len(value) == 3 and isinstance(value[0], str):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise UnreadableFile(f"{saved.file}: the model does not say where it starts and ends")
    return [_link(saved, item) for item in value]


def _link(saved: SavedModel, item: Any) -> tuple[str, int]:
    ok = (
        isinstance(item, Sequence)
        and len(item) >= 3
        and isinstance(item[0], str)
        and isinstance(item[1], int)
    )
    if not ok:
        raise UnreadableFile(f"{saved.file}: the links between layers are damaged")
    if len(item) > 3:
        _no_tensors(saved, item[0], item[3])
    if item[2] != 0:
        raise UnsupportedModel(
            f"{saved.file}: layer {item[0]} gives several values; one is supported", cure=CURE
        )
    return item[0], item[1]


def _uses(saved: SavedModel, layer: Mapping[str, Any]) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """Each use of a layer: its number, and the links that flow in."""
    nodes = layer.get("inbound_nodes") or []
    if not isinstance(nodes, list):
        raise UnreadableFile(f"{saved.file}: the links of layer {layer_name(layer)} are damaged")
    for use, node in enumerate(nodes):
        if isinstance(node, Mapping):  # Keras 3
            _no_tensors(saved, layer_name(layer), node.get("kwargs"))
            links = [_link(saved, found) for found in _histories(node.get("args"), 0)]
        elif isinstance(node, list):  # Keras 2
            single = len(node) > 1 and isinstance(node[0], str)
            links = [_link(saved, item) for item in ([node] if single else node)]
        else:
            links = []
        if not links:
            raise UnreadableFile(f"{saved.file}: nothing flows into layer {layer_name(layer)}")
        yield use, links


def _no_tensors(saved: SavedModel, name: str, kwargs: object) -> None:
    """Switches such as `training` mean nothing here; a mask or an initial state would."""
    given = kwargs if isinstance(kwargs, Mapping) else {}
    for option, value in given.items():
        if value is not None and not isinstance(value, bool):
            raise UnsupportedModel(
                f"{saved.file}: layer {name} is called with {option}=…, which is not supported", cure=CURE
            )


def _histories(value: object, depth: int) -> Iterator[object]:
    """Keras 3 writes a link as `{"class_name": "__keras_tensor__", "config": {"keras_history": [...]}}`."""
    if isinstance(value, Mapping):
        config = value.get("config")
        yield config.get("keras_history") if isinstance(config, Mapping) else None
    elif isinstance(value, list) and depth < 4:
        for item in value:
            yield from _histories(item, depth + 1)
