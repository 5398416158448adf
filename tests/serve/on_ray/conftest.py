"""Models that take as long as they are told, served on a real Ray; callers that count what they lose."""

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from foretell.bundle.golden import Golden
from foretell.bundle.manifest import Column, Meaning, Output, Provenance
from foretell.bundle.write import write_bundle
from foretell.config import Settings
from foretell.rows.adapter import Adapter

LIMIT_S = 60.0


def write_spinning_bundle(
    folder: Path, offset: float = 0.0, turns: int = 1000, name: str = "spin", golden: float = 0.0
) -> Path:
    """A bundle of channels first windows (n, 10, 60), with outputs `mean` (1,) and `top` (10,).

    `offset` is added to the mean. A block takes `turns` × its largest value (if that is above 0) turns of a
    loop, of a microsecond or so each. `golden`: how far the golden sample is off.
    """
    value = helper.make_tensor_value_info
    constants: dict[str, Any] = {
        "offset": np.array([offset], np.float32),
        "turns": np.array(turns, np.float32),
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
        helper.make_node("Mul", ["most", "turns"], ["count_f"]),
        helper.make_node("Cast", ["count_f"], ["count"], to=TensorProto.INT64),
        helper.make_node("Loop", ["count", "go", "zero"], ["spun"], body=body),
        helper.make_node("Mul", ["spun", "zero"], ["nothing"]),
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


@pytest.fixture(scope="session")
def spinning() -> Callable[..., Path]:
    """`write_spinning_bundle`."""
    return write_spinning_bundle


@pytest.fixture(scope="session")
def settings_on_ray() -> Callable[..., Settings]:
    """A Ray of one's own, free ports, and little patience; other settings of `serve` by name."""

    def make(**serve: Any) -> Settings:
        usual = {
            "port": 0,
            "grpc_port": 0,
            "replicas": 2,
            "gpu": False,
            "drain": 5,
            "wait": 90,
            "watch": 1,
            "batch": {"max_batch_size": 8},
        }
        return Settings.model_validate({"ray": {"head_address": "local"}, "serve": usual | serve})

    return make


def window(value: float = -1.0) -> list[list[float]]:
    """(10, 60), all of one value."""
    return [[value] * 60] * 10


def ask(url: str, value: float = -1.0, timeout: float = 20.0) -> dict[str, Any]:
    """One window over HTTP, on a connection of its own."""
    data = {"name": "windows", "shape": [1, 10, 60], "datatype": "FP64", "data": [window(value)]}
    request = urllib.request.Request(f"{url}/v2/models/spin/infer", json.dumps({"inputs": [data]}).encode())
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        told: dict[str, Any] = json.loads(answer.read())
    return told


class Callers:
    """Threads that ask all the time. `patient`: asks again after a lost connection, as clients do.

    Attributes:
        answers: of all, as they came. lost: what was not answered.
    """

    def __init__(self, url: str, count: int, value: float = -1.0, *, patient: bool = False) -> None:
        self._url, self._value, self._patient = url, value, patient
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(count)]
        self.answers: list[dict[str, Any]] = []
        self.lost: list[Exception] = []

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(LIMIT_S)

    def versions(self) -> set[str]:
        return {answer["model_version"] for answer in self.answers}

    def _ask(self) -> None:
        while not self._ended.is_set():
            for attempt in range(10):
                try:
                    self.answers.append(ask(self._url, self._value))
                    break
                except (OSError, ValueError, http.client.HTTPException) as error:
                    if not self._patient or attempt == 9:
                        self.lost.append(error)
                        break
                    time.sleep(0.1 * attempt)


@pytest.fixture(scope="session")
def callers() -> Callable[..., Callers]:
    return Callers


@pytest.fixture(scope="session")
def asked() -> Callable[..., dict[str, Any]]:
    """`ask`."""
    return ask


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait until a condition holds."""

    def wait(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, f"not so after {limit_s:.0f} s"
            time.sleep(0.1)

    return wait
