"""The models that everything is measured with: random weights, lowered as an importer lowers them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.bundle import Bundle
from foretell.bundle.golden import Golden
from foretell.bundle.manifest import Column, Meaning, Output, Provenance
from foretell.bundle.scaling import Scaling
from foretell.bundle.write import write_bundle
from foretell.importers.keras.evaluate import evaluate
from foretell.importers.keras.lower import lower, output_names
from foretell.importers.keras.meaning import Graph
from foretell.importers.keras.meaning.activations import LINEAR, Activation
from foretell.importers.keras.meaning.layers import LSTM, Conv1D, Dense, Pool1D, Span
from foretell.rows.adapter import Adapter

WEATHER = ("temperature", "wind_speed", "dewpoint")
_FEATURES = tuple(f"feature_{i}" for i in range(10))
_CENTER, _SPREAD = 50.0, 20.0  # of every column
_GOLDEN_WINDOWS = 16


class _Layers:
    """Makes layers with weights of a size that keeps numbers near 1."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def weights(self, *shape: int) -> NDArray[np.float32]:
        limit = np.sqrt(3.0 / np.prod(shape[:-1]))
        return self._rng.uniform(-limit, limit, shape).astype(np.float32)

    def lstm(self, channels: int, units: int, *, sequences: bool) -> LSTM:
        return LSTM(
            kernel=self.weights(channels, 4 * units),
            recurrent=self.weights(units, 4 * units),
            bias=np.zeros(4 * units, np.float32),
            activation=Activation("tanh"),
            recurrent_activation=Activation("sigmoid"),
            sequences=sequences,
            backwards=False,
        )

    def conv(self, channels: int, filters: int) -> Conv1D:
        bias = np.zeros(filters, np.float32)
        return Conv1D(self.weights(3, channels, filters), bias, Span(3, 1, "same"), 1, Activation("relu"))

    def dense(self, channels: int, units: int) -> Dense:
        return Dense(self.weights(channels, units), np.zeros(units, np.float32), LINEAR)


def model_a(folder: Path) -> Bundle:
    """ "lstm": 2 × LSTM(64), lookback 7, 3 features, horizon 7; 0.70 MFLOP a window."""
    make = _Layers(seed=1)
    graph = Graph("model A", (7, len(WEATHER)))
    graph.add("lstm_1", make.lstm(3, 64, sequences=True), (-1,))
    graph.add("lstm_2", make.lstm(64, 64, sequences=False), (0,))
    graph.outputs = (graph.add("forecast", make.dense(64, 7), (1,)),)
    return _bundle(folder / "lstm", graph, WEATHER)


def model_b(folder: Path) -> Bundle:
    """ "cnnlstm": 2 × Conv1D(64), pooling, 2 × LSTM(128), lookback 60, 10 features, horizon 1; 15.4 MFLOP a
    window."""
    make = _Layers(seed=2)
    graph, last = _cnn_lstm("model B", make)
    graph.outputs = (graph.add("forecast", make.dense(128, 1), (last,)),)
    return _bundle(folder / "cnnlstm", graph, _FEATURES)


def extractor(folder: Path) -> Bundle:
    """ "extractor": model B without its last layer; it gives a window's 128 features."""
    graph, last = _cnn_lstm("extractor", _Layers(seed=2))
    graph.outputs = (last,)
    return _bundle(folder / "extractor", graph, _FEATURES, forecasts=False)


def _cnn_lstm(name: str, make: _Layers) -> tuple[Graph, int]:
    """The layers, and the place of the last one."""
    graph = Graph(name, (60, len(_FEATURES)))
    graph.add("conv_1", make.conv(len(_FEATURES), 64), (-1,))
    graph.add("conv_2", make.conv(64, 64), (0,))
    graph.add("pool", Pool1D("max", Span(2, 2, "valid")), (1,))
    graph.add("lstm_1", make.lstm(64, 128, sequences=True), (2,))
    return graph, graph.add("lstm_2", make.lstm(128, 128, sequences=False), (3,))


def _bundle(folder: Path, graph: Graph, features: tuple[str, ...], *, forecasts: bool = True) -> Bundle:
    """The graph as a bundle that forecasts the first feature, by the hour, or gives what comes out."""
    lookback, width = graph.input_shape[0], graph.shape(graph.outputs[0])[0]
    columns = [Column(name, center=_CENTER, spread=_SPREAD) for name in features]
    meaning = Meaning(
        task="forecast" if forecasts else "features",
        inputs=tuple(columns),
        targets=(columns[0],) if forecasts else (),
        lookback=lookback,
        horizon=width if forecasts else 0,
        step_s=3600.0,
        layout="time_first",
        outputs=(Output(output_names(graph)[0], (width,)),),
        input_scaling=_scaling(len(columns)),
        target_scaling=_scaling(1) if forecasts else None,
        adapter=Adapter(),
        tolerance=1e-5,
    )
    windows = np.random.default_rng(0).normal(size=(_GOLDEN_WINDOWS, lookback, len(columns)))
    windows32 = windows.astype(np.float32)
    answers = {output_names(graph)[0]: evaluate(graph, windows32)[0].astype(np.float32)}
    return write_bundle(
        folder,
        meaning,
        lower(graph).SerializeToString(deterministic=True),
        Golden(windows32, answers),
        name=folder.name,
        provenance=Provenance(files={}, made_by="benchmarks/models.py"),
    )


def _scaling(columns: int) -> Scaling:
    return Scaling("StandardScaler", (_CENTER,) * columns, (_SPREAD,) * columns)
