"""What every engine promises. A new engine joins by a line in `ENGINES`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from foretell.bundle.bundle import Bundle, open_bundle
from foretell.bundle.golden import worst_difference
from foretell.config import EngineSettings
from foretell.engines.cuda import device_memory
from foretell.engines.engine import Engine
from foretell.engines.make import open_engine
from foretell.engines.onnxruntime_engine import OnnxRuntimeEngine, has_cuda
from foretell.errors import EngineError, ShapeError

Windows = NDArray[np.float32]


def on_cpu(bundle: Bundle, settings: EngineSettings) -> Engine:
    return OnnxRuntimeEngine(bundle, settings)


def on_cuda(bundle: Bundle, settings: EngineSettings) -> Engine:
    if not has_cuda() or device_memory() is None:
        pytest.skip("no CUDA device, or an ONNX Runtime without CUDA")
    return open_engine(bundle, settings.model_copy(update={"device": "cuda", "tf32": False}))


ENGINES = [
    pytest.param(on_cpu, id="onnxruntime-cpu"),
    pytest.param(on_cuda, id="onnxruntime-cuda", marks=pytest.mark.gpu),
]


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest) -> Callable[[Bundle, EngineSettings], Engine]:
    maker: Callable[[Bundle, EngineSettings], Engine] = request.param
    return maker


@pytest.fixture
def engine(make: Callable[[Bundle, EngineSettings], Engine], bundle: Bundle) -> Iterator[Engine]:
    """Of 32 windows a call, so that small blocks already take several."""
    made = make(bundle, EngineSettings(chunk=32))
    yield made
    made.close()


def windows(n: int, seed: int = 3) -> Windows:
    return np.random.default_rng(seed).normal(size=(n, 7, 3)).astype(np.float32)


def test_says_what_it_is(engine: Engine) -> None:
    assert engine.device in {"cpu", "cuda:0"}
    assert engine.input_shape == (7, 3)
    assert engine.output_shapes == {"forecast": (7,)}
    assert engine.chunk == 32
    assert engine.bounded == (engine.device == "cpu")


def test_gives_the_golden_answers(engine: Engine, bundle: Bundle) -> None:
    golden = bundle.golden()
    assert worst_difference(golden, engine.run(golden.windows).outputs).share <= bundle.manifest.tolerance


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 64, 200])
def test_a_batch_of_n_equals_n_single_calls(engine: Engine, n: int) -> None:
    block = windows(n)
    together = engine.run(block)
    answers = together.outputs["forecast"]
    single = np.concatenate([engine.run(block[i : i + 1]).outputs["forecast"] for i in range(n)])
    assert answers.shape == (n, 7)
    assert answers.dtype == np.float32
    assert not together.refused.any()
    assert np.abs(answers - single).max() <= 1e-6 * np.ptp(single)


def test_a_block_of_none_gives_none(engine: Engine) -> None:
    nothing = engine.run(windows(0))
    assert nothing.outputs["forecast"].shape == (0, 7)
    assert nothing.refused.shape == (0,)


@pytest.mark.parametrize("n", [3, 32, 100])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_window_that_is_not_finite_is_refused_alone(engine: Engine, n: int, poison: float) -> None:
    clean, block = windows(n), windows(n)
    block[n // 2, 3, 1] = poison
    block[0, 0, 0] = poison
    evaluated = engine.run(block)
    bad = np.isin(np.arange(n), [0, n // 2])
    assert evaluated.refused.tolist() == bad.tolist()
    assert np.isnan(evaluated.outputs["forecast"][bad]).all()
    expected = engine.run(clean).outputs["forecast"][~bad]
    assert np.abs(evaluated.outputs["forecast"][~bad] - expected).max() <= 1e-6 * np.ptp(expected)


def test_a_block_of_nothing_finite_is_refused_whole(engine: Engine) -> None:
    evaluated = engine.run(np.full((40, 7, 3), np.nan, np.float32))
    assert evaluated.refused.all()
    assert np.isnan(evaluated.outputs["forecast"]).all()


@pytest.mark.parametrize("chunk", [2, 32])
def test_a_window_whose_answer_is_not_finite_is_refused_in_all_outputs(
    make: Callable[[Bundle, EngineSettings], Engine], features_bundle: Path, chunk: int
) -> None:
    engine = make(open_bundle(features_bundle), EngineSettings(chunk=chunk))
    block = np.zeros((5, 2, 5), np.float32)
    block[3] = 1000.0
    evaluated = engine.run(block)
    assert evaluated.refused.tolist() == [False, False, False, True, False]
    assert np.isnan(evaluated.outputs["mean"][3]).all()
    assert np.isnan(evaluated.outputs["growth"][3]).all()
    assert evaluated.outputs["growth"][[0, 1, 2, 4]].tolist() == [[1.0]] * 4
    assert evaluated.outputs["mean"][[0, 1, 2, 4]].tolist() == [[0.0, 0.0]] * 4


def test_does_not_write_into_the_block(engine: Engine) -> None:
    block = windows(40)
    block[5] = np.nan
    before = block.copy()
    engine.run(block)
    assert np.array_equal(block, before, equal_nan=True)


def test_answers_are_the_callers_own(engine: Engine) -> None:
    first = engine.run(windows(8, seed=1)).outputs["forecast"]
    kept = first.copy()
    engine.run(windows(8, seed=2))
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("shape", [(5, 3, 7), (5, 8, 3), (7, 3), (5, 21), (2, 5, 7, 3)])
def test_another_shape_is_refused_by_name(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as caught:
        engine.run(np.zeros(shape, np.float32))
    assert str(shape) in caught.value.message
    assert "(n, 7, 3)" in caught.value.message


def test_takes_what_is_not_contiguous(engine: Engine) -> None:
    block = windows(40)
    turned = np.asfortranarray(block)
    assert np.array_equal(engine.run(turned).outputs["forecast"], engine.run(block).outputs["forecast"])


def test_a_closed_engine_says_so(make: Callable[[Bundle, EngineSettings], Engine], bundle: Bundle) -> None:
    engine = make(bundle, EngineSettings(chunk=32))
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run(windows(1))
