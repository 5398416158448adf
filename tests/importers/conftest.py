"""Makers of the files that people have, without the libraries that wrote them."""

import io
import json
import pickle
import sys
import types
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

Weights = Sequence[NDArray[Any]]


@dataclass
class KerasLayer:
    """A layer as the file has it: class, options, weights, and for functional models its links."""

    class_name: str
    config: dict[str, Any]
    weights: Weights = ()
    inbound: Any = None

    def tree(self) -> dict[str, Any]:
        tree: dict[str, Any] = {"class_name": self.class_name, "config": self.config}
        if self.inbound is not None:
            tree |= {"name": self.config["name"], "inbound_nodes": self.inbound}
        return tree


def write_keras_h5(
    layers: Sequence[KerasLayer],
    version: str = "2.15.0",
    model: str = "Sequential",
    **config: Any,
) -> bytes:
    """A model file as Keras 2 writes it."""
    tree = {"class_name": model, "config": {"layers": [layer.tree() for layer in layers], **config}}
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = json.dumps(tree)
        group = file.create_group("model_weights")
        for layer in layers:
            name = layer.config["name"]
            own = group.create_group(name)
            names = [f"{name}/weight_{i}:0" for i in range(len(layer.weights))]
            own.attrs["weight_names"] = [n.encode() for n in names]
            for weight_name, weight in zip(names, layer.weights, strict=True):
                own[weight_name] = weight
    return out.getvalue()


@pytest.fixture(scope="session")
def keras_h5() -> Callable[..., bytes]:
    return write_keras_h5


@pytest.fixture(scope="session")
def keras_layer() -> type[KerasLayer]:
    return KerasLayer


@pytest.fixture(scope="session")
def lstm_h5() -> Callable[..., bytes]:
    """LSTM → Dense with random weights: (lookback, features) → outputs."""

    def make(lookback: int | None = 7, features: int = 3, outputs: int = 7, units: int = 4) -> bytes:
        rng = np.random.default_rng(5)

        def weight(*shape: int) -> NDArray[np.float32]:
            return rng.normal(0, 0.4, shape).astype(np.float32)

        lstm = KerasLayer(
            "LSTM",
            {
                "name": "lstm",
                "units": units,
                "batch_input_shape": [None, lookback, features],
                "activation": "tanh",
                "recurrent_activation": "sigmoid",
            },
            [weight(features, 4 * units), weight(units, 4 * units), weight(4 * units)],
        )
        dense = KerasLayer(
            "Dense",
            {"name": "dense", "units": outputs, "activation": "linear"},
            [weight(units, outputs), weight(outputs)],
        )
        return write_keras_h5([lstm, dense])

    return make


@contextmanager
def _classes(*names: str) -> Any:
    """Modules that hold empty classes of these dotted names, while somebody pickles."""
    made: list[str] = []
    classes = []
    for dotted in names:
        module_name, _, name = dotted.rpartition(".")
        parts = module_name.split(".")
        for depth in range(1, len(parts) + 1):
            part = ".".join(parts[:depth])
            if part not in sys.modules:
                sys.modules[part] = types.ModuleType(part)
                made.append(part)
        cls = type(name, (), {"__module__": module_name})
        setattr(sys.modules[module_name], name, cls)
        classes.append(cls)
    try:
        yield classes
    finally:
        for part in made:
            del sys.modules[part]


def pickle_instance(dotted: str, state: dict[str, Any], protocol: int = 4) -> bytes:
    """A pickled object of a class that does not exist here."""
    with _classes(dotted) as (cls,):
        value = cls.__new__(cls)
        value.__dict__.update(state)
        return pickle.dumps(value, protocol)


@pytest.fixture(scope="session")
def pickled() -> Callable[..., bytes]:
    """`pickle_instance`: dotted class, state, protocol → bytes."""
    return pickle_instance


class _JoblibPickler(pickle._Pickler):
    """Arrays as joblib writes them: an object that describes one, then its bytes (joblib/numpy_pickle.py)."""

    def __init__(self, file: io.BytesIO, wrapper: type) -> None:
        super().__init__(file, 3)
        self._file, self._wrapper = file, wrapper

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if not isinstance(obj, np.ndarray):
            super().save(obj, save_persistent_id)  # type: ignore[misc]
            return
        wrapper: Any = object.__new__(self._wrapper)
        wrapper.__dict__.update(
            subclass=np.ndarray,
            shape=obj.shape,
            order="C",
            dtype=obj.dtype,
            allow_mmap=not obj.dtype.hasobject,
            numpy_array_alignment_bytes=16,
        )
        super().save(wrapper)  # type: ignore[misc]
        if obj.dtype.hasobject:
            pickle.dump(obj, self._file, protocol=2)
            return
        padding = 16 - (self._file.tell() + 1) % 16
        self._file.write(bytes([padding]) + b"\xff" * padding + obj.tobytes())


def joblib_instance(dotted: str, state: dict[str, Any]) -> bytes:
    """As `pickle_instance`, in joblib's form."""
    with _classes(dotted, "joblib.numpy_pickle.NumpyArrayWrapper") as (cls, wrapper):
        value = cls.__new__(cls)
        value.__dict__.update(state)
        out = io.BytesIO()
        _JoblibPickler(out, wrapper).dump(value)
        return out.getvalue()


@pytest.fixture(scope="session")
def joblibbed() -> Callable[..., bytes]:
    """`joblib_instance`: dotted class, state → bytes."""
    return joblib_instance


STANDARD = "sklearn.preprocessing._data.StandardScaler"
MIN_MAX = "sklearn.preprocessing._data.MinMaxScaler"


@pytest.fixture(scope="session")
def standard_scaler() -> Callable[..., bytes]:
    """mean, scale, and names where the scaler was fitted on a table → a pickled StandardScaler."""

    def make(mean: Sequence[float], scale: Sequence[float], names: Sequence[str] | None = None) -> bytes:
        state: dict[str, Any] = {
            "with_mean": True,
            "with_std": True,
            "n_features_in_": len(mean),
            "mean_": np.array(mean),
            "var_": np.array(scale) ** 2,
            "scale_": np.array(scale),
        }
        if names is not None:
            state["feature_names_in_"] = np.array(names, object)
        return pickle_instance(STANDARD, state)

    return make
