"""The GPU of a Jetson module, as far as its kernel tells it in files: NVML knows little of it, on JetPack 5 nothing.

Built from documents, nothing recorded by us: rbonghi/jetson_stats (jtop/core/gpu.py and memory.py, 2026-07),
nicolargo/glances pull 3580, XuehaiPan/nvitop #168. ``load`` is in tenths of a per cent;
``NvMapMemUsed`` is there on modules up to Orin, and not on Thor (rbonghi/jetson_stats pull 849).
"""

import os

from probes.access import Access
from probes.snapshot import HOST_POOL, Device, Reading
from probes.sysfs import read_fields, read_number, read_text

_LOAD = "/sys/devices/platform/gpu.0/load"
_FREQUENCIES = "/sys/class/devfreq"
_CHIPS = (".gpu", ".ga10b", ".gv11b", ".gp10b", ".gm20b")
"""How the GPU's entry there ends, by the chip: 17000000.gpu on Orin, 17000000.gv11b on Xavier."""
_ZONES = ("gpu-thermal", "GPU-therm", "gpu")
_MOST_ZONES = 64
_CAPABILITIES = {"tegra234": "8.7", "tegra194": "7.2", "tegra186": "6.2", "tegra210": "5.3"}
"""By the chip: developer.nvidia.com/cuda-gpus, the section of Jetson products (read 2026-11)."""


class Tegra:
    """What the files of a Jetson say of its GPU."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._load = _load_file(access)
        self._zone = _thermal_zone(access)

    def utilization_ratio(self) -> float | None:
        load = None if self._load is None else read_number(self._load)
        return load / 1000 if load is not None and 0 <= load <= 1000 else None

    def temperature_celsius(self) -> float | None:
        thousandths = None if self._zone is None else read_number(f"{self._zone}/temp")
        # an idle GPU that is powered off gives -256 °C on Orin
        return thousandths / 1000 if thousandths is not None and -40_000 < thousandths < 200_000 else None

    def used_bytes(self) -> int | None:
        """What all programs hold through the driver's allocator."""
        kibibytes = read_fields(self._access.path("/proc/meminfo")).get("NvMapMemUsed")
        return None if kibibytes is None else kibibytes * 1024


class TegraProbe:
    """A Jetson whose driver brings no NVML: its GPU from files alone."""

    def __init__(self, access: Access) -> None:
        self._tegra = Tegra(access)
        self._name = (read_text(access.path("/proc/device-tree/model")) or "NVIDIA Jetson").strip("\0 ")
        chip = read_text(access.path("/proc/device-tree/compatible")) or ""
        self._capability = next((capability for name, capability in _CAPABILITIES.items() if name in chip), None)

    def sample(self) -> Reading:
        device = Device(
            key="nvidia:tegra",
            name=self._name,
            vendor="nvidia",
            index=0,
            pool_key=HOST_POOL,
            used_bytes=self._tegra.used_bytes(),
            utilization_ratio=self._tegra.utilization_ratio(),
            temperature_celsius=self._tegra.temperature_celsius(),
            compute_capability=self._capability,
            is_integrated=True,
        )
        return Reading(devices=(device,))

    def close(self) -> None:
        """Nothing is held open."""


def is_tegra(access: Access) -> bool:
    """Whether this is a Jetson: its device tree names the chip."""
    return "nvidia,tegra" in (read_text(access.path("/proc/device-tree/compatible")) or "")


def _load_file(access: Access) -> str | None:
    folder = access.path(_FREQUENCIES)
    try:
        entries = [f"{folder}/{name}/device/load" for name in os.listdir(folder) if name.endswith(_CHIPS)]
    except OSError:
        entries = []
    return next((path for path in (access.path(_LOAD), *entries) if os.path.exists(path)), None)


def _thermal_zone(access: Access) -> str | None:
    for number in range(_MOST_ZONES):
        zone = access.path(f"/sys/class/thermal/thermal_zone{number}")
        kind = read_text(f"{zone}/type")
        if kind is None:
            return None
        if kind in _ZONES:
            return zone
    return None
