"""What model.onnx says of itself must be what the manifest says."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from foretell.bundle.bundle import Bundle, open_bundle
from foretell.bundle.network import check_network
from foretell.errors import ManifestInvalid

Damage = Callable[[onnx.ModelProto], object]


@pytest.fixture
def bundle(bundle_path: Path) -> Bundle:
    return open_bundle(bundle_path)


def external(tensor: onnx.TensorProto) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def external_constant(model: onnx.ModelProto) -> None:
    tensor = onnx.TensorProto(name="hidden", data_type=onnx.TensorProto.FLOAT, dims=[1])
    external(tensor)
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["hidden"], value=tensor))


def external_in_a_branch(model: onnx.ModelProto) -> None:
    tensor = onnx.TensorProto(name="hidden", data_type=onnx.TensorProto.FLOAT, dims=[1])
    external(tensor)
    out = onnx.helper.make_tensor_value_info("hidden", onnx.TensorProto.FLOAT, [1])
    branch = onnx.helper.make_graph([], "branch", [], [out], [tensor])
    model.graph.node.append(onnx.helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))


def rename_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "other"


def second_input(model: onnx.ModelProto) -> None:
    model.graph.input.add().CopyFrom(model.graph.input[0])
    model.graph.input[1].name = "mask"


def dims(value: onnx.ValueInfoProto) -> list[onnx.TensorShapeProto.Dimension]:
    return list(value.type.tensor_type.shape.dim)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda m: external(m.graph.initializer[0]), "tensor `w` keeps its data in another file"),
        (external_constant, "tensor `hidden`"),
        (external_in_a_branch, "tensor `hidden`"),
        (rename_output, "no output `forecast`"),
        (second_input, "2 inputs"),
        (lambda m: setattr(dims(m.graph.input[0])[1], "dim_value", 8), r"\(n, 8, 3\) in the graph"),
        (lambda m: setattr(dims(m.graph.input[0])[0], "dim_value", 1), "batch size must be open"),
        (lambda m: setattr(dims(m.graph.output[0])[1], "dim_value", 6), r"\(n, 7\) in the manifest"),
        (
            lambda m: m.graph.output[0].type.tensor_type.shape.dim.add(dim_value=1),
            r"\(n, 7, 1\) in the graph",
        ),
        (lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 11), "`windows` is not float32"),
    ],
)
def test_a_contradiction_is_named(bundle: Bundle, damage: Damage, complaint: str) -> None:
    model = onnx.load_model_from_string(bundle.model_bytes())
    damage(model)
    with pytest.raises(ManifestInvalid, match=complaint):
        check_network(model.SerializeToString(), bundle.manifest)


def test_a_size_that_the_graph_leaves_open_is_no_contradiction(bundle: Bundle) -> None:
    model = onnx.load_model_from_string(bundle.model_bytes())
    dims(model.graph.input[0])[1].dim_param = "steps"
    model.graph.output[0].type.tensor_type.ClearField("shape")
    check_network(model.SerializeToString(), bundle.manifest)


def test_what_is_no_model_is_refused(bundle: Bundle) -> None:
    with pytest.raises(ManifestInvalid, match="not an ONNX model"):
        check_network(b"\x80\x04K\x01.", bundle.manifest)
