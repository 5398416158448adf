"""What every test can count on."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tests.certificates import Pems

from foretell.bundle.golden import Golden
from foretell.bundle.manifest import Column, Meaning, Output, Provenance
from foretell.bundle.scaling import Scaling
from foretell.bundle.write import write_bundle
from foretell.demo.apache_kafka import ApacheKafka, find_kafka
from foretell.demo.mock_broker import MockBroker
from foretell.rows.adapter import Adapter

SHARED = Path(__file__).resolve().parents[2] / "shared"
CLIENTS = Path(__file__).resolve().parents[1] / ".bench-venvs" / "clients"

# Machines are shared: an example that takes long says nothing of the code.
settings.register_profile("foretell", deadline=None)
settings.load_profile("foretell")


def must_run() -> bool:
    """On the team's machines and in CI nothing may be skipped for want of a part."""
    return os.environ.get("FORETELL_MUST_RUN") == "1"


def absent(part: str) -> NoReturn:
    """A part that this machine lacks: skip the test, or fail it where nothing may be skipped."""
    if must_run():
        pytest.fail(f"{part}; FORETELL_MUST_RUN=1 forbids to skip for it", pytrace=False)
    pytest.skip(part)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The start of a broker or of a Ray counts as time of the first test that uses it."""
    for item in items:
        if {"kafka", "ray"} & {mark.name for mark in item.iter_markers()} and not item.get_closest_marker(
            "timeout"
        ):
            item.add_marker(pytest.mark.timeout(60))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The team's folder of real models and rows; tests that need it are skipped elsewhere."""
    if not SHARED.is_dir():
        absent("no ../shared: the real model folders are on the team's machines only")
    return SHARED


@pytest.fixture(scope="session")
def kafka_libs() -> Path:
    """The jars of a real Apache Kafka."""
    libs = find_kafka()
    if libs is None:
        absent("no Apache Kafka or no Java 17: run `make kafka`, or set KAFKA_HOME")
    return libs


@pytest.fixture(scope="session")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Pems:
    """Certificates and keys for the request door, good and bad."""
    return Pems(tmp_path_factory.mktemp("pems"))


@pytest.fixture(scope="session")
def clients() -> Path:
    """The programs of the environment that holds other makers' clients of the request door."""
    folder = Path(os.environ.get("FORETELL_CLIENTS", CLIENTS)) / "bin"
    if not (folder / "schemathesis").is_file():
        absent("no clients of others: run `make clients`, or set FORETELL_CLIENTS")
    return folder


@pytest.fixture(scope="session")
def kafka(kafka_libs: Path) -> Iterator[ApacheKafka]:
    """One real broker for the whole session: give topics, groups and transactional ids names of your own."""
    with ApacheKafka(kafka_libs) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kafka_cluster(kafka_libs: Path) -> Iterator[ApacheKafka]:
    """Three real brokers, to kill, pause and start again."""
    with ApacheKafka(kafka_libs, nodes=3) as cluster:
        yield cluster


@pytest.fixture
def mock_broker() -> Iterator[MockBroker]:
    """librdkafka's mock cluster: no isolation, no creation of topics (first use makes 4 partitions)."""
    with MockBroker() as broker:
        yield broker


def lstm_network(lookback: int, features: int, outputs: int, hidden: int, seed: int) -> tuple[bytes, Golden]:
    """LSTM → Dense with random weights as ONNX, and its answers to random windows as NumPy computes them."""
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0.0, 0.4, shape).astype(np.float32)

    w, r, b = weights(1, 4 * hidden, features), weights(1, 4 * hidden, hidden), weights(1, 8 * hidden)
    dense_w, dense_b = weights(hidden, outputs), weights(outputs)
    nodes = [
        helper.make_node("Transpose", ["windows"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["steps", "w", "r", "b"], ["", "last"], hidden_size=hidden),
        helper.make_node("Squeeze", ["last", "first_axis"], ["state"]),
        helper.make_node("Gemm", ["state", "dense_w", "dense_b"], ["forecast"]),
    ]
    constants = {"w": w, "r": r, "b": b, "dense_w": dense_w, "dense_b": dense_b, "first_axis": np.array([0])}
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "lstm",
        [value("windows", TensorProto.FLOAT, ["n", lookback, features])],
        [value("forecast", TensorProto.FLOAT, ["n", outputs])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    windows = rng.normal(size=(16, lookback, features)).astype(np.float32)
    h = c = np.zeros((len(windows), hidden))
    for step in range(lookback):
        gates = windows[:, step] @ w[0].T + h @ r[0].T + b[0, : 4 * hidden] + b[0, 4 * hidden :]
        i, o, f, g = np.split(gates, 4, axis=1)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    return model.SerializeToString(), Golden(
        windows, {"forecast": (h @ dense_w + dense_b).astype(np.float32)}
    )


def write_lstm_bundle(
    folder: Path,
    lookback: int = 7,
    features: Sequence[str] = ("temperature", "wind_speed", "dewpoint"),
    targets: Sequence[str] = ("temperature",),
    horizon: int = 7,
    step_s: float | None = 3600.0,
    hidden: int = 8,
    name: str = "weather",
    seed: int = 0,
    adapter: Adapter | None = None,
) -> Path:
    """A small LSTM bundle under `folder`; every column is scaled around 50 ± 20 and bounded by −30 to 130."""
    columns = {n: Column(n, center=50.0, spread=20.0) for n in (*features, *targets)}
    meaning = Meaning(
        task="forecast",
        inputs=tuple(columns[n] for n in features),
        targets=tuple(columns[n] for n in targets),
        lookback=lookback,
        horizon=horizon,
        step_s=step_s,
        layout="time_first",
        outputs=(Output("forecast", (horizon * len(targets),)),),
        input_scaling=_standard(len(features)),
        target_scaling=_standard(len(targets)),
        adapter=adapter or Adapter(),
        tolerance=1e-5,
    )
    model, golden = lstm_network(lookback, len(features), horizon * len(targets), hidden, seed)
    provenance = Provenance(files={}, made_by="tests/conftest.py")
    return write_bundle(folder / name, meaning, model, golden, name=name, provenance=provenance).path


def _standard(columns: int) -> Scaling:
    return Scaling("StandardScaler", (50.0,) * columns, (20.0,) * columns)


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    """`write_lstm_bundle`: writes the bundle and gives its folder."""
    return write_lstm_bundle


@pytest.fixture
def features_bundle(tmp_path: Path) -> Path:
    """Two outputs and no forecast, channels first, own units: `mean` (2,), `growth` (1,) that overflows."""
    nodes = [
        helper.make_node("ReduceMean", ["windows"], ["mean"], axes=[2], keepdims=0),
        helper.make_node("ReduceMean", ["mean"], ["level"], axes=[1], keepdims=1),
        helper.make_node("Exp", ["level"], ["growth"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "features",
        [value("windows", TensorProto.FLOAT, ["n", 2, 5])],
        [value("mean", TensorProto.FLOAT, ["n", 2]), value("growth", TensorProto.FLOAT, ["n", 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    windows = np.random.default_rng(1).normal(size=(4, 2, 5)).astype(np.float32)
    mean = windows.mean(axis=2)
    answers = {"mean": mean, "growth": np.exp(mean.mean(axis=1, keepdims=True))}
    meaning = Meaning(
        task="features",
        inputs=(Column("price"), Column("volume")),
        targets=(),
        lookback=5,
        horizon=0,
        step_s=None,
        layout="channels_first",
        outputs=(Output("mean", (2,)), Output("growth", (1,))),
        input_scaling=None,
        target_scaling=None,
        adapter=Adapter(),
        tolerance=1e-5,
    )
    return write_bundle(
        tmp_path / "features",
        meaning,
        model.SerializeToString(),
        Golden(windows, answers),
        name="features",
        provenance=Provenance(files={}, made_by="tests/conftest.py"),
    ).path


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that is taken and refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
