"""A device and its driver by name, by which what was learned of them is told from what others would take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tui.kept_load import NAME_LENGTH

if TYPE_CHECKING:
    from probes.snapshot import Device, Snapshot

_DRIVERS = {"nvidia": ("NVIDIA driver", "NVIDIA"), "amd": ("amdgpu", "AMD driver"), "apple": ("macOS",)}
"""Vendor -> names of versions in a snapshot, of which the first that is there is meant."""


def driver_version(device: Device, snapshot: Snapshot) -> str:
    """Of the device's driver, as the snapshot has it; empty where it is not told."""
    for name in _DRIVERS.get(device.vendor, ()):
        for version in snapshot.versions:
            if version.name == name:
                return version.value[:NAME_LENGTH]
    return _kernel_family(snapshot) if device.vendor == "amd" else ""


def _kernel_family(snapshot: Snapshot) -> str:
    """``Linux 6.8``: an amdgpu that came with a kernel has no version of its own, and its patches come often."""
    machine = snapshot.machine
    if machine is None or machine.system != "linux" or not machine.kernel:
        return ""
    found = re.match(r"(\d{1,4}\.\d{1,4})(?!\d)", machine.kernel)
    return f"Linux {found[1]}" if found is not None else ""


def product_name(device: Device) -> str:
    """As its driver names it."""
    return (device.name or "")[:NAME_LENGTH]
