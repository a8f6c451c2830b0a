"""Devices as a running program sees them: by the variables it was started with, not by those of this shell."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from probes.snapshot import Device, Snapshot

VARIABLES = {
    "nvidia": ("CUDA_VISIBLE_DEVICES",),
    "amd": ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"),
    "intel": ("ZE_AFFINITY_MASK",),
}
"""By vendor, what hides its devices, the one that counts first: CUDA C++ Programming Guide, "CUDA Environment
Variables"; ROCm's documentation, "GPU isolation techniques"; Level Zero's specification, "Environment Variables"."""

OWN = ("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "HOME", "WINDIR", "ProgramFiles", "COMPUTERNAME")
"""By which this program itself finds drivers' libraries and tools."""


def for_probes(environment: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """What hardware is read with as a program in this environment would see it (``env -i``, one in a container)."""
    return {**environment, **{name: own[name] for name in OWN if name in own}}


def as_seen_with(environment: Mapping[str, str], snapshot: Snapshot) -> Snapshot:
    """The snapshot with what a program in this environment sees and counts.

    Numbers are taken in the order of the bus: which of unlike cards CUDA would call the fastest is not known here.
    """
    devices = tuple(seen for vendor_devices in _by_vendor(snapshot) for seen in _seen(vendor_devices, environment))
    order = {device.key: position for position, device in enumerate(snapshot.devices)}
    return replace(snapshot, devices=tuple(sorted(devices, key=lambda device: order[device.key])))


def _by_vendor(snapshot: Snapshot) -> list[list[Device]]:
    vendors = dict.fromkeys(device.vendor for device in snapshot.devices)
    return [[device for device in snapshot.devices if device.vendor == vendor] for vendor in vendors]


def _seen(devices: Sequence[Device], environment: Mapping[str, str]) -> list[Device]:
    name = next((name for name in VARIABLES.get(devices[0].vendor, ()) if name in environment), None)
    if name is None:  # all that this machine has; what hides some from this shell says nothing of others
        return [replace(device, hidden_by=None, program_index=number) for number, device in enumerate(devices)]
    wanted: list[Device] = []
    for word in environment[name].split(","):
        found = _named(word.strip(), devices)
        if found is None or found in wanted:  # the first that is none hides the rest
            break
        wanted.append(found)
    numbers = {device.key: number for number, device in enumerate(wanted)}
    return [
        replace(device, hidden_by=None if device.key in numbers else name, program_index=numbers.get(device.key))
        for device in devices
    ]


def _named(word: str, devices: Sequence[Device]) -> Device | None:
    if word.isascii() and word.isdigit() and len(word) < 5:
        number = int(word)
        return devices[number] if number < len(devices) else None
    if len(word) < 4:
        return None
    found = [device for device in devices if device.key.casefold().startswith(word.casefold())]
    return found[0] if len(found) == 1 else None
