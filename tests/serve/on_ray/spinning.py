"""A model that takes as long as its windows say."""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from foretell.bundle.golden import Golden
from foretell.bundle.manifest import Column, Meaning, Output, Provenance
from foretell.bundle.write import write_bundle
from foretell.rows.adapter import Adapter


def write_spinning_bundle(
    folder: Path,
    offset: float = 0.0,
    turns: int = 1000,
    name: str = "spin",
    golden: float = 0.0,
    least: int = 0,
    hoard: int = 0,
) -> Path:
    """A bundle of channels first windows (n, 10, 60), with outputs `mean` (1,) and `top` (10,).

    `offset` is added to the mean. A block takes `turns` × its largest value turns of a loop, of a microsecond
    or so each, and `least` at least. It takes memory for `hoard` numbers times that value, too, which the
    runtime keeps. `golden`: how far the golden sample is off.
    """
    value = helper.make_tensor_value_info
    constants: dict[str, Any] = {
        "offset": np.array([offset], np.float32),
        "turns": np.array(turns, np.float32),
        "least": np.array(least, np.float32),
        "hoard": np.array([hoard], np.float32),
        "zero": np.array(0.0, np.float32),
        "go": np.array(True),
    }
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["on_out"]), helper.make_node("Cos", ["acc"], ["acc_out"])],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("on", TensorProto.BOOL, []),
            value("acc", TensorProto.FLOAT, []),
        ],
        [value("on_out", TensorProto.BOOL, []), value("acc_out", TensorProto.FLOAT, [])],
    )
    nodes = [
        helper.make_node("ReduceMax", ["windows"], ["most"], keepdims=0),
        helper.make_node("Mul", ["most", "turns"], ["wanted"]),
        helper.make_node("Max", ["wanted", "least"], ["count_f"]),
        helper.make_node("Cast", ["count_f"], ["count"], to=TensorProto.INT64),
        helper.make_node("Loop", ["count", "go", "zero"], ["spun"], body=body),
        helper.make_node("Mul", ["most", "hoard"], ["wanted_memory"]),
        helper.make_node("Max", ["wanted_memory", "zero"], ["size_f"]),
        helper.make_node("Cast", ["size_f"], ["size"], to=TensorProto.INT64),
        helper.make_node("ConstantOfShape", ["size"], ["block"]),
        helper.make_node("ReduceSum", ["block"], ["empty"], keepdims=0),
        helper.make_node("Add", ["spun", "empty"], ["both"]),
        helper.make_node("Mul", ["both", "zero"], ["nothing"]),
        helper.make_node("ReduceMean", ["windows"], ["level"], axes=[2], keepdims=0),
        helper.make_node("ReduceMean", ["level"], ["mean_0"], axes=[1], keepdims=1),
        helper.make_node("Add", ["mean_0", "offset"], ["mean_1"]),
        helper.make_node("Add", ["mean_1", "nothing"], ["mean"]),
        helper.make_node("ReduceMax", ["windows"], ["top"], axes=[2], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "spin",
        [value("windows", TensorProto.FLOAT, ["n", 10, 60])],
        [value("mean", TensorProto.FLOAT, ["n", 1]), value("top", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(array, key) for key, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    windows = np.random.default_rng(1).uniform(-1, 0, (4, 10, 60)).astype(np.float32)
    answers = {"mean": windows.mean(axis=(1, 2))[:, None] + offset + golden, "top": windows.max(axis=2)}
    meaning = Meaning(
        task="features",
        inputs=tuple(Column(f"f{i}") for i in range(10)),
        targets=(),
        lookback=60,
        horizon=0,
        step_s=None,
        layout="channels_first",
        outputs=(Output("mean", (1,)), Output("top", (10,))),
        input_scaling=None,
        target_scaling=None,
        adapter=Adapter(),
        tolerance=1e-4,
    )
    return write_bundle(
        folder / name,
        meaning,
        model.SerializeToString(),
        Golden(windows, answers),
        name=name,
        provenance=Provenance(files={}, made_by="tests"),
    ).path
