"""The lowered graph is lean: what is not needed is not in it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import onnx

from foretell.importers.keras import read_keras

SAMPLES = Path(__file__).parent / "samples"


def operators(data: bytes) -> Counter[str]:
    network = read_keras(data, "model.h5")
    model = onnx.load_model_from_string(network.model)
    onnx.checker.check_model(model)
    return Counter(node.op_type for node in model.graph.node)


def test_stacked_recurrent_layers_share_one_transpose(lstm_h5: Callable[..., bytes]) -> None:
    assert operators(lstm_h5()) == {"Transpose": 1, "LSTM": 1, "Squeeze": 1, "Gemm": 1}
    stacked = operators((SAMPLES / "mixed_precision.h5").read_bytes())
    assert stacked == {"Transpose": 1, "LSTM": 2, "Squeeze": 2, "Gemm": 1}


def test_dropout_leaves_nothing_behind() -> None:
    assert not {"Dropout", "Identity"} & operators((SAMPLES / "encoder_decoder.h5").read_bytes()).keys()


def test_the_same_file_gives_the_same_bytes(lstm_h5: Callable[..., bytes]) -> None:
    assert read_keras(lstm_h5(), "a.h5").model == read_keras(lstm_h5(), "a.h5").model


def test_the_batch_is_open(lstm_h5: Callable[..., bytes]) -> None:
    model = onnx.load_model_from_string(read_keras(lstm_h5(), "a.h5").model)
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
