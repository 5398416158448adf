"""The layouts of Keras's versions, and files that are none of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from foretell.errors import MissingFact, UnreadableFile, UnsupportedModel
from foretell.importers.keras import read_keras
from foretell.importers.keras.layout.saved import snake_case

H5 = Callable[..., bytes]


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("LSTM", "lstm"),
        ("GRU", "gru"),
        ("Conv1D", "conv1d"),
        ("MaxPooling1D", "max_pooling1d"),
        ("GlobalAveragePooling1D", "global_average_pooling1d"),
        ("BatchNormalization", "batch_normalization"),
        ("TimeDistributed", "time_distributed"),
        ("ReLU", "re_lu"),
        ("LeakyReLU", "leaky_re_lu"),
        ("ELU", "elu"),
    ],
)
def test_names_of_groups_as_keras_makes_them(name: str, snake: str) -> None:
    assert snake_case(name) == snake


def test_windows_of_any_length_need_to_be_told(lstm_h5: H5) -> None:
    with pytest.raises(MissingFact, match="any length") as caught:
        read_keras(lstm_h5(lookback=None), "model.h5")
    assert "--lookback" in str(caught.value)
    assert read_keras(lstm_h5(lookback=None), "model.h5", lookback=9).input_shape == (9, 3)


def test_weights_without_an_architecture(keras_h5: H5) -> None:
    import io

    import h5py

    out = io.BytesIO(keras_h5([]))
    with h5py.File(out, "a") as file:
        del file.attrs["model_config"]
    with pytest.raises(UnsupportedModel, match="without an architecture"):
        read_keras(out.getvalue(), "model.h5")


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x89HDF\r\n\x1a\n rubbish", b"PK\x03\x04rubbish"])
def test_what_is_no_model_is_named(data: bytes) -> None:
    with pytest.raises(UnreadableFile, match=r"model\.h5"):
        read_keras(data, "model.h5")


def test_a_truncated_file(lstm_h5: H5) -> None:
    whole = lstm_h5()
    with pytest.raises(UnreadableFile):
        read_keras(whole[: len(whole) // 2], "model.h5")


def test_weights_of_another_shape(keras_h5: H5, keras_layer: Any) -> None:
    config = {"name": "d", "units": 2, "batch_input_shape": [None, 4, 3]}
    layer = keras_layer("Dense", config, [np.zeros((5, 2), np.float32), np.zeros(2, np.float32)])
    with pytest.raises(UnreadableFile, match=r"layer d \(Dense\) was made for 5 channels, is given \(4, 3\)"):
        read_keras(keras_h5([layer]), "model.h5")


def test_weights_that_are_missing(keras_h5: H5, keras_layer: Any) -> None:
    layer = keras_layer("Dense", {"name": "d", "units": 2, "batch_input_shape": [None, 4, 3]})
    with pytest.raises(UnreadableFile, match="has 0 weights, 2 are expected"):
        read_keras(keras_h5([layer]), "model.h5")


def test_weights_that_are_not_finite(keras_h5: H5, keras_layer: Any) -> None:
    config = {"name": "d", "units": 1, "batch_input_shape": [None, 4, 1]}
    layer = keras_layer("Dense", config, [np.array([[np.nan]], np.float32), np.zeros(1, np.float32)])
    with pytest.raises(UnreadableFile, match="not finite"):
        read_keras(keras_h5([layer]), "model.h5")
