"""By what a GPU is known: its address on the bus, its name, the numbers of its parts, its driver's model."""

from typing import Any

from probes.nvml_binding import Nvml, decoded

_DRIVER_MODELS = {0: "WDDM", 1: "TCC", 2: "MCDM"}
"""nvmlDriverModel_t: Windows has three."""


def ask_bus_address(nvml: Nvml, handle: Any) -> str | None:
    return bus_address(decoded(nvml.call("nvmlDeviceGetPciInfo", handle).busId))


def bus_address(text: str) -> str | None:
    """As Linux writes it, ``0000:01:00.0``, of NVML's ``00000000:01:00.0``; None where it is none."""
    domain, _, rest = text.strip("\0 ").lower().partition(":")
    try:
        number = int(domain, 16)
    except ValueError:
        return None
    return f"{number:04x}:{rest}" if 0 <= number <= 0xFFFFFFFF and rest else None


def ask_instances(nvml: Nvml, handle: Any) -> tuple[int, int]:
    """The numbers of a part's GPU instance and compute instance."""
    return nvml.call("nvmlDeviceGetGpuInstanceId", handle), nvml.call("nvmlDeviceGetComputeInstanceId", handle)


def ask_model(nvml: Nvml, handle: Any) -> str | None:
    """``WDDM`` or ``TCC``; refused with NOT_SUPPORTED where the system is not Windows."""
    current = nvml.call("nvmlDeviceGetDriverModel", handle)[0]
    return _DRIVER_MODELS.get(current)


def part_name(chip_name: str | None, total_bytes: int | None) -> str:
    """Where the driver does not name a part as one: ``NVIDIA H100 MIG 10 GB``."""
    size = "" if total_bytes is None else f" {round(total_bytes / 1e9)} GB"
    return f"{chip_name or 'NVIDIA GPU'} MIG{size}"
