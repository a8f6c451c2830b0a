"""By what a GPU is known: its address on the bus, its name, the numbers of its parts, its driver's model."""

from typing import Any

from probes.nvml_binding import Nvml, decoded

_HEX_DIGITS = frozenset("0123456789abcdef")
_DRIVER_MODELS = {0: "WDDM", 1: "TCC", 2: "MCDM"}
"""nvmlDriverModel_t: Windows has three."""


class Keys:
    """Who has which key, for no two may have one: a driver that fails may answer the same for all."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def claimed(self, key: str | None, owner: str) -> str:
        """``key``, or where another has it, the name of the owner itself. What it had before is given up."""
        self._owners = {known: other for known, other in self._owners.items() if other != owner}
        if not key or key in self._owners:
            key = owner
        self._owners[key] = owner
        return key

    def give_up(self, prefix: str) -> None:
        """All that those own whose name begins so."""
        self._owners = {key: owner for key, owner in self._owners.items() if not owner.startswith(prefix)}


def ask_bus_address(nvml: Nvml, handle: Any) -> str | None:
    return bus_address(decoded(nvml.call("nvmlDeviceGetPciInfo", handle).busId))


def bus_address(text: str) -> str | None:
    """As Linux writes it, ``0000:01:00.0``, of NVML's ``00000000:01:00.0``; None where it is none."""
    domain, _, rest = text.strip("\0 ").lower().partition(":")
    try:
        number = int(domain, 16)
    except ValueError:
        return None
    # Without a pattern: to compile it takes 0.3 ms of the first picture.
    digits = rest[:2] + rest[3:5] + rest[6:]
    is_address = len(digits) == 5 and rest[2:6:3] == ":." and _HEX_DIGITS.issuperset(digits)
    return f"{number:04x}:{rest}" if is_address and 0 <= number <= 0xFFFFFFFF else None


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
