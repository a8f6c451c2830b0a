"""GPUs as the kernel's graphics drivers (DRM) show them in sysfs, found and told apart without waking any.

``/sys/class/drm/card0/device`` is the PCI device; its ``uevent`` names driver, ids and address
(drivers/pci/pci-driver.c, pci_uevent), ``power/runtime_status`` says whether the system has suspended it
(Documentation/ABI/testing/ sysfs-devices-power). Neither touches the hardware. The sensors in ``hwmon`` do, and wake it
(github.com/Umio-Yasuno/amdgpu_top/issues/90).
"""

import os
import re
from collections.abc import Iterator

from probes.sysfs import read_bytes, read_number, read_text
from records.record import record

AMD = 0x1002
INTEL = 0x8086
"""Vendors by the PCI-SIG's numbers, github.com/pciutils/pciids."""

_CARD = re.compile(r"card(\d{1,4})")
_RENDER = re.compile(r"renderD(\d{1,4})")
_HWMON = re.compile(r"hwmon\d{1,4}")
_CARDS = 256
"""The most that are looked at; the kernel's minors of one kind were 64 until 6.12 (drm_drv.c)."""
_PCI_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")
_ASLEEP = frozenset({"suspended", "suspending"})
_GENERATIONS = {
    "2.5": 1,
    "5.0": 2,
    "5": 2,
    "8.0": 3,
    "8": 3,
    "16.0": 4,
    "16": 4,
    "32.0": 5,
    "32": 5,
    "64.0": 6,
    "64": 6,
}
"""GT/s -> generation of PCI Express (drivers/pci/probe.c, pci_speed_string)."""


@record(frozen=True, slots=True, kw_only=True)
class Card:
    """One graphics device of a PCI bus, and where its files lie."""

    name: str
    """``card0``."""
    path: str
    """Of the card."""
    device_path: str
    """Of the PCI device."""
    vendor_id: int
    device_id: int
    revision: int
    driver: str
    """The kernel's: ``amdgpu``, ``i915``, ``xe``."""
    bus_address: str
    render_minor: int | None
    """Of ``/dev/dri/renderD128``; None where a driver gives no such node."""

    def is_asleep(self) -> bool:
        """Whether the system has suspended it. A status that is missing or unsupported means that it never does."""
        return read_text(f"{self.device_path}/power/runtime_status", 64) in _ASLEEP

    def is_left_alone(self, *, is_busy: bool) -> bool:
        """Whether it is awake for nobody, and falls asleep soon unless somebody asks its sensors again and again.

        amdgpu_top found that a card stays awake as long as hwmon and gpu_metrics are read (its issue 90, 2024-07-15).
        The system may suspend it (``power/control`` is ``auto``), and nobody holds it (``power/runtime_usage`` is 0);
        where a kernel does not count holders, a screen in use or work tells one.
        """
        if read_text(f"{self.device_path}/power/control", 64) != "auto":
            return False
        n_holders = self.number("power/runtime_usage")
        if n_holders is not None:
            return n_holders == 0
        return not is_busy and not self._has_screen()

    def _has_screen(self) -> bool:
        """Whether a connector of it is in use; the kernel's own state, no probing (drm_sysfs.c, enabled_show)."""
        outputs = [name for name in _names(self.path) if name.startswith(f"{self.name}-")]
        return any(read_text(f"{self.path}/{name}/enabled", 64) == "enabled" for name in outputs)

    def number(self, name: str) -> int | None:
        """The number in a file of the device, where it is none below zero."""
        return natural(f"{self.device_path}/{name}")

    def missing_node(self, root: str) -> str | None:
        """The node that a program would open, where it is not there: a container has only those handed to it.

        The kernel makes one for each card, so outside a container none is missing; and below a root without /dev, as in
        tests, nothing can be told.
        """
        node = f"/dev/dri/renderD{self.render_minor}"
        if self.render_minor is None or not os.path.isdir(f"{root}/dev") or os.path.exists(f"{root}{node}"):
            return None
        return f"the missing {node}"

    def hwmon_path(self) -> str | None:
        """Of its sensors; the number in it changes from boot to boot."""
        folder = f"{self.device_path}/hwmon"
        return next((f"{folder}/{name}" for name in _names(folder) if _HWMON.fullmatch(name)), None)

    def link(self, which: str) -> tuple[int | None, int | None]:
        """PCI Express generation and lanes, ``current`` or ``max``."""
        speed = read_text(f"{self.device_path}/{which}_link_speed", 64)
        lanes = self.number(f"{which}_link_width")
        return pcie_generation(speed or ""), lanes if lanes and lanes <= 32 else None


def cards(root: str, vendor_id: int | None = None) -> tuple[Card, ...]:
    """The graphics devices below that root, by their address; of one vendor only where that is asked."""
    found = [
        card
        for name in _names(f"{root}/sys/class/drm")
        if _CARD.fullmatch(name) and (card := _card(f"{root}/sys/class/drm/{name}", name)) is not None
    ]
    # A card may be listed twice only where sysfs is no sysfs; the first one counts.
    by_address = {card.bus_address: card for card in reversed(found)}
    wanted = (card for card in by_address.values() if vendor_id in (None, card.vendor_id))
    return tuple(sorted(wanted, key=lambda card: card.bus_address))[:_CARDS]


def card_names(root: str) -> frozenset[str]:
    """What ``/sys/class/drm`` lists of cards: cheap to ask whether any came or went."""
    return frozenset(name for name in _names(f"{root}/sys/class/drm") if _CARD.fullmatch(name))


def _card(path: str, name: str) -> Card | None:
    device_path = f"{path}/device"
    fields = dict(_fields(f"{device_path}/uevent"))
    vendor, _, device = fields.get("PCI_ID", "").partition(":")
    address = fields.get("PCI_SLOT_NAME", "").casefold()
    vendor_id, device_id = _hexadecimal(vendor), _hexadecimal(device)
    if vendor_id is None or device_id is None or not _PCI_ADDRESS.fullmatch(address):
        return None  # a display of a board's own chip, a virtual one, or a partition (amdgpu_xcp)
    render = next(filter(None, map(_RENDER.fullmatch, _names(f"{device_path}/drm"))), None)
    return Card(
        name=name,
        path=path,
        device_path=device_path,
        vendor_id=vendor_id,
        device_id=device_id,
        revision=_hexadecimal(read_text(f"{device_path}/revision", 16) or "") or 0,
        driver=fields.get("DRIVER", "")[:32],
        bus_address=address,
        render_minor=int(render[1]) if render else None,
    )


def _fields(path: str) -> Iterator[tuple[str, str]]:
    """Lines of ``KEY=value``."""
    for line in (read_bytes(path, 4096) or b"").decode(errors="replace").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key, value.strip()


def _hexadecimal(text: str) -> int | None:
    try:
        return int(text, 16) if len(text) <= 10 else None
    except ValueError:
        return None


def natural(path: str) -> int | None:
    """The number in that file, where it is from 0 to 2^63 - 1; drivers have reported -1 for what they don't know."""
    number = read_number(path)
    return number if number is not None and 0 <= number < 1 << 63 else None


def pcie_generation(speed: str) -> int | None:
    """4 of ``16.0 GT/s PCIe``; None of ``Unknown``."""
    found = re.match(r"\s*(\d{1,3}(?:\.\d)?)\s*GT/s", speed)
    return _GENERATIONS.get(found[1]) if found else None


def _names(folder: str) -> list[str]:
    """Sorted; empty where it is not there or may not be listed."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
