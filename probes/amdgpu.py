"""One AMD GPU as the kernel's driver amdgpu shows it in sysfs: memory, load, sensors, clocks, links, errors. No root.

The files are those of docs.kernel.org/gpu/amdgpu (driver-misc, thermal). Which of them wake a suspended GPU matters:
``mem_info_*`` are figures of the kernel's own and wake nothing (amdgpu_vram_mgr.c, amdgpu_gtt_mgr.c);
``gpu_busy_percent``, ``pp_dpm_*``, ``gpu_metrics`` and all of ``hwmon`` ask the firmware.
"""

import os
import re

from probes.drm import Card, natural, pcie_generation
from probes.snapshot import Details
from probes.sysfs import read_bytes, read_text
from records.record import record

_INTEGRATED_FORMATS = frozenset({2, 3})
"""gpu_metrics_v2_x and v3_x are those of APUs, v1_x those of cards (include/kgd_pp_interface.h)."""
_MOST_CELSIUS = 200.0
_MOST_WATTS = 10_000.0
_LEVEL = re.compile(r"\d{1,3}:\s*(\d{1,6})\s*Mhz\s*(\*?)", re.IGNORECASE)
"""A line of pp_dpm_sclk: ``1: 2482Mhz *``."""
_LINK = re.compile(r"\d{1,3}:\s*([\d.]{1,5}GT/s)\s*,\s*x(\d{1,2}).*?(\*?)\s*$", re.MULTILINE)
"""A line of pp_dpm_pcie: ``1: 16.0GT/s, x8 1143Mhz *``."""
_SENSORS = 8


@record(frozen=True, slots=True, kw_only=True)
class Memory:
    """Its own memory, and the RAM that it can reach through its translation table (GTT), in bytes."""

    vram_total_bytes: int
    vram_used_bytes: int | None
    gtt_total_bytes: int | None
    gtt_used_bytes: int | None


@record(frozen=True, slots=True, kw_only=True)
class Sensors:
    """How it fares, as far as it says."""

    utilization_ratio: float | None = None
    temperature_celsius: float | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None


def read_memory(card: Card) -> Memory | None:
    """None where the driver reports no memory for it. Wakes nothing.

    An MI300A has no memory of its own at all: "Set mc_vram_size = 0 for APP APU" (gmc_v9_0.c, gmc_v9_0_mc_init).
    """
    total, gtt_total = card.number("mem_info_vram_total"), card.number("mem_info_gtt_total")
    if total is None or (total == 0 and not gtt_total):
        return None
    return Memory(
        vram_total_bytes=total,
        vram_used_bytes=card.number("mem_info_vram_used"),
        gtt_total_bytes=gtt_total or None,
        gtt_used_bytes=card.number("mem_info_gtt_used"),
    )


def is_integrated(card: Card) -> bool:
    """Whether it is part of a processor (APU), and what it calls its own memory a part of the RAM.

    amdgpu shows the voltage of the north bridge for APUs only (amdgpu_pm.c, hwmon_attributes_visible: "only APUs ...
    have vddnb"), and tells their metrics in a format of their own. The size of the memory says nothing: an APU may have
    0.5 or 96 GiB of the RAM set aside.
    """
    hwmon = card.hwmon_path()
    if hwmon is not None and os.path.exists(f"{hwmon}/in1_label"):
        return True
    metrics = read_bytes(f"{card.device_path}/gpu_metrics", 4)
    return metrics is not None and len(metrics) == 4 and metrics[2] in _INTEGRATED_FORMATS


def read_sensors(card: Card, hwmon: str | None) -> Sensors:
    """What is shown all the time. ``gpu_busy_percent`` may exist and still refuse to be read."""
    busy = card.number("gpu_busy_percent")
    return Sensors(
        utilization_ratio=busy / 100 if busy is not None and busy <= 100 else None,
        temperature_celsius=_first(hwmon, ("temp1_input", "temp2_input"), 1e3, _MOST_CELSIUS),
        power_watts=_first(hwmon, ("power1_average", "power1_input"), 1e6, _MOST_WATTS),
        power_limit_watts=_first(hwmon, ("power1_cap",), 1e6, _MOST_WATTS) or None,
    )


def read_details(card: Card, hwmon: str | None) -> Details:
    """What is read only while somebody looks at it."""
    graphics, most_graphics = _clocks(card, "pp_dpm_sclk")
    memory, most_memory = _clocks(card, "pp_dpm_mclk")
    generation, lanes, most_generation, most_lanes = _links(card)
    busy = card.number("mem_busy_percent")
    corrected, uncorrected = _memory_errors(card)
    return Details(
        graphics_clock_megahertz=_first(hwmon, ("freq1_input",), 1e6, 1e5) or graphics,
        most_graphics_clock_megahertz=most_graphics,
        memory_clock_megahertz=memory,
        most_memory_clock_megahertz=most_memory,
        memory_temperature_celsius=_labelled(hwmon, "mem"),
        fan_ratio=_fan_ratio(hwmon),
        memory_utilization_ratio=busy / 100 if busy is not None and busy <= 100 else None,
        pcie_generation=generation,
        n_pcie_lanes=lanes,
        most_pcie_generation=most_generation,
        most_n_pcie_lanes=most_lanes,
        n_corrected_errors=corrected,
        n_uncorrected_errors=uncorrected,
        n_retired_pages=_retired_pages(card),
    )


def _first(hwmon: str | None, names: tuple[str, ...], per_unit: float, most: float) -> float | None:
    """The first of these sensors that can be read."""
    for name in names:
        number = None if hwmon is None else natural(f"{hwmon}/{name}")
        if number is not None and number / per_unit <= most:
            return number / per_unit
    return None


def _labelled(hwmon: str | None, label: str) -> float | None:
    """The temperature that bears this name: ``edge``, ``junction`` or ``mem``."""
    for number in range(1, _SENSORS) if hwmon is not None else ():
        if read_text(f"{hwmon}/temp{number}_label", 64) == label:
            return _first(hwmon, (f"temp{number}_input",), 1e3, _MOST_CELSIUS)
    return None


def _fan_ratio(hwmon: str | None) -> float | None:
    if hwmon is None:
        return None
    pulse, most = natural(f"{hwmon}/pwm1"), natural(f"{hwmon}/pwm1_max") or 255
    return pulse / most if pulse is not None and pulse <= most else None


def _clocks(card: Card, name: str) -> tuple[float | None, float | None]:
    """The clock that is set now, and the highest that can be."""
    levels = _LEVEL.findall(read_text(f"{card.device_path}/{name}", 4096) or "")
    now = next((float(clock) for clock, star in levels if star), None)
    return now, max((float(clock) for clock, _ in levels), default=None)


def _links(card: Card) -> tuple[int | None, int | None, int | None, int | None]:
    """Generation and lanes, now and at most.

    A card from RX 6000 on has a bridge of its own, and the PCI bus tells the link behind it, which is always at its
    best; the driver's own list tells the one to the machine (github.com/nokyan/resources/issues/512).
    """
    links = _LINK.findall(read_text(f"{card.device_path}/pp_dpm_pcie", 4096) or "")
    if not links:
        return *card.link("current"), *card.link("max")
    now = next(((pcie_generation(speed), int(lanes)) for speed, lanes, star in links if star), (None, None))
    generations = [generation for speed, _, _ in links if (generation := pcie_generation(speed)) is not None]
    return *now, max(generations, default=None), max(int(lanes) for _, lanes, _ in links)


def _memory_errors(card: Card) -> tuple[int | None, int | None]:
    """Corrected and uncorrected ones of the memory controller: lines ``ue: 0`` and ``ce: 0`` (docs, RAS sysfs)."""
    text = read_text(f"{card.device_path}/ras/umc_err_count", 256) or ""
    counts = {name: int(count) for name, count in re.findall(r"^(ue|ce):\s*(\d{1,18})\s*$", text, re.MULTILINE)}
    return counts.get("ce"), counts.get("ue")


def _retired_pages(card: Card) -> int | None:
    """Lines of ``gpu_vram_bad_pages`` whose last word is R, for reserved (docs, RAS sysfs)."""
    text = read_text(f"{card.device_path}/ras/gpu_vram_bad_pages")
    return None if text is None else sum(1 for line in text.splitlines() if line.endswith(": R"))
