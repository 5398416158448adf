"""ONNX models as exporters write them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from foretell.errors import MissingFact, UnreadableFile, UnsupportedModel
from foretell.importers.onnx import read_onnx

Shape = Sequence[int | str]
Model = Callable[..., bytes]


@pytest.fixture
def model() -> Model:
    """Mean over time → dense, with the shapes that an exporter would declare."""

    def make(
        given: Shape = ("n", 5, 2),
        made: Shape = ("n", 3),
        nodes: Sequence[Any] | None = None,
        kind: int = TensorProto.FLOAT,
    ) -> bytes:
        weights = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w")
        usual = [
            helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=0),
            helper.make_node("MatMul", ["m", "w"], ["y"]),
        ]
        graph = helper.make_graph(
            usual if nodes is None else nodes,
            "g",
            [helper.make_tensor_value_info("x", kind, given)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, made)],
            [weights],
        )
        made_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        data: bytes = made_model.SerializeToString()
        return data

    return make


def test_a_model_with_an_open_batch(model: Model) -> None:
    network = read_onnx(model(), "m.onnx")
    assert network.input_shape == (5, 2)
    assert [(o.name, o.shape) for o in network.outputs] == [("y", (3,))]


def test_a_batch_of_one_is_opened(model: Model) -> None:
    network = read_onnx(model((1, 5, 2), (1, 3)), "m.onnx")
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype(np.float32)
    got = ort.InferenceSession(network.model).run(None, {"x": x})[0]
    np.testing.assert_allclose(got, x.mean(axis=1) @ np.arange(6).reshape(2, 3), rtol=1e-5)
    np.testing.assert_allclose(network.reference(x)[0], got, rtol=1e-5)


def test_a_batch_of_one_deep_inside_is_refused(model: Model) -> None:
    nodes = [
        helper.make_node("Constant", [], ["s"], value=numpy_helper.from_array(np.array([1, 10], np.int64))),
        helper.make_node("Reshape", ["x", "s"], ["y"]),
    ]
    with pytest.raises(UnsupportedModel, match=r"m\.onnx"):
        read_onnx(model((1, 5, 2), (1, 10), nodes), "m.onnx")


def test_windows_that_look_at_each_other_are_refused(model: Model) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["a"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["y"], axis=1),
    ]
    with pytest.raises(UnsupportedModel, match="depends on its neighbours"):
        read_onnx(model(made=("n", 10), nodes=nodes), "m.onnx")


def test_one_number_a_window_becomes_a_row_of_one(model: Model) -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)]
    network = read_onnx(model(made=("n",), nodes=nodes), "m.onnx")
    assert [o.shape for o in network.outputs] == [(1,)]
    x = np.ones((3, 5, 2), np.float32)
    assert ort.InferenceSession(network.model).run(None, {"x": x})[0].shape == (3, 1)


def test_open_sizes_are_asked_for(model: Model) -> None:
    with pytest.raises(MissingFact) as caught:
        read_onnx(model(("n", "t", 2)), "m.onnx")
    assert "--lookback" in str(caught.value)
    assert read_onnx(model(("n", "t", 2)), "m.onnx", lookback=6).input_shape == (6, 2)


@pytest.mark.parametrize(
    ("given", "kind"),
    [(("n", 10), TensorProto.FLOAT), (("n", 5, 2), TensorProto.DOUBLE), ((8, 5, 2), TensorProto.FLOAT)],
)
def test_other_inputs_are_refused(model: Model, given: Shape, kind: int) -> None:
    with pytest.raises(UnsupportedModel, match=r"m\.onnx: takes"):
        read_onnx(model(given, kind=kind), "m.onnx")


def test_foreign_operators_are_refused(model: Model) -> None:
    nodes = [helper.make_node("Magic", ["x"], ["y"], domain="com.example")]
    with pytest.raises(UnsupportedModel, match=r"com\.example"):
        read_onnx(model(nodes=nodes), "m.onnx")


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\x08\x08" * 100])
def test_what_is_no_model_is_named(data: bytes) -> None:
    with pytest.raises((UnreadableFile, UnsupportedModel), match=r"m\.onnx"):
        read_onnx(data, "m.onnx")


def test_the_result_is_valid(model: Model) -> None:
    onnx.checker.check_model(onnx.load_model_from_string(read_onnx(model(), "m.onnx").model))
