"""ONNX Runtime as an engine, on the CPU or on a CUDA device."""

import time
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from foretell.bundle.bundle import Bundle
from foretell.config import EngineSettings
from foretell.engines import cost
from foretell.engines.engine import Evaluated, wanted_shape
from foretell.errors import EngineError

_ERRORS_ONLY = 3
_LOOP = b"\x22\x04Loop"  # a node's op_type on the wire, in any graph of the network


class OnnxRuntimeEngine:
    """One session on one device; see `Engine` for what its methods promise."""

    name = "onnxruntime"

    def __init__(self, bundle: Bundle, settings: EngineSettings, cuda: dict[str, str] | None = None) -> None:
        """`cuda`: options of the CUDA provider; `None` for the CPU.

        Raises:
            EngineError: the runtime does not take the network, or does not find the device.
        """
        manifest = bundle.manifest
        self.input_shape = manifest.input_shape
        self.output_shapes = {output.name: output.shape for output in manifest.outputs}
        self.device = "cpu" if cuda is None else f"cuda:{cuda['device_id']}"
        network = bundle.model_bytes()
        # A device or its driver may hang on any network.
        self.bounded = cuda is None and _LOOP not in network
        self._session = _open_session(bundle, network, settings, cuda)
        self._input = self._session.get_inputs()[0].name
        self._names = list(self.output_shapes)
        alone = cuda is None and settings.threads == 1  # this thread does all the work
        clock = time.thread_time if alone else time.perf_counter
        self.chunk = settings.chunk or cost.fastest(cost.measure(self._run_zeros, clock=clock))

    def run(self, windows: NDArray[np.float32]) -> Evaluated:
        windows = wanted_shape(windows, self.input_shape)
        n = len(windows)
        if 0 < n <= self.chunk:
            return self._run_chunk(windows)
        outputs = {name: np.empty((n, *shape), np.float32) for name, shape in self.output_shapes.items()}
        refused = np.zeros(n, np.bool_)
        for start in range(0, n, self.chunk):
            rows = slice(start, start + self.chunk)
            part = self._run_chunk(windows[rows])
            refused[rows] = part.refused
            for name, answers in part.outputs.items():
                outputs[name][rows] = answers
        return Evaluated(outputs, refused)

    def close(self) -> None:
        self._session = None

    def _run_chunk(self, windows: NDArray[np.float32]) -> Evaluated:
        """A window that is not finite is evaluated as zeros, so that it cannot touch its neighbours."""
        refused = np.zeros(len(windows), np.bool_)
        clean = _all_finite(windows)
        if not clean:
            refused |= _not_finite(windows)
            windows = np.where(refused[:, None, None], np.float32(0), windows)
        answers = self._evaluate(windows)
        for output in answers:
            if not _all_finite(output):
                clean = False
                refused |= _not_finite(output)
        if not clean:
            for output in answers:
                output[refused] = np.nan
        return Evaluated(dict(zip(self._names, answers, strict=True)), refused)

    def _evaluate(self, windows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        if self._session is None:
            raise EngineError("the engine was closed")
        try:
            answers: list[NDArray[np.float32]] = self._session.run(self._names, {self._input: windows})
        except Exception as error:  # the runtime's own classes share no root but this one
            raise EngineError(f"ONNX Runtime failed on {len(windows)} windows: {error}") from error
        for given, (name, shape) in zip(answers, self.output_shapes.items(), strict=True):
            if given.shape != (len(windows), *shape):
                raise EngineError(
                    f"output `{name}` came as {given.shape}, and the bundle says {(len(windows), *shape)}"
                )
        return answers

    def _run_zeros(self, rows: int) -> object:
        return self._evaluate(np.zeros((rows, *self.input_shape), np.float32))


def _all_finite(block: NDArray[np.float32]) -> bool:
    # Not `.all()`: counting takes a third of its time, which shows in a batch of one.
    return int(np.count_nonzero(np.isfinite(block))) == block.size


def _not_finite(block: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n, …) → (n,) bool."""
    return np.logical_not(np.isfinite(block).all(axis=tuple(range(1, block.ndim))))


def cuda_options(settings: EngineSettings, memory_bytes: int) -> dict[str, str]:
    """The CUDA provider's options: no more than its share of the device, and what the settings allow."""
    return {
        "device_id": "0",
        "gpu_mem_limit": str(memory_bytes),
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": settings.cudnn_search.upper(),
        "use_tf32": str(int(settings.tf32)),
    }


def has_cuda() -> bool:
    """Whether this ONNX Runtime was built with CUDA."""
    return "CUDAExecutionProvider" in ort.get_available_providers()


def _open_session(
    bundle: Bundle, network: bytes, settings: EngineSettings, cuda: dict[str, str] | None
) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # A worker's thread that spins takes the core from its neighbours.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = ["CPUExecutionProvider"]
    if cuda is not None:
        if hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        providers.insert(0, ("CUDAExecutionProvider", cuda))
    try:
        session = ort.InferenceSession(network, options, providers)
    except Exception as error:  # the runtime's own classes share no root but this one
        raise EngineError(f"{bundle.path}: ONNX Runtime does not take the network: {error}") from error
    if cuda is not None and "CUDAExecutionProvider" not in session.get_providers():
        raise EngineError("ONNX Runtime has CUDA but cannot use it here", cure="check CUDA 12 and cuDNN 9")
    return session
