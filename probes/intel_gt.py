"""How an Intel GPU fares, as its kernel driver shows it in sysfs: clocks, idleness, heat, energy, what slows it down.

- xe: ``device/tile0/gt0/freq0/act_freq`` and ``rp0_freq`` (MHz), ``throttle/reason_*``, ``gtidle/idle_residency_ms``
  (docs.kernel.org/gpu/xe, xe_gt_freq.c, xe_gt_idle.c, xe_gt_throttle.c).
- i915: ``card0/gt_act_freq_mhz`` and ``gt_RP0_freq_mhz``, ``card0/gt/gt0/throttle_reason_*`` and ``rc6_residency_ms``
  (intel_gt_sysfs_pm.c).
- both: ``hwmon`` with ``energy1_input`` in microjoules (the card; in xe ``energy2_input`` is the package),
  ``temp*_input`` and ``power1_max`` (Documentation/ABI/testing/sysfs-driver-intel-xe-hwmon and -i915-hwmon).
"""

import os

from probes.drm import Card, natural
from probes.snapshot import Details
from probes.sysfs import read_text
from records.record import record

_REASONS = {
    "pl1": "sustained power limit",
    "pl2": "burst power limit",
    "pl4": "peak power limit",
    "thermal": "heat",
    "prochot": "heat elsewhere in the machine",
    "ratl": "heat over time",
    "vr_thermalert": "heat of the voltage regulator",
    "vr_tdc": "current of the voltage regulator",
}
_MOST_CELSIUS = 200.0
_MOST_WATTS = 10_000.0


@record(frozen=True, slots=True, kw_only=True)
class Counters:
    """What only grows; the difference of two readings tells power and load."""

    read_seconds: float
    energy_microjoules: int | None
    idle_milliseconds: int | None


def read_counters(card: Card, hwmon: str | None, now_seconds: float) -> Counters:
    """At that time, by the caller's clock."""
    return Counters(
        read_seconds=now_seconds,
        energy_microjoules=_first(hwmon, "energy1_input", "energy2_input"),
        idle_milliseconds=natural(f"{card.device_path}/tile0/gt0/gtidle/idle_residency_ms")
        if card.driver == "xe"
        else _or(natural(f"{card.path}/gt/gt0/rc6_residency_ms"), natural(f"{card.path}/power/rc6_residency_ms")),
    )


def power_watts(before: Counters | None, now: Counters) -> float | None:
    """Between two readings; None where a counter is missing or went round."""
    if before is None or before.energy_microjoules is None or now.energy_microjoules is None:
        return None
    elapsed_seconds = now.read_seconds - before.read_seconds
    spent = now.energy_microjoules - before.energy_microjoules
    if elapsed_seconds <= 0 or spent < 0:
        return None
    watts = spent / 1e6 / elapsed_seconds
    return watts if watts <= _MOST_WATTS else None


def awake_ratio(before: Counters | None, now: Counters) -> float | None:
    """The share of time in which it was not idle: somewhat more than it worked."""
    if before is None or before.idle_milliseconds is None or now.idle_milliseconds is None:
        return None
    elapsed_seconds = now.read_seconds - before.read_seconds
    if elapsed_seconds <= 0 or now.idle_milliseconds < before.idle_milliseconds:
        return None
    idle_seconds = (now.idle_milliseconds - before.idle_milliseconds) / 1e3
    return min(max(1.0 - idle_seconds / elapsed_seconds, 0.0), 1.0)


def temperature_celsius(hwmon: str | None) -> float | None:
    """Of the package."""
    number = _first(hwmon, "temp1_input", "temp2_input")
    return number / 1e3 if number is not None and number / 1e3 <= _MOST_CELSIUS else None


def power_limit_watts(hwmon: str | None) -> float | None:
    """What it may take for long; 0 is no limit."""
    number = _first(hwmon, "power1_max", "power2_max", "power1_rated_max")
    return number / 1e6 if number and number / 1e6 <= _MOST_WATTS else None


def read_details(card: Card, hwmon: str | None) -> Details:
    """What is read only while somebody looks at it.

    The link is left out: behind the bridge of its own that an Arc has, the PCI bus tells 2.5 GT/s of one lane.
    """
    if card.driver == "xe":
        clocks = f"{card.device_path}/tile0/gt0/freq0"
        now, most = natural(f"{clocks}/act_freq"), natural(f"{clocks}/rp0_freq")
    else:
        now, most = natural(f"{card.path}/gt_act_freq_mhz"), natural(f"{card.path}/gt_RP0_freq_mhz")
    return Details(
        graphics_clock_megahertz=None if now is None or now > 100_000 else float(now),
        most_graphics_clock_megahertz=None if not most or most > 100_000 else float(most),
        memory_temperature_celsius=_labelled(hwmon, "vram"),
        throttle_reasons=_throttle_reasons(card),
    )


def _throttle_reasons(card: Card) -> tuple[str, ...] | None:
    folder, prefix = (
        (f"{card.device_path}/tile0/gt0/freq0/throttle", "reason_")
        if card.driver == "xe"
        else (f"{card.path}/gt/gt0", "throttle_reason_")
    )
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith(prefix))
    except OSError:
        return None
    reasons = {name.removeprefix(prefix): natural(f"{folder}/{name}") for name in names}
    reasons.pop("status", None)
    return tuple(_REASONS.get(name, name[:40]) for name, is_set in reasons.items() if is_set) if names else None


def _labelled(hwmon: str | None, label: str) -> float | None:
    for number in range(1, 8) if hwmon is not None else ():
        if read_text(f"{hwmon}/temp{number}_label", 64) == label:
            found = natural(f"{hwmon}/temp{number}_input")
            return found / 1e3 if found is not None and found / 1e3 <= _MOST_CELSIUS else None
    return None


def _first(hwmon: str | None, *names: str) -> int | None:
    for name in names:
        number = None if hwmon is None else natural(f"{hwmon}/{name}")
        if number is not None:
            return number
    return None


def _or(first: int | None, second: int | None) -> int | None:
    return second if first is None else first
