"""Laptop GPUs that sleep: told without waking them, and let go when idle on battery so that they can fall asleep.

nvmlInit wakes all GPUs of the driver and keeps them awake (Syllo/nvtop #230, aristocratos/btop #738; 5 to 7 W of a
laptop's battery, henrygd/beszel-docs pull 35). So does reading /proc/driver/nvidia/gpus/*/information: it takes a
reference on the power state (nv_procfs_read_gpu_info in nv-procfs.c of NVIDIA/open-gpu-kernel-modules calls
rm_ref_dynamic_power). Hence names come from the PCI database. Built from these documents; not tried on a laptop.
"""

import os
import re
from collections.abc import Callable, Iterable

from probes.access import Access
from probes.pci import NVIDIA, DisplayController, display_controllers
from probes.snapshot import Device, Reading
from probes.sysfs import read_bytes, read_number, read_text

_IDLE_SECONDS = 60.0
"""So long nobody used a GPU before it is let go."""
_SETTLE_SECONDS = 45.0
"""A GPU that is let go is suspended within 6 to 15 s (pop-os/cosmic-ext-applet #38, #39), or 25
(NVIDIA/open-gpu-kernel-modules #1300); one that is awake after this is used by somebody else."""
_RETRY_SECONDS = 600.0
_NAMES = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids")
_NAMES_BYTES = 8 * 1024**2
"""The database has 1.5 MB (2026)."""


class Sleep:
    """When NVML may be started, and when it is to be shut down again."""

    def __init__(self, access: Access, clock: Callable[[], float]) -> None:
        self._access = access
        self._clock = clock
        self._known: dict[str, Device] = {}
        """Address -> what it was when it was awake."""
        self._sizes: dict[str, int] = {}
        self._names: dict[str, str | None] = {}
        self._idle_seconds: float | None = None
        """Since when nobody uses any of them."""
        self._let_go_seconds: float | None = None
        """When they were let go; None once they have slept since, or were woken."""
        self._next_try_seconds = float("-inf")
        """Letting go was of no use, since somebody else keeps them awake: it is not tried again before this."""

    def sleeping(self) -> tuple[DisplayController, ...]:
        """The GPUs, if starting NVML would wake what nobody uses; empty where it may be started."""
        if self._access.attention.wants_awake or self._access.system != "linux":
            self._let_go_seconds = None
            return ()
        gpus = self._gpus()
        if gpus and all(gpu.is_suspended for gpu in gpus):
            self._let_go_seconds = None
            return gpus
        if self._let_go_seconds is not None and is_on_battery(self._access):
            if self._clock() - self._let_go_seconds < _SETTLE_SECONDS:
                return gpus
            self._next_try_seconds = self._clock() + _RETRY_SECONDS
        self._let_go_seconds = None
        return ()

    def woken(self) -> tuple[str, ...]:
        """The addresses of those that sleep beside one that is awake, before NVML wakes them all."""
        if self._access.system != "linux":
            return ()
        return tuple(gpu.address for gpu in self._gpus() if gpu.is_suspended)

    def wants_to_let_go(self, reading: Reading) -> bool:
        """Whether NVML is to be shut down after this reading: idle for a minute, on battery, and able to sleep."""
        self._known = {device.bus_address: device for device in reading.devices if device.bus_address is not None}
        self._sizes = {pool.key: pool.total_bytes for pool in reading.pools}
        now_seconds = self._clock()
        if not _is_idle(reading):
            self._idle_seconds = None
            return False
        if self._idle_seconds is None:
            self._idle_seconds = now_seconds
        if now_seconds - self._idle_seconds < _IDLE_SECONDS:
            return False
        self._idle_seconds = now_seconds
        if self._access.system != "linux" or self._access.attention.wants_awake or now_seconds < self._next_try_seconds:
            return False
        gpus = self._gpus()
        if not gpus or not all(gpu.may_sleep for gpu in gpus) or not is_on_battery(self._access):
            return False
        self._let_go_seconds = now_seconds
        self._idle_seconds = None
        return True

    def reading(self, gpus: Iterable[DisplayController]) -> Reading:
        """The GPUs as far as they are known without being woken."""
        return Reading(devices=tuple(self._device(gpu, number) for number, gpu in enumerate(gpus)))

    def _gpus(self) -> tuple[DisplayController, ...]:
        return tuple(gpu for gpu in display_controllers(self._access, NVIDIA) if gpu.driver == "nvidia")

    def _device(self, gpu: DisplayController, number: int) -> Device:
        known = self._known.get(gpu.address)
        name = self._name(gpu.device_id) if known is None else known.name
        key = gpu.address if known is None else known.key
        return Device(
            key=key,
            name=name or "NVIDIA GPU",
            vendor="nvidia",
            index=number if known is None else known.index,
            pool_key=key,
            bus_address=gpu.address,
            capacity_bytes=self._sizes.get(key) if known is not None else _capacity_bytes(name),
            compute_capability=None if known is None else known.compute_capability,
            n_multiprocessors=None if known is None else known.n_multiprocessors,
            is_asleep=True,
        )

    def _name(self, device_id: str) -> str | None:
        if device_id not in self._names:
            self._names[device_id] = pci_name(self._access, device_id)
        return self._names[device_id]


def _is_idle(reading: Reading) -> bool:
    return not reading.processes and all(device.utilization_ratio in (None, 0.0) for device in reading.devices)


def is_on_battery(access: Access) -> bool:
    """Whether the machine runs on battery: no supply from outside is online, and a battery discharges."""
    folder = access.path("/sys/class/power_supply")
    try:
        supplies = [f"{folder}/{name}" for name in os.listdir(folder)[:32]]
    except OSError:
        return False
    kinds = {supply: read_text(f"{supply}/type", 32) for supply in supplies}
    if any(kind in ("Mains", "USB") and read_number(f"{supply}/online") == 1 for supply, kind in kinds.items()):
        return False
    return any(
        kind == "Battery"
        and read_text(f"{supply}/status", 32) == "Discharging"
        # a mouse has a battery too
        and read_text(f"{supply}/scope", 32) != "Device"
        for supply, kind in kinds.items()
    )


def pci_name(access: Access, device_id: str) -> str | None:
    """What the PCI database calls an NVIDIA GPU: ``NVIDIA GeForce RTX 4060 Laptop GPU``."""
    if not re.fullmatch(r"[0-9a-f]{4}", device_id):
        return None
    for path in _NAMES:
        names = read_bytes(access.path(path), _NAMES_BYTES)
        start = -1 if names is None else names.find(b"\n10de  ")
        if names is None or start < 0:
            continue
        vendor = re.match(rb"\n10de  [^\n]*((?:\n[\t#][^\n]*)*)", names[start:])
        found = re.search(rb"\n\t" + device_id.encode() + rb"  ([^\n]{1,200})", vendor[1] if vendor else b"")
        if found is not None:
            return product_name(found[1].decode(errors="replace"))
    return None


def product_name(text: str) -> str:
    """``AD107M [GeForce RTX 4060 Max-Q / Mobile]`` -> ``NVIDIA GeForce RTX 4060 Laptop GPU``, the driver's name."""
    product = re.search(r"\[([^\]]+)\]", text)
    name = product[1] if product is not None else text
    is_mobile = re.search(r"\b(Mobile|Max-Q)\b", name) is not None
    name = re.split(r"\s+(?:Max-Q|Mobile)\b|\s+/\s+", name)[0].strip()
    return f"NVIDIA {name} Laptop GPU" if is_mobile else f"NVIDIA {name}"


def _capacity_bytes(name: str | None) -> int | None:
    """What the table of products says of that name."""
    if name is None:
        return None
    # Deferred: it reads a table of 200 products, which only a machine with a sleeping GPU needs.
    from probes.accelerators import known_accelerators, named_accelerator  # noqa: PLC0415

    found = named_accelerator(name, known_accelerators())
    return None if found is None else found.total_bytes(None)
