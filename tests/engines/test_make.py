"""Opening an engine: the device, and the proof."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.serve.on_ray.spinning import write_spinning_bundle

from foretell.bundle.bundle import Bundle, open_bundle
from foretell.bundle.golden import Golden
from foretell.bundle.manifest import Meaning
from foretell.bundle.write import write_bundle
from foretell.config import EngineSettings
from foretell.engines.cost import CANDIDATES
from foretell.engines.cuda import device_memory
from foretell.engines.engine import Evaluated
from foretell.engines.make import open_engine
from foretell.engines.onnxruntime_engine import OnnxRuntimeEngine, cuda_options, has_cuda
from foretell.errors import DigestMismatch, EngineError, GoldenMismatch

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


class FakeCuda:
    """Stands in for a session on a GPU: the golden answers, off by half a range as long as TF32 is on."""

    name, device = "onnxruntime", "cuda:0"
    opened: ClassVar[list[dict[str, str]]] = []

    def __init__(self, bundle: Bundle, settings: EngineSettings, cuda: dict[str, str] | None = None) -> None:
        self.golden, self.cuda = bundle.golden(), cuda or {}
        self.opened.append(self.cuda)

    def run(self, windows: NDArray[np.float32]) -> Evaluated:
        off = 0.5 * float(self.cuda["use_tf32"]) * np.ptp(self.golden.answers["forecast"])
        return Evaluated(
            {"forecast": self.golden.answers["forecast"] + off}, np.zeros(len(windows), np.bool_)
        )

    def close(self) -> None:
        pass


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> type[FakeCuda]:
    monkeypatch.setattr("foretell.engines.make.has_cuda", lambda: True)
    monkeypatch.setattr("foretell.engines.make.device_memory", lambda: 8 * 2**30)
    monkeypatch.setattr("foretell.engines.make.OnnxRuntimeEngine", FakeCuda)
    monkeypatch.setattr(FakeCuda, "opened", [])
    return FakeCuda


def test_tf32_is_given_up_where_the_golden_sample_does_not_allow_it(
    bundle: Bundle, fake_cuda: type[FakeCuda]
) -> None:
    assert open_engine(bundle, EngineSettings(), gpu=True).device == "cuda:0"
    assert [cuda["use_tf32"] for cuda in fake_cuda.opened] == ["1", "0"]


def test_gpu_memory_is_the_share_unless_it_is_set(bundle: Bundle, fake_cuda: type[FakeCuda]) -> None:
    settings = EngineSettings(tf32=False)
    open_engine(bundle, settings, gpu=True, gpu_fraction=0.25)
    open_engine(bundle, settings.model_copy(update={"gpu_memory_bytes": 12345}), gpu=True)
    assert [cuda["gpu_mem_limit"] for cuda in fake_cuda.opened] == [str(2 * 2**30), "12345"]


def test_cuda_that_cannot_be_used_says_why_and_the_cpu_goes_on(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def opened(bundle: Bundle, settings: EngineSettings, cuda: dict[str, str] | None = None) -> object:
        if cuda is not None:
            raise EngineError("cuDNN is missing")
        return OnnxRuntimeEngine(bundle, settings)

    monkeypatch.setattr("foretell.engines.make.has_cuda", lambda: True)
    monkeypatch.setattr("foretell.engines.make.device_memory", lambda: 2**30)
    monkeypatch.setattr("foretell.engines.make.OnnxRuntimeEngine", opened)
    assert open_engine(bundle, EngineSettings(), gpu=True).device == "cpu"
    assert [record.getMessage() for record in caplog.records] == ["cuDNN is missing", NO_GPU]


def test_a_file_that_changed_is_no_fault_of_the_engine(bundle: Bundle) -> None:
    (bundle.path / "model.onnx").write_bytes(b"another")
    with pytest.raises(DigestMismatch):
        open_engine(bundle, EngineSettings())


@pytest.mark.gpu
def test_a_gpu_takes_the_network(tmp_path: Path, make_bundle: Callable[..., Path]) -> None:
    if not has_cuda() or device_memory() is None:
        pytest.skip("no CUDA device, or an ONNX Runtime without CUDA")
    bundle = open_bundle(make_bundle(tmp_path))
    assert open_engine(bundle, EngineSettings(), gpu=True, gpu_fraction=0.1).device == "cuda:0"


def test_a_network_with_a_loop_may_never_end(tmp_path: Path, bundle: Bundle) -> None:
    assert open_engine(bundle, EngineSettings()).bounded
    assert not open_engine(open_bundle(write_spinning_bundle(tmp_path)), EngineSettings()).bounded
