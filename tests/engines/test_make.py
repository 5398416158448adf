"""Opening an engine: the device, and the proof."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from foretell.bundle.bundle import Bundle, open_bundle
from foretell.bundle.golden import Golden
from foretell.bundle.manifest import Meaning
from foretell.bundle.write import write_bundle
from foretell.config import EngineSettings
from foretell.engines.cost import CANDIDATES
from foretell.engines.cuda import device_memory
from foretell.engines.make import open_engine
from foretell.engines.onnxruntime_engine import cuda_options, has_cuda
from foretell.errors import EngineError, GoldenMismatch

NO_GPU = "No GPU devices found, using CPU"


def test_a_gpu_that_is_not_there_is_one_plain_warning(
    bundle: Bundle, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foretell.engines.make.device_memory", lambda: None)
    engine = open_engine(bundle, EngineSettings(), gpu=True)
    assert engine.device == "cpu"
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [(logging.WARNING, NO_GPU)]


@pytest.mark.parametrize(("device", "gpu"), [("auto", False), ("cpu", True), ("cpu", False)])
def test_no_warning_where_no_gpu_was_asked_for(
    bundle: Bundle, caplog: pytest.LogCaptureFixture, device: str, gpu: bool
) -> None:
    settings = EngineSettings.model_validate({"device": device})
    assert open_engine(bundle, settings, gpu=gpu).device == "cpu"
    assert not caplog.records


@pytest.mark.skipif(has_cuda(), reason="this ONNX Runtime has CUDA")
def test_a_runtime_without_cuda_is_no_gpu(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    assert open_engine(bundle, EngineSettings(device="cuda")).device == "cpu"
    assert NO_GPU in caplog.text


def test_other_answers_than_the_sources_are_an_error(bundle: Bundle, tmp_path: Path) -> None:
    golden = bundle.golden()
    answers = golden.answers["forecast"].copy()
    answers[4, 2] += 0.01 * np.ptp(answers)
    meaning = Meaning(**{f: getattr(bundle.manifest, f) for f in Meaning.__struct_fields__})
    other = write_bundle(
        tmp_path / "other",
        meaning,
        bundle.model_bytes(),
        Golden(golden.windows, {"forecast": answers}),
        name="weather",
        provenance=bundle.manifest.provenance,
    )
    with pytest.raises(GoldenMismatch) as caught:
        open_engine(other, EngineSettings())
    assert "`forecast` differs" in caught.value.message
    assert "by 0.01 of its range" in caught.value.message
    assert "allows 1e-05" in caught.value.message


def test_the_chunk_is_measured_unless_it_is_set(bundle: Bundle) -> None:
    assert open_engine(bundle, EngineSettings()).chunk in CANDIDATES
    assert open_engine(bundle, EngineSettings(chunk=7)).chunk == 7


def test_cuda_keeps_to_the_settings() -> None:
    settings = EngineSettings(tf32=False, cudnn_search="exhaustive")
    assert cuda_options(settings, 2**30) == {
        "device_id": "0",
        "gpu_mem_limit": "1073741824",
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "use_tf32": "0",
    }


def test_a_network_that_the_runtime_does_not_take_is_an_engine_error(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bundle, "model_bytes", lambda _: b"nonsense")
    with pytest.raises(EngineError, match="does not take the network"):
        open_engine(bundle, EngineSettings())


@pytest.mark.gpu
def test_a_gpu_takes_the_network(tmp_path: Path, make_bundle: Callable[..., Path]) -> None:
    if not has_cuda() or device_memory() is None:
        pytest.skip("no CUDA device, or an ONNX Runtime without CUDA")
    bundle = open_bundle(make_bundle(tmp_path))
    assert open_engine(bundle, EngineSettings(), gpu=True, gpu_fraction=0.1).device == "cuda:0"
