"""What a chip is: its multiprocessors, its clocks, the bandwidth of its memory, its heat."""

from collections.abc import Callable
from typing import Any

from probes import nvml_codes as codes
from probes.nvml_binding import Nvml, RefusedError

_MOST_BANDWIDTH = 100_000
"""10^9 bytes a second: a B200 has 8 000 (ASSUMED)."""
_MOST_MULTIPROCESSORS = 10_000
_TEMPERATURE_GPU = 0
_CLOCK_GRAPHICS, _CLOCK_MEMORY = 0, 2
"""NVML_CLOCK_GRAPHICS and NVML_CLOCK_MEM of nvmlClockType_t."""
_TRANSFERS_PER_CLOCK = 2
"""NVML's clock of the memory is half of its transfers: 10 501 MHz x 2 x 384 bits are the RTX 4090's 1 008 GB/s, 2 619
MHz x 2 x 5 120 bits the H100's 3 352, and 14 001 MHz x 2 x 512 bits the RTX 5090's 1 792."""

_CORES_PER_MULTIPROCESSOR = {60: 64, 70: 64, 72: 64, 75: 64, 80: 64} | dict.fromkeys(
    (50, 52, 53, 61, 62, 86, 87, 89, 90, 100, 101, 103, 110, 120, 121), 128
)
"""By compute capability x 10: _ConvertSMVer2Cores in Common/helper_cuda.h of github.com/NVIDIA/cuda-samples; 110 is
Thor, which CUDA 12 called 101. An H100 SXM has 16896 cores in 132 of them, a GB10 6144 in 48."""


def ask_temperature(nvml: Nvml, handle: Any) -> int:
    try:
        celsius: int = nvml.call("nvmlDeviceGetTemperatureV", handle, _TEMPERATURE_GPU)
    except RefusedError as refused:
        if refused.code not in codes.MISSING:
            raise
        celsius = nvml.call("nvmlDeviceGetTemperature", handle, _TEMPERATURE_GPU)
    return celsius


def ask_capability(nvml: Nvml, handle: Any) -> str:
    """``8.9``."""
    major, minor = nvml.call("nvmlDeviceGetCudaComputeCapability", handle)
    return f"{major}.{minor}"


def ask_bandwidth(nvml: Nvml, handle: Any) -> float | None:
    """10^9 bytes per second, at the highest clock."""
    clock_mhz: int = nvml.call("nvmlDeviceGetMaxClockInfo", handle, _CLOCK_MEMORY)
    width_bits: int = nvml.call("nvmlDeviceGetMemoryBusWidth", handle)
    bandwidth = clock_mhz * _TRANSFERS_PER_CLOCK * width_bits / 8 / 1000
    return bandwidth if 0 < bandwidth <= _MOST_BANDWIDTH else None


def ask_speed(nvml: Nvml, handle: Any, n_cores: Callable[[], int]) -> float:
    """Cores times clock, to compare it with others."""
    clock_mhz: int = nvml.call("nvmlDeviceGetMaxClockInfo", handle, _CLOCK_GRAPHICS)
    return float(n_cores() * clock_mhz)


def ask_part_multiprocessors(nvml: Nvml, handle: Any) -> int | None:
    """Those of a part of a GPU (MIG)."""
    return _plausible(nvml.call("nvmlDeviceGetAttributes", handle).multiprocessorCount)


def n_multiprocessors(capability: str, n_cores: Callable[[], int]) -> int | None:
    """From the cores, which are asked for only where it is known how many of them make one."""
    cores_each = _CORES_PER_MULTIPROCESSOR.get(int(capability.replace(".", "")))
    return None if cores_each is None else _plausible(n_cores() // cores_each)


def _plausible(count: int) -> int | None:
    return count if 0 < count <= _MOST_MULTIPROCESSORS else None
