"""The display controllers on the PCI bus and their sleep, from files that wake nothing (Linux).

https://docs.kernel.org/power/runtime_pm.html: ``runtime_status`` is the kernel's own note and asks no device.
"""

import os

from probes.access import Access
from probes.sysfs import read_number, read_text
from records.record import record

NVIDIA = 0x10DE
"""The vendor's number: pcisig.com, pci-ids.ucw.cz."""
_MOST_DEVICES = 4096


@record(frozen=True, slots=True, kw_only=True)
class DisplayController:
    """One that the PCI bus has, whether or not a driver has it."""

    address: str
    """``0000:01:00.0``."""
    device_id: str
    """``28a0``."""
    driver: str | None
    """The kernel's: ``nvidia``, ``nouveau``, ``vfio-pci``."""
    is_suspended: bool
    """Missing, or ``unsupported``: it is awake (Umio-Yasuno/amdgpu_top #119)."""
    may_sleep: bool
    """Whether the system puts it to sleep at all when nobody uses it."""


def display_controllers(access: Access, vendor: int) -> tuple[DisplayController, ...]:
    """Those of one vendor, in the order of their addresses: VGA, 3D and other controllers of class 0x03."""
    folder = access.path("/sys/bus/pci/devices")
    try:
        names = sorted(os.listdir(folder))[:_MOST_DEVICES]
    except OSError:
        return ()
    wanted = f"{vendor:#06x}"
    return tuple(_controller(f"{folder}/{name}", name) for name in names if _is_display(f"{folder}/{name}", wanted))


def _is_display(device: str, vendor: str) -> bool:
    return read_text(f"{device}/vendor", 16) == vendor and (read_text(f"{device}/class", 16) or "").startswith("0x03")


def _controller(device: str, name: str) -> DisplayController:
    link = os.path.join(device, "driver")
    return DisplayController(
        address=name,
        device_id=(read_text(f"{device}/device", 16) or "").removeprefix("0x"),
        driver=os.path.basename(os.path.realpath(link)) if os.path.exists(link) or os.path.islink(link) else None,
        is_suspended=read_text(f"{device}/power/runtime_status", 32) == "suspended",
        may_sleep=read_text(f"{device}/power/control", 32) == "auto",
    )


def numa_node(access: Access, address: str) -> int | None:
    """The node of the host's memory that is nearest to a PCI device; None where there is but one, or it is not told."""
    node = read_number(access.path(f"/sys/bus/pci/devices/{address}/numa_node"))
    return node if node is not None and node >= 0 else None
