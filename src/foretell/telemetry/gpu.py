"""How busy the GPUs of this process are, and how full: from NVIDIA's own management library."""

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GpuUse:
    """Attributes:
    name: `NODE,GPU`: the machine's name and the GPU's number there, or its id where it is told by that.
    busy: share of the last moment; unset where the driver does not tell, as of a part of a GPU.
    used, total: bytes.
    """

    name: str
    busy: float | None
    used: int
    total: int


class Gpus:
    """Those that this process may use."""

    def __init__(self, nvml: Any, environment: Mapping[str, str] = os.environ) -> None:
        """`nvml`: the module `pynvml`, ready for use."""
        self._nvml = nvml
        self._handles = {}
        for name in _visible(nvml, environment):
            self._handles[f"{socket.gethostname()},{name}"] = _handle(nvml, name)

    @classmethod
    def find(cls) -> "Gpus | None":
        """None where there is no GPU of NVIDIA's, or no driver."""
        try:
            from ray._private.thirdparty import pynvml  # it comes with Ray

            pynvml.nvmlInit()
            return cls(pynvml)
        except Exception as error:  # the library's own, or that of a driver that is not there
            log.info("nothing is told of GPUs: %s", error)
            return None

    def read(self) -> list[GpuUse]:
        """As they are now; one that cannot be asked is left out."""
        told = []
        for name, handle in self._handles.items():
            try:
                memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
            except self._nvml.NVMLError as error:
                log.debug("GPU %s: %s", name, error)
                continue
            told.append(GpuUse(name, self._busy(handle), int(memory.used), int(memory.total)))
        return told

    def _busy(self, handle: Any) -> float | None:
        try:
            return float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
        except self._nvml.NVMLError:
            return None


def _visible(nvml: Any, environment: Mapping[str, str]) -> list[str]:
    told = environment.get("CUDA_VISIBLE_DEVICES")
    if told is None:
        return [str(i) for i in range(nvml.nvmlDeviceGetCount())]
    return [name.strip() for name in told.split(",") if name.strip()]


def _handle(nvml: Any, name: str) -> Any:
    if name.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name.encode())
