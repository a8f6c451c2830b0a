"""Which GPUs a CUDA program that is started from this shell would see, and how it numbers them.

The rules are those of docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/environment-variables.html and, for
split GPUs, of "CUDA Device Enumeration" in docs.nvidia.com/datacenter/tesla/mig-user-guide/mig-device-names.html (both
read 2026-11-25): since driver 570 a program sees one compute instance of each GPU instance, and whole GPUs beside them;
before, it saw one part only, the first, and no whole GPU beside it.

Not documented, so ASSUMED: what counts as the fastest GPU (here: cores times clock, then the PCI bus); that an entry
which stands twice hides all (so XuehaiPan/nvitop has it); that the number of a split GPU stands for its parts; and that
the start of a part's UUID is as good as that of a GPU's. Parsed here, for CUDA itself would wake and occupy each GPU.
"""

from collections.abc import Sequence
from typing import NamedTuple

from probes.sysfs import whole_number
from records.record import record

VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
DEVICE_ORDER = "CUDA_DEVICE_ORDER"
_ONE_PART = "MIG (before driver 570, a program sees one part only)"
_ONE_COMPUTE_INSTANCE = "MIG (a program sees one compute instance of each GPU instance)"
_SEES_SEVERAL_PARTS = 570
"""The first driver under which a program sees more than one part."""
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_MOST_PARTS = 64
"""Of all GPUs together."""
_MOST_ENTRIES = 1024
"""More than any machine has; what stands behind is not looked at (ASSUMED)."""


@record(frozen=True, slots=True, kw_only=True)
class CudaDevice:
    """What CUDA can compute on: a whole GPU, or one part of a split one."""

    key: str
    """Its UUID: ``GPU-...`` or ``MIG-...``."""
    bus_address: str
    """Of the GPU: ``0000:01:00.0``."""
    parent_key: str | None = None
    """Of a part: the UUID of the GPU."""
    instances: tuple[int, int] | None = None
    """Of a part: the numbers of its GPU instance and its compute instance."""
    model: str = ""
    """GPUs of one model are equally fast."""
    speed: float = 0.0
    """To compare GPUs of unlike models; 0 where it is not known."""


@record(frozen=True, slots=True, kw_only=True)
class Visibility:
    """What a program sees that is started from here."""

    order: tuple[str, ...]
    """The keys of what a program sees: the first is its device 0."""
    hidden_by: dict[str, str]
    """Key -> what hides it, of all others."""
    is_guessed: bool
    """It matters which GPU CUDA takes for the fastest: that differs from the order of the bus, or numbers are given."""


class _Gpu(NamedTuple):
    """One GPU with what CUDA can compute on of it: itself, or its parts in the driver's order."""

    uuid: str
    devices: tuple[CudaDevice, ...]


def visibility(
    devices: Sequence[CudaDevice], variable: str | None, order: str | None, *, driver_major: int | None = None
) -> Visibility:
    """What a program sees of ``devices``, which stand in the driver's order.

    Args:
        devices: whole GPUs and parts; those that are lost are left out, for CUDA cannot open them.
        variable: CUDA_VISIBLE_DEVICES; None where it is not set, which is not the same as empty.
        order: CUDA_DEVICE_ORDER.
        driver_major: 580 of 580.159.04; None is taken for a new one.
    """
    gpus = _gpus(devices, by_bus=order == "PCI_BUS_ID")
    named = [device for gpu in gpus for device in gpu.devices] if variable is None else _named(gpus, variable)
    if driver_major is None or driver_major >= _SEES_SEVERAL_PARTS:
        seen, reason = _one_of_each_instance(named), _ONE_COMPUTE_INSTANCE
    else:
        seen, reason = _one_part(named), _ONE_PART
    order_of = tuple(device.key for device in seen)
    allowed = {device.key for device in named}
    hidden_by = {
        device.key: reason if device.key in allowed else VISIBLE_DEVICES
        for device in devices
        if device.key not in order_of
    }
    is_unlike = order != "PCI_BUS_ID" and len({device.model for device in devices if device.model}) > 1
    is_guessed = is_unlike and (
        gpus != _gpus(devices, by_bus=True) or _is_number((variable or "").split(",")[0].strip())
    )
    return Visibility(order=order_of, hidden_by=hidden_by, is_guessed=is_guessed)


def _one_part(named: list[CudaDevice]) -> list[CudaDevice]:
    part = next((device for device in named if device.parent_key is not None), None)
    return named if part is None else [part]


def _one_of_each_instance(named: list[CudaDevice]) -> list[CudaDevice]:
    """The first of each GPU instance, and no more than 64 parts; whole GPUs stay."""
    seen: list[CudaDevice] = []
    instances: set[tuple[str, int]] = set()
    for device in named:
        if device.parent_key is not None and device.instances is not None:
            instance = (device.parent_key, device.instances[0])
            if instance in instances or len(instances) == _MOST_PARTS:
                continue
            instances.add(instance)
        seen.append(device)
    return seen


def _gpus(devices: Sequence[CudaDevice], *, by_bus: bool) -> list[_Gpu]:
    grouped: dict[str, list[CudaDevice]] = {}
    for device in devices:
        grouped.setdefault(device.parent_key or device.key, []).append(device)
    gpus = [_Gpu(uuid, tuple(parts)) for uuid, parts in grouped.items()]
    gpus.sort(key=lambda gpu: _bus_number(gpu.devices[0].bus_address))
    if not by_bus and all(gpu.devices[0].speed for gpu in gpus):  # else some have not been read yet
        gpus.sort(key=lambda gpu: -gpu.devices[0].speed)  # equally fast ones stay in the order of the bus
    return gpus


def _bus_number(address: str) -> tuple[int, ...]:
    """``000f:01:00.0`` -> (15, 1, 0, 0), so that addresses sort as the bus does."""
    # Without patterns, and below: to compile them takes 0.2 ms of the first picture.
    parts = address.replace(".", ":").split(":")
    is_address = all(len(part) <= 8 and part and _HEX_DIGITS.issuperset(part) for part in parts)
    return tuple(int(part, 16) for part in parts) if is_address else ()


def _named(gpus: list[_Gpu], variable: str) -> list[CudaDevice]:
    """What the list names, up to the first entry that names nothing; nothing at all where one stands twice."""
    entries = [entry.strip() for entry in variable.split(",", _MOST_ENTRIES)[:_MOST_ENTRIES]]
    named: list[CudaDevice] = []
    for entry in entries:
        if _is_number(entry) != _is_number(entries[0]):
            break
        found = _devices_of(gpus, entry)
        if found is None:
            break
        if any(device in named for device in found):
            return []
        named += found
    return named


def _is_number(entry: str) -> bool:
    return whole_number(entry, 9) is not None


def _devices_of(gpus: list[_Gpu], entry: str) -> Sequence[CudaDevice] | None:
    """What one entry stands for; None where it is not valid."""
    if _is_number(entry):
        return gpus[int(entry)].devices if int(entry) < len(gpus) else None
    if entry.startswith("GPU-"):
        starting = [gpu for gpu in gpus if gpu.uuid.startswith(entry)]
        return starting[0].devices if len(starting) == 1 else None
    if entry.startswith("MIG-"):
        parts = [device for gpu in gpus for device in gpu.devices if _is_part(device, entry)]
        return parts if len(parts) == 1 else None
    return None


def _is_part(device: CudaDevice, entry: str) -> bool:
    """By its UUID, or as drivers before 470 wrote it: ``MIG-GPU-<uuid>/<GPU instance>/<compute instance>``."""
    if device.parent_key is None:
        return False
    if device.instances is not None and entry == f"MIG-{device.parent_key}/{device.instances[0]}/{device.instances[1]}":
        return True
    return device.key.startswith(entry)
