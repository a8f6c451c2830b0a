"""What is known of one device, as titled lines: what the device screen shows beside its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.humanize import UNKNOWN, celsius, count, duration, percent, plain, sentence, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.snapshot import Details, Device, Snapshot

NOT_REPORTED = "not reported by this driver"


def facts_of(device: Device, snapshot: Snapshot, *, is_awaited: bool = True) -> Iterator[tuple[str, str]]:
    """Title and text of each line, in the order in which they are asked for.

    Args:
        device: of which.
        snapshot: of when.
        is_awaited: details that are not there may still come.
    """
    yield "memory", _memory(device, snapshot)
    if device.shared_used_bytes is not None:
        limit = "" if device.shared_limit_bytes is None else f" of {size(device.shared_limit_bytes)}"
        yield "in RAM", f"{size(device.shared_used_bytes)}{limit} of the host's RAM, many times slower"
    if device.hidden_by is not None:
        yield "hidden", f"programs started from here do not see it: {plain(device.hidden_by, 60)}"
    yield "identity", sentence(_identity(device, snapshot))
    yield "chip", sentence(_chip(device)) or NOT_REPORTED
    if device.is_asleep:
        return
    if device.details is None:
        yield "details", "reading …" if is_awaited and device.vendor != "apple" else NOT_REPORTED
        return
    yield from _details(device.details)


def _memory(device: Device, snapshot: Snapshot) -> str:
    pool = snapshot.pool(device.pool_key)
    if device.is_asleep:
        return f"asleep to save power, {size(device.capacity_bytes)}; nothing was read, since that would wake it"
    if pool is None:
        return "not known now"
    age = f", {duration(pool.late_seconds)} old" if pool.late_seconds > 3 else ""
    if device.pool_key != device.key:
        held = "its own part is not reported" if device.used_bytes is None else f"holds {size(device.used_bytes)}"
        limit = "" if device.limit_bytes is None else f", may take {size(device.limit_bytes)}"
        return f"{held} of the RAM's {size(pool.total_bytes)}{limit}; {size(pool.free_bytes)} are free{age}"
    reserved = "" if pool.reserved_bytes is None else f", {size(pool.reserved_bytes)} kept by the driver"
    return f"{size(pool.free_bytes)} free of {size(pool.total_bytes)}{reserved}{age}"


def _identity(device: Device, snapshot: Snapshot) -> Iterator[str]:
    parent = device.parent_key
    if parent is not None:
        number = next((other.index for other in snapshot.devices if other.key == device.key), device.index)
        yield f"a part of GPU {number}"
    if device.bus_address:
        yield f"PCI {plain(device.bus_address, 20)}"
    if device.driver:
        yield f"driver {plain(device.driver, 20)}"
    if device.program_index is not None and device.program_index != device.index:
        yield f"programs started from here call it {device.program_index}"
    yield plain(device.key, 60)


def _chip(device: Device) -> Iterator[str]:
    if device.compute_capability:
        yield f"compute capability {plain(device.compute_capability, 10)}"
    if device.n_multiprocessors is not None:
        yield f"{count(device.n_multiprocessors)} {'cores' if device.vendor == 'apple' else 'multiprocessors'}"
    if device.bandwidth_gigabytes_per_second is not None:
        yield f"{count(round(device.bandwidth_gigabytes_per_second))} GB/s to its memory"


def _details(details: Details) -> Iterator[tuple[str, str]]:
    yield "clocks", sentence(_clocks(details)) or NOT_REPORTED
    if details.throttle_reasons is not None:
        yield "held back", plain(", ".join(details.throttle_reasons), 300) or "by nothing"
    yield "PCIe", sentence(_pcie(details)) or NOT_REPORTED
    if details.n_links is not None:
        rates = _rates(details.link_received_bytes_per_second, details.link_sent_bytes_per_second)
        yield "links", sentence((f"{details.n_links} up", rates))
    yield "ECC", sentence(_ecc(details)) or NOT_REPORTED
    others = sentence(_others(details))
    if others:
        yield "besides", others


def _clocks(details: Details) -> Iterator[str]:
    for name, now, most in (
        ("", details.graphics_clock_megahertz, details.most_graphics_clock_megahertz),
        ("memory ", details.memory_clock_megahertz, details.most_memory_clock_megahertz),
    ):
        if now is not None:
            yield f"{name}{count(round(now))}{'' if most is None else f' of {count(round(most))}'} MHz"


def _pcie(details: Details) -> Iterator[str]:
    if details.pcie_generation is not None:
        yield f"generation {details.pcie_generation}{_of(details.most_pcie_generation)}"
    if details.n_pcie_lanes is not None:
        yield f"{details.n_pcie_lanes}{_of(details.most_n_pcie_lanes)} lanes"
    yield _rates(details.pcie_received_bytes_per_second, details.pcie_sent_bytes_per_second)


def _of(most: int | None) -> str:
    return "" if most is None else f" of {most}"


def _rates(received: float | None, sent: float | None) -> str:
    if received is None and sent is None:
        return ""
    parts = (UNKNOWN if rate is None else f"{size(round(rate))}/s" for rate in (received, sent))
    return "{} in, {} out".format(*parts)


def _ecc(details: Details) -> Iterator[str]:
    if details.is_ecc_on is None:
        return
    yield "on" if details.is_ecc_on else "off"
    if details.n_corrected_errors is not None:
        yield f"{count(details.n_corrected_errors)} corrected"
    if details.n_uncorrected_errors is not None:
        yield f"{count(details.n_uncorrected_errors)} not corrected"
    if details.n_retired_pages:
        yield f"{count(details.n_retired_pages)} pages out of use"


def _others(details: Details) -> Iterator[str]:
    if details.memory_temperature_celsius is not None:
        yield f"memory {celsius(details.memory_temperature_celsius)}"
    if details.fan_ratio is not None:
        yield f"fan {percent(details.fan_ratio)}"
    if details.memory_utilization_ratio is not None:
        yield f"memory {percent(details.memory_utilization_ratio)} busy"
