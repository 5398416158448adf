"""Open the engine for a bundle: pick the device, and prove that it gives the source's answers."""

import logging

from foretell.bundle.bundle import Bundle
from foretell.bundle.golden import worst_difference
from foretell.config import EngineSettings
from foretell.engines.cuda import device_memory
from foretell.engines.engine import Engine
from foretell.engines.onnxruntime_engine import OnnxRuntimeEngine, cuda_options, has_cuda
from foretell.errors import EngineError, GoldenMismatch

log = logging.getLogger(__name__)


def open_engine(
    bundle: Bundle, settings: EngineSettings, *, gpu: bool = False, gpu_fraction: float = 1.0
) -> Engine:
    """An engine that was checked by the bundle's golden sample on the device in use.

    `device: auto` uses CUDA when `gpu` asks for it; `cpu` and `cuda` decide by themselves. Where a GPU is
    asked for and none is found, the CPU is used with a warning. `gpu_fraction` bounds the memory taken there.

    Raises:
        GoldenMismatch: gives the worst difference and the tolerance.
        EngineError: the runtime does not take the network.
    """
    if settings.device == "cuda" or (settings.device == "auto" and gpu):
        engine = _open_on_cuda(bundle, settings, gpu_fraction)
        if engine is not None:
            return engine
        log.warning("No GPU devices found, using CPU")
    return _checked(OnnxRuntimeEngine(bundle, settings), bundle)


def _open_on_cuda(bundle: Bundle, settings: EngineSettings, gpu_fraction: float) -> Engine | None:
    """`None` where there is no device, or no way to use it."""
    total = device_memory() if has_cuda() else None
    if total is None:
        return None
    options = cuda_options(settings, settings.gpu_memory_bytes or int(total * gpu_fraction))
    try:
        engine = OnnxRuntimeEngine(bundle, settings, options)
    except EngineError as error:
        log.warning("%s", error)
        return None
    try:
        return _checked(engine, bundle)
    except GoldenMismatch:
        if not settings.tf32:
            raise
    # TensorFloat-32 keeps 10 bits of a number: for some networks more is needed to stay within the tolerance.
    log.info("TensorFloat-32 is off: with it the golden sample differs beyond the tolerance")
    return _checked(OnnxRuntimeEngine(bundle, settings, options | {"use_tf32": "0"}), bundle)


def _checked(engine: Engine, bundle: Bundle) -> Engine:
    golden = bundle.golden()
    worst = worst_difference(golden, engine.run(golden.windows).outputs)
    if worst.share > bundle.manifest.tolerance:
        engine.close()
        raise GoldenMismatch(
            f"{bundle.path}: on {engine.name} ({engine.device}) output `{worst.output}` differs from the "
            f"source's answers by {worst.share:.2g} of its range; "
            f"the bundle allows {bundle.manifest.tolerance:.2g}",
            cure="import the source again on this machine, or use another device (engine.device)",
        )
    return engine
