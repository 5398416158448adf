"""What NVIDIA's driver says of this machine's GPUs, asked without any framework."""

import ctypes
import ctypes.util


def device_memory(index: int = 0) -> int | None:
    """Bytes on the GPU `index` (of those that CUDA_VISIBLE_DEVICES shows), `None` where there is none."""
    library = ctypes.util.find_library("cuda") or "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return None
    device, total = ctypes.c_int(), ctypes.c_size_t()
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), index):
        return None
    if driver.cuDeviceTotalMem_v2(ctypes.byref(total), device):
        return None
    return total.value
