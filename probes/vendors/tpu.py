"""Google TPUs: which chips there are, from the PCI bus, and what ``tpu-info`` says of their memory.

A chip's memory is reported by the library that holds it (libtpu), so only while a program does; otherwise its size
alone is known. From documents: the PCI numbers are those of jax/_src/hardware_utils.py and of tpu_info's tests
(0x0027 with subsystem 0x004e is v2, with 0x004f v3); sizes and bandwidths of v5e, v5p and v6e are of
docs.cloud.google.com/tpu (read 2026-11-26), of v2 to v4 and 7x of the same pages, put down from memory. The tables of
``tpu-info`` were taken from its source and from public logs. Nothing was recorded by us.
"""

import os
import re
from dataclasses import dataclass, replace

from probes.access import REAL, Access
from probes.errors import ProbeUnavailable
from probes.pci import numa_node
from probes.probe import Probe
from probes.snapshot import Device, Fault, Pool, Process, Reading
from probes.sysfs import read_text
from probes.tool import ToolProbe, find_tool
from records.record import record

GIB = 1 << 30
_PCI = "/sys/bus/pci/devices"
_GOOGLE = "0x1ae0"
_FOLDERS = ("/usr/local/bin", "/usr/bin")
_ASKED_SECONDS = 10.0
"""It is a Python program that loads gRPC: a second of a processor's time each (ASSUMED)."""
_MOST_PCI_DEVICES = 4096
_MOST_LINES = 2048
_MOST_CHIPS = 64

_BAR = r"\s*[│┃|]\s*"
_USAGE = re.compile(
    rf"{_BAR}(\d{{1,4}}){_BAR}(\d{{1,6}}(?:\.\d{{1,6}})?) GiB / (\d{{1,6}}(?:\.\d{{1,6}})?) GiB{_BAR}"
    rf"(\d{{1,3}}(?:\.\d{{1,6}})?)%\s*[│┃|]?\s*"
)
_OWNER = re.compile(
    rf"{_BAR}(/dev/(?:accel|vfio/)\d{{1,4}}){_BAR}[^│┃|]{{1,40}}{_BAR}\d{{1,2}}{_BAR}(\d{{1,9}})\s*[│┃|]?\s*"
)


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    gib: int
    gigabytes_per_second: float | None = None


_KINDS = {
    "0x005e": _Kind("v4", 32),
    "0x0062": _Kind("v5p", 95, 2765),
    "0x0063": _Kind("v5e", 16, 819),
    "0x006f": _Kind("v6e", 32, 1638),
    "0x0076": _Kind("7x", 192),
}
_OLD_KINDS = {"0x004e": _Kind("v2", 16), "0x004f": _Kind("v3", 32)}
"""By the subsystem's number, both with the device number 0x0027."""


@record(frozen=True, slots=True, kw_only=True)
class Usage:
    """What libtpu says of one of its devices: a chip, or one of the two cores of a v2 or v3."""

    used_bytes: int
    total_bytes: int
    duty_ratio: float


def open_probe(access: Access = REAL) -> Probe:
    """Of the chips on the bus, with the tool where it is installed."""
    chips = _chips(access)
    if not chips:
        raise ProbeUnavailable("no TPU is on the PCI bus (/sys/bus/pci/devices)", is_expected=True)
    tool = find_tool(access, "tpu-info", (*_FOLDERS, f"{access.environment.get('HOME', '')}/.local/bin"))

    def read() -> Reading:
        if tool is None:
            return _unused(chips, "its memory is told by tpu-info, which is not installed (pip install tpu-info)")
        try:
            text = access.run((tool,)).decode(errors="replace")
        except OSError as error:
            return _unused(chips, f"its memory is not known: tpu-info cannot be run ({error.strerror or error})")
        return joined(chips, parse_usage(text), parse_owners(text))

    return ToolProbe("tpu", "tpu-info", read, interval_seconds=_ASKED_SECONDS)


def parse_usage(text: str) -> tuple[Usage, ...]:
    """The rows of the table of HBM and duty cycle."""
    found = []
    for line in text.splitlines()[:_MOST_LINES]:
        row = _USAGE.fullmatch(line[:300])
        if row is not None and float(row[3]) > 0:
            total_bytes = round(float(row[3]) * GIB)
            used_bytes = min(total_bytes, round(float(row[2]) * GIB))
            found.append(
                Usage(used_bytes=used_bytes, total_bytes=total_bytes, duty_ratio=min(1.0, float(row[4]) / 100))
            )
    return tuple(found)


def parse_owners(text: str) -> tuple[int, ...]:
    """The process of each chip in their order; 0 where it has none."""
    owners: dict[str, int] = {}
    for line in text.splitlines()[:_MOST_LINES]:
        row = _OWNER.fullmatch(line[:300])
        if row is not None:
            owners[row[1]] = int(row[2])
    return tuple(owners.values())


def joined(chips: tuple[Device, ...], usages: tuple[Usage, ...], owners: tuple[int, ...]) -> Reading:
    """Chips with what is used of them. The tool lists them in the order of the bus, cores of one chip together."""
    if not usages or len(usages) % len(chips) != 0:
        return _unused(chips, "its memory is reported only while a program holds it")
    n_cores = len(usages) // len(chips)
    pools, devices = [], []
    for index, chip in enumerate(chips):
        cores = usages[index * n_cores : (index + 1) * n_cores]
        total_bytes, used_bytes = sum(core.total_bytes for core in cores), sum(core.used_bytes for core in cores)
        pools.append(
            Pool(key=chip.key, total_bytes=total_bytes, used_bytes=used_bytes, free_bytes=total_bytes - used_bytes)
        )
        busy_ratio = sum(core.duty_ratio for core in cores) / n_cores
        devices.append(replace(chip, used_bytes=used_bytes, utilization_ratio=busy_ratio))
    held = zip(owners, chips, strict=False) if len(owners) == len(chips) else ()
    processes = tuple(Process(pid=pid, device_key=chip.key) for pid, chip in held if pid > 0)
    return Reading(pools=tuple(pools), devices=tuple(devices), processes=processes)


def _unused(chips: tuple[Device, ...], message: str) -> Reading:
    faults = tuple(Fault(probe="tpu", message=message, device_key=chip.key, is_note=True) for chip in chips)
    return Reading(devices=chips, faults=faults)


def _chips(access: Access) -> tuple[Device, ...]:
    """In the order of the bus. Google's network cards have its vendor number too."""
    try:
        addresses = sorted(os.listdir(access.path(_PCI)))[:_MOST_PCI_DEVICES]
    except OSError:
        return ()
    chips: list[Device] = []
    for address in addresses:
        folder = access.path(f"{_PCI}/{address}")
        kind = _kind(folder) if read_text(f"{folder}/vendor", 16) == _GOOGLE else None
        if kind is not None and len(chips) < _MOST_CHIPS:
            chips.append(
                Device(
                    key=address,
                    name=f"Google TPU {kind.name}",
                    vendor="tpu",
                    index=len(chips),
                    pool_key=address,
                    capacity_bytes=kind.gib * GIB,
                    bandwidth_gigabytes_per_second=kind.gigabytes_per_second,
                    bus_address=address,
                    numa_node=numa_node(access, address),
                )
            )
    return tuple(chips)


def _kind(folder: str) -> _Kind | None:
    device = read_text(f"{folder}/device", 16) or ""
    if device == "0x0027":
        return _OLD_KINDS.get(read_text(f"{folder}/subsystem_device", 16) or "")
    return _KINDS.get(device)
