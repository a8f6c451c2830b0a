"""Whether there is anything to read for a vendor, told by a file or two, so that one who is not there costs nothing.

No import, no process, no driver is woken: what is asked here is asked at every start and now and then later.
"""

import os
from collections.abc import Callable

from probes.access import Access
from probes.loader import may_load
from probes.sysfs import read_bytes, read_text

_PCI_BYTES = 1024**2
"""Of the list of PCI functions: some 120 a line, and a large server has hundreds."""

_UEVENT_BYTES = 4096
"""Of a device's: sysfs gives no more than a page."""


def _host(access: Access) -> None:  # noqa: ARG001 - there is always a host
    return None


def _nvidia(access: Access) -> str | None:
    if access.system == "darwin":
        return "no NVIDIA driver exists for macOS since 10.13"
    if may_load(access, "libnvidia-ml.so.1") or _has_nvidia_hardware(access):
        return None
    return "no NVIDIA driver is here"


def _has_nvidia_hardware(access: Access) -> bool:
    """Which may lack its driver, and that is a fault to tell; a Jetson's is on no bus."""
    if "nvidia," in (read_text(access.path("/proc/device-tree/compatible")) or ""):
        return True
    if any(os.path.exists(access.path(path)) for path in ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg")):
        return True
    listed = read_bytes(access.path("/proc/bus/pci/devices"), _PCI_BYTES)
    if listed is not None:
        # each line: bus and function, then vendor and device, in hexadecimal
        return any(line[5:9] == b"10de" for line in listed.splitlines())
    folder = access.path("/sys/bus/pci/devices")
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(read_text(f"{folder}/{name}/vendor") == "0x10de" for name in names)


def _apple(access: Access) -> str | None:
    return None if access.system == "darwin" else "this is no Mac with Apple silicon"


def _windows(access: Access) -> str | None:
    return None if access.system == "win32" else "this is no Windows"


def _amd(access: Access) -> str | None:
    return _no_card(access, "1002", "AMD")


def _intel(access: Access) -> str | None:
    return _no_card(access, "8086", "Intel")


def _no_card(access: Access, vendor_id: str, name: str) -> str | None:
    if access.system != "linux":
        return f"{name} GPUs are read through Linux's graphics drivers, and this is no Linux"
    cards = _cards(access)
    if any(f"PCI_ID={vendor_id}:".encode() in card for card in cards):
        return None
    drivers = sorted({line[7:39].decode(errors="replace") for card in cards for line in card.split() if _names(line)})
    listed = ", ".join(drivers[:5]) if drivers else "none"
    return f"no graphics driver of this Linux has an {name} GPU (/sys/class/drm lists {listed})"


def _names(line: bytes) -> bool:
    return line.startswith(b"DRIVER=")


def _gaudi(access: Access) -> str | None:
    is_here = os.path.isdir(access.path("/sys/module/habanalabs")) and _has_device(access, "/dev/accel", "/dev/hl0")
    return None if is_here else "no driver of Intel Gaudi is loaded (habanalabs)"


def _ascend(access: Access) -> str | None:
    return None if _has_device(access, "/dev/davinci_manager") else "no Ascend NPU is here (/dev/davinci_manager)"


def _qualcomm(access: Access) -> str | None:
    is_here = os.path.isdir(access.path("/sys/module/qaic")) and _has_device(access, "/dev/accel", "/dev/qaic_aic100_0")
    return None if is_here else "no driver of Qualcomm Cloud AI is loaded (qaic)"


def _tpu(access: Access) -> str | None:
    return None if _has_device(access, "/dev/accel0", "/dev/vfio") else "no TPU is here (/dev/accel0, /dev/vfio)"


def _has_device(access: Access, *paths: str) -> bool:
    return access.system == "linux" and any(os.path.exists(access.path(path)) for path in paths)


def _cards(access: Access) -> list[bytes]:
    """What the kernel says of each, as ``probes.drm`` finds them, whose import takes 2 ms."""
    folder = access.path("/sys/class/drm")
    try:
        names = [name for name in os.listdir(folder) if name.startswith("card") and "-" not in name]
    except OSError:
        return []
    return [read_bytes(f"{folder}/{name}/device/uevent", _UEVENT_BYTES) or b"" for name in names]


MISSING: dict[str, Callable[[Access], str | None]] = {
    "host": _host,
    "nvidia": _nvidia,
    "amd": _amd,
    "intel": _intel,
    "apple": _apple,
    "windows": _windows,
    "gaudi": _gaudi,
    "ascend": _ascend,
    "qualcomm": _qualcomm,
    "tpu": _tpu,
}
"""Vendor -> why there is nothing to read for it, or None where there may be. In the order in which they are shown."""
