"""GPUs as a stand-in of NVIDIA's library tells them: this machine may have none."""

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from foretell.telemetry.gpu import Gpus, GpuUse

NODE = socket.gethostname()


class NvmlError(Exception):
    pass


class FakeNvml:
    """Two GPUs, and a part of one that does not tell how busy it is."""

    NVMLError = NvmlError

    def __init__(self) -> None:
        self.lost: set[Any] = set()

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetHandleByUUID(self, name: bytes) -> bytes:
        return name

    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any:
        if isinstance(handle, bytes):
            raise NvmlError("not supported")
        return SimpleNamespace(gpu=10 * handle + 50)

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        if handle in self.lost:
            raise NvmlError("fallen off the bus")
        return SimpleNamespace(used=1_000, total=80_000)


def test_all_where_none_is_named() -> None:
    told = Gpus(FakeNvml(), {}).read()
    assert told == [GpuUse(f"{NODE},0", 0.5, 1_000, 80_000), GpuUse(f"{NODE},1", 0.6, 1_000, 80_000)]


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("", []),
        ("1", [GpuUse(f"{NODE},1", 0.6, 1_000, 80_000)]),
        ("MIG-7", [GpuUse(f"{NODE},MIG-7", None, 1_000, 80_000)]),
    ],
)
def test_those_that_this_process_may_use(named: str, told: list[GpuUse]) -> None:
    assert Gpus(FakeNvml(), {"CUDA_VISIBLE_DEVICES": named}).read() == told


def test_one_that_is_lost_is_left_out() -> None:
    nvml = FakeNvml()
    gpus = Gpus(nvml, {})
    nvml.lost.add(0)
    assert [use.name for use in gpus.read()] == [f"{NODE},1"]


def test_without_a_driver_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private.thirdparty import pynvml

    def absent() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)
    assert Gpus.find() is None
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 0)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = Gpus.find()
    assert found is not None
    assert found.read() == []
