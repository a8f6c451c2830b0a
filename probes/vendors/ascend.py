"""Huawei Ascend, through ``npu-smi info``.

The table was taken from public reports: of npu-smi 24.1 to 26.0 with 910B1 to 910B4, Ascend910 of two chips each (A3)
and 310P3, which has no HBM column (github.com/vllm-project/vllm-ascend, issues 1767, 2035, 2416, 2534, 12980; read
2026-11-26). Nothing was recorded by us. Two lines are one chip, and lines are told apart by what is in them: the
second has the address on the PCI bus.
"""

import re
from dataclasses import replace

from probes.access import REAL, Access
from probes.errors import ProbeUnavailable
from probes.pid_namespace import sees_whole_machine
from probes.probe import Probe
from probes.snapshot import Device, Fault, Pool, Process, Reading, Version
from probes.tool import ToolProbe, find_tool, near_nodes
from probes.tool_text import bus_address, figure, ratio, visible_indices
from records.record import record

MIB = 1 << 20
VISIBLE = "ASCEND_RT_VISIBLE_DEVICES"
_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/bin", "/usr/sbin", "/usr/local/Ascend/driver/tools")
_MOST_LINES = 4096
_MOST_DEVICES = 128
_SIZES = re.compile(r"(\d{1,9})\s*/\s*(\d{1,9})")
_NAME = re.compile(r"[\w-]{1,24}", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


@record(frozen=True, slots=True, kw_only=True)
class _Chip:
    """What the first of its two lines says."""

    npu: str
    name: str
    health: str
    power_watts: float | None
    temperature_celsius: float | None


def open_probe(access: Access = REAL) -> Probe:
    """Of the tool, where it is installed."""
    tool = find_tool(access, "npu-smi", _FOLDERS)
    if tool is None:
        raise ProbeUnavailable(
            "an Ascend NPU is here, but npu-smi is not found; install the driver's tools, or set PATH"
        )

    def read() -> Reading:
        reading = parse(access.run((tool, "info")).decode(errors="replace"))
        if not reading.devices:
            raise ProbeUnavailable("npu-smi lists no NPU; run it as root or as a user of group HwHiAiUser")
        reading = _seen_from_here(reading, access.environment.get(VISIBLE))
        return near_nodes(_numbered_here(reading, access), access)

    return ToolProbe("ascend", "npu-smi", read)


def parse(text: str) -> Reading:
    """Chips, their memory and the processes on them; lines that make no sense are passed over."""
    chip: _Chip | None = None
    pools: dict[str, Pool] = {}
    devices: dict[str, Device] = {}
    by_place: dict[tuple[str, str], str] = {}
    faults: list[Fault] = []
    processes: list[Process] = []
    version = re.search(r"npu-smi\s+(\S{1,40})", text[:1000])
    for line in text.splitlines()[:_MOST_LINES]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and (address := bus_address(cells[1])) is not None and chip is not None:
            words = cells[0].split()
            number = words[0] if words and _NUMBER.fullmatch(words[0]) else "0"
            key = f"{address}-{number}"
            if key in devices or len(devices) >= _MOST_DEVICES:
                continue
            pool = _pool(key, cells[2])
            devices[key] = _device(key, address, len(devices), chip, cells[2], pool)
            by_place[chip.npu, number] = key
            pools |= {} if pool is None else {key: pool}
            faults += _faults(chip, number, key)
        elif len(cells) == 3:
            chip = _chip(cells) or chip
        elif len(cells) >= 4 and (process := _process(cells, by_place)) is not None:
            processes.append(process)
    return Reading(
        pools=tuple(pools.values()),
        devices=tuple(devices.values()),
        processes=tuple(processes),
        faults=tuple(faults),
        versions=(Version(name="npu-smi", value=version[1]),) if version and devices else (),
    )


def _chip(cells: list[str]) -> _Chip | None:
    words, figures = cells[0].split(), cells[2].split()
    is_one = len(words) == 2 and _NUMBER.fullmatch(words[0]) and _NAME.fullmatch(words[1]) and len(figures) >= 2
    if not is_one:
        return None
    return _Chip(
        npu=words[0],
        name=words[1],
        health=cells[1][:20],
        power_watts=figure(figures[0]),
        temperature_celsius=figure(figures[1]),
    )


def _device(key: str, address: str, index: int, chip: _Chip, usage: str, pool: Pool | None) -> Device:
    return Device(
        key=key,
        name=f"Huawei {chip.name}" if chip.name.startswith("Ascend") else f"Huawei Ascend {chip.name}",
        vendor="ascend",
        index=index,
        pool_key=key,
        used_bytes=None if pool is None else pool.used_bytes,
        utilization_ratio=ratio(usage.split(maxsplit=1)[0]) if usage else None,
        temperature_celsius=chip.temperature_celsius,
        power_watts=chip.power_watts,
        bus_address=address,
    )


def _pool(key: str, usage: str) -> Pool | None:
    """The last pair of used and total: HBM where there is some, else the chip's other memory."""
    sizes = [(MIB * int(used), MIB * int(total)) for used, total in _SIZES.findall(usage) if int(total) > 0]
    if not sizes:
        return None
    used_bytes, total_bytes = sizes[-1]
    used_bytes = min(used_bytes, total_bytes)
    return Pool(key=key, total_bytes=total_bytes, used_bytes=used_bytes, free_bytes=total_bytes - used_bytes)


def _faults(chip: _Chip, number: str, key: str) -> tuple[Fault, ...]:
    if chip.health in ("OK", ""):
        return ()
    message = f'its health is "{chip.health}"; "npu-smi info -t health -i {chip.npu} -c {number}" says more'
    return (Fault(probe="ascend", message=message, device_key=key),)


def _process(cells: list[str], by_place: dict[tuple[str, str], str]) -> Process | None:
    place, pid, size = cells[0].split(), cells[1], cells[3]
    is_one = len(place) == 2 and tuple(place) in by_place and _NUMBER.fullmatch(pid) and _NUMBER.fullmatch(size)
    if not is_one:
        return None
    return Process(pid=int(pid), device_key=by_place[place[0], place[1]], used_bytes=MIB * int(size))


def _numbered_here(reading: Reading, access: Access) -> Reading:
    """The tool prints the numbers of the whole machine; within a container those are others' numbers."""
    if sees_whole_machine(access.root.rstrip("/")):
        return reading
    return replace(reading, processes=tuple(replace(process, is_outside=True) for process in reading.processes))


def _seen_from_here(reading: Reading, visible: str | None) -> Reading:
    """With the numbers by which a program knows its devices, and those that it does not see marked."""
    seen = visible_indices(visible, len(reading.devices))
    if seen is None:
        seen = tuple(range(len(reading.devices)))
    devices = tuple(
        replace(device, program_index=seen.index(device.index))
        if device.index in seen
        else replace(device, hidden_by=VISIBLE)
        for device in reading.devices
    )
    return replace(reading, devices=devices)
