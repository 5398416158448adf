"""ONNX models that keep their data elsewhere, in every place where a tensor may stand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from foretell.errors import UnreadableFile, UnsupportedModel
from foretell.importers import ImportOptions, import_source
from foretell.importers.onnx import read_onnx


def elsewhere(name: str, location: str) -> onnx.TensorProto:
    """A tensor (2, 2) whose bytes are said to lie in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2, 2])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def as_initializer(location: str) -> onnx.ModelProto:
    return model([helper.make_node("MatMul", ["x", "w"], ["y"])], [elsewhere("w", location)])


def as_constant(location: str) -> onnx.ModelProto:
    constant = helper.make_node("Constant", [], ["w"], value=elsewhere("w", location))
    return model([constant, helper.make_node("MatMul", ["x", "w"], ["y"])])


def in_a_branch(location: str) -> onnx.ModelProto:
    made = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    constant = helper.make_node("Constant", [], ["o"], value=elsewhere("o", location))
    branch = helper.make_graph([constant], "branch", [], [made])
    true = helper.make_tensor("t", TensorProto.BOOL, [], [True])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=true),
        helper.make_node("If", ["c"], ["w"], then_branch=branch, else_branch=branch),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    return model(nodes)


def model(nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto] | None = None) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["n", 3, 2])],
        [value("y", TensorProto.FLOAT, ["n", 3, 2])],
        constants or [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("place", [as_initializer, as_constant, in_a_branch])
@pytest.mark.parametrize("location", ["../secret.bin", "secret.bin", "/etc/passwd"])
def test_data_that_lies_elsewhere(
    place: Callable[[str], onnx.ModelProto], location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.bin").write_bytes(np.full(4, 7.0, np.float32).tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "secret.bin").write_bytes(np.full(4, 7.0, np.float32).tobytes())
    (folder / "model.onnx").write_bytes(place(location).SerializeToString())
    monkeypatch.chdir(folder)
    with pytest.raises(UnreadableFile, match=r"model\.onnx: tensor \w keeps its data in another file"):
        import_source(folder, ImportOptions(out=tmp_path / "bundle"))
    assert not (tmp_path / "bundle").exists()


def test_a_library_of_operators_is_not_loaded() -> None:
    hostile = model([helper.make_node("Run", ["x"], ["y"], domain="evil")])
    hostile.opset_import.add(domain="evil", version=1)
    with pytest.raises(UnsupportedModel, match="evil"):
        read_onnx(hostile.SerializeToString(), "model.onnx")


def test_functions_that_hide_what_they_do() -> None:
    hostile = model([helper.make_node("Hidden", ["x"], ["y"], domain="local")])
    hostile.opset_import.add(domain="local", version=1)
    node = helper.make_node("Identity", ["a"], ["b"])
    opsets = [helper.make_opsetid("", 17)]
    hostile.functions.append(helper.make_function("local", "Hidden", ["a"], ["b"], [node], opsets))
    with pytest.raises(UnsupportedModel, match="local"):
        read_onnx(hostile.SerializeToString(), "model.onnx")
