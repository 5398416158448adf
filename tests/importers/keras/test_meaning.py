"""What versions of Keras mean by the same words, and what is refused by name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from foretell.errors import UnsupportedModel
from foretell.importers.keras import read_keras

H5 = Callable[..., bytes]
WINDOW = {"batch_input_shape": [None, 4, 1]}


def answer(data: bytes, windows: Any) -> Any:
    """The reference's answer, after the lowered network gave the same."""
    network = read_keras(data, "model.h5")
    x = np.asarray(windows, np.float32)
    reference = network.reference(x)[0]
    lowered = ort.InferenceSession(network.model).run(None, {"window": x})[0]
    np.testing.assert_allclose(lowered, reference, atol=1e-6)
    return reference


@pytest.mark.parametrize(("version", "expected"), [("2.15.0", 0.2 * 2 + 0.5), ("3.5.0", 2 / 6 + 0.5)])
def test_hard_sigmoid_differs_between_versions(
    keras_h5: H5, keras_layer: Any, version: str, expected: float
) -> None:
    layer = keras_layer("Activation", {"name": "a", "activation": "hard_sigmoid", **WINDOW})
    assert answer(keras_h5([layer], version), np.full((1, 4, 1), 2.0))[0, 0, 0] == pytest.approx(expected)


def test_a_gru_of_old_resets_before_the_product(keras_h5: H5, keras_layer: Any) -> None:
    def gru(**options: Any) -> bytes:
        bias = np.full((2, 3) if options.get("reset_after") else 3, 0.5, np.float32)
        weights = [np.ones((1, 3), np.float32), np.ones((1, 3), np.float32), bias]
        return keras_h5([keras_layer("GRU", {"name": "g", "units": 1, **WINDOW, **options}, weights)])

    windows = np.linspace(-1, 1, 4).reshape(1, 4, 1)
    old = answer(gru(), windows)
    assert old == pytest.approx(answer(gru(reset_after=False), windows))
    assert abs(old - answer(gru(reset_after=True), windows)).max() > 1e-3


def test_a_lstm_step_by_hand(keras_h5: H5, keras_layer: Any) -> None:
    kernel = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)
    bias = np.array([0.5, -0.5, 0.25, 1.0], np.float32)
    config = {"name": "l", "units": 1, "recurrent_activation": "sigmoid", "batch_input_shape": [None, 1, 1]}
    data = keras_h5([keras_layer("LSTM", config, [kernel, np.zeros((1, 4), np.float32), bias])])

    def sigmoid(x: float) -> float:
        return float(1 / (1 + np.exp(-x)))

    cell = sigmoid(0.1 + 0.5) * np.tanh(0.3 + 0.25)
    assert answer(data, [[[1.0]]])[0, 0] == pytest.approx(sigmoid(0.4 + 1.0) * np.tanh(cell), abs=1e-6)


def test_a_functional_model_of_keras_2_with_a_shared_layer(keras_h5: H5, keras_layer: Any) -> None:
    def link(name: str, use: int = 0) -> list[Any]:
        return [name, use, 0, {}]

    layers = [
        keras_layer("InputLayer", {"name": "i", **WINDOW}, inbound=[]),
        keras_layer(
            "Dense",
            {"name": "d", "units": 1},
            [np.full((1, 1), 2.0, np.float32), np.ones(1, np.float32)],
            [[link("i")], [link("d")]],
        ),
        keras_layer("Add", {"name": "sum"}, inbound=[[link("i"), link("d", 1)]]),
    ]
    data = keras_h5(layers, model="Functional", input_layers=[["i", 0, 0]], output_layers=[["sum", 0, 0]])
    x = np.arange(4.0).reshape(1, 4, 1)
    assert answer(data, x) == pytest.approx(x + 2 * (2 * x + 1) + 1)


def test_a_stateful_layer_is_told_of(keras_h5: H5, keras_layer: Any) -> None:
    weights = [np.zeros((1, 4), np.float32), np.zeros((1, 4), np.float32), np.zeros(4, np.float32)]
    layer = keras_layer("LSTM", {"name": "l", "units": 1, "stateful": True, **WINDOW}, weights)
    assert "stateful" in read_keras(keras_h5([layer]), "model.h5").notes[0]


@pytest.mark.parametrize(
    ("class_name", "config", "words"),
    [
        ("Embedding", {}, r"layer x \(Embedding\): is not supported"),
        ("Masking", {}, r"layer x \(Masking\)"),
        ("MyOwnLayer", {}, r"layer x \(MyOwnLayer\)"),
        ("Lambda", {"function": ["4wEAAAAA", None, None]}, "runs nothing that is in a file"),
        ("LSTM", {"units": 1, "return_state": True}, "return_state=True"),
        ("Conv1D", {"filters": 1, "kernel_size": [3], "data_format": "channels_first"}, "data_format"),
        ("Dense", {"units": 1, "activation": "my_activation"}, "activation='my_activation'"),
        ("Activation", {"activation": {"class_name": "ReLU", "config": {"max_value": 1}}}, "activation="),
        ("MaxPooling1D", {"padding": "causal"}, "padding='causal'"),
        ("BatchNormalization", {"axis": 3}, "axis=3"),
    ],
)
def test_what_is_not_supported_is_named(
    keras_h5: H5, keras_layer: Any, class_name: str, config: dict[str, Any], words: str
) -> None:
    weights = [np.zeros((1, 1), np.float32), np.zeros(1, np.float32)] if class_name == "Dense" else []
    with pytest.raises(UnsupportedModel, match=words) as caught:
        read_keras(
            keras_h5([keras_layer(class_name, {"name": "x", **WINDOW, **config}, weights)]), "model.h5"
        )
    assert caught.value.cure


def test_an_activation_that_no_recurrent_operator_has(keras_h5: H5, keras_layer: Any) -> None:
    weights = [np.zeros((1, 4), np.float32), np.zeros((1, 4), np.float32), np.zeros(4, np.float32)]
    layer = keras_layer("LSTM", {"name": "l", "units": 1, "activation": "softmax", **WINDOW}, weights)
    with pytest.raises(UnsupportedModel, match=r"layer l \(LSTM\): the activation softmax"):
        read_keras(keras_h5([layer]), "model.h5")


def test_two_inputs_are_refused(keras_h5: H5, keras_layer: Any) -> None:
    layers = [keras_layer("InputLayer", {"name": n, **WINDOW}, inbound=[]) for n in ("a", "b")]
    data = keras_h5(
        layers, model="Functional", input_layers=[["a", 0, 0], ["b", 0, 0]], output_layers=[["a", 0, 0]]
    )
    with pytest.raises(UnsupportedModel, match="2 inputs"):
        read_keras(data, "model.h5")


def test_an_initial_state_is_refused(keras_h5: H5, keras_layer: Any) -> None:
    call = ["i", 0, 0, {"initial_state": ["i", 0, 0]}]
    layers = [
        keras_layer("InputLayer", {"name": "i", **WINDOW}, inbound=[]),
        keras_layer("LSTM", {"name": "l", "units": 1}, inbound=[[call]]),
    ]
    data = keras_h5(layers, model="Model", input_layers=[["i", 0, 0]], output_layers=[["l", 0, 0]])
    with pytest.raises(UnsupportedModel, match="initial_state"):
        read_keras(data, "model.h5")
