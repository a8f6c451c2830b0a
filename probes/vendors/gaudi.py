"""Intel Gaudi, through ``hl-smi``.

The columns and their units are those of docs.habana.ai ("System Management Interface Tool"); what rows look like was
taken from public logs (8x HL-225 of 98304 MiB with 768 MiB in use when idle; HL-325L of 131072 MiB). Nothing was
recorded by us. The header of the CSV is read, so columns that an older tool does not know may be missing.
"""

import re
from dataclasses import replace

from probes.access import REAL, Access
from probes.errors import ProbeUnavailable
from probes.probe import Probe
from probes.snapshot import Device, Fault, Pool, Reading, Version
from probes.sysfs import whole_number
from probes.tool import ToolProbe, find_tool, near_nodes
from probes.tool_text import bus_address, figure, n_bytes, ratio

_FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/habanalabs/bin")
_COLUMNS = (
    "index,uuid,name,bus_id,driver_version,memory.total,memory.used,memory.free,utilization.aip,temperature.aip,"
    "power.draw"
)
_MOST_DEVICES = 64
_TEXT_LENGTH = 80
_NO_MEMORY = (
    'hl-smi reports no memory of this device now; if it was reset, wait, else see what "dmesg" says of habanalabs'
)
_GENERATIONS = {"HL-1": "Goya", "HL-2": "Gaudi", "HL-22": "Gaudi 2", "HL-3": "Gaudi 3"}
"""How boards are numbered: HL-205 is Gaudi, HL-225 Gaudi 2, HL-325L and HL-338 Gaudi 3 (docs.habana.ai)."""


def open_probe(access: Access = REAL) -> Probe:
    """Of the tool, where it is installed."""
    tool = find_tool(access, "hl-smi", _FOLDERS)
    if tool is None:
        raise ProbeUnavailable(
            "a Gaudi is here, but hl-smi is not found; install habanalabs-firmware-tools, or set PATH"
        )
    command = (tool, "-Q", _COLUMNS, "-f", "csv")

    def read() -> Reading:
        reading = parse(access.run(command).decode(errors="replace"))
        if not reading.devices:
            raise ProbeUnavailable('hl-smi lists no device; see "dmesg" for what the habanalabs driver says')
        return near_nodes(reading, access)

    return ToolProbe("gaudi", "hl-smi", read)


def parse(text: str) -> Reading:
    """Devices and pools of what the tool printed; rows that make no sense are passed over."""
    lines = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()[: _MOST_DEVICES + 8]]
    header = next((line for line in lines if "name" in line and any(cell.startswith("memory") for cell in line)), None)
    if header is None:
        return Reading()
    columns = [re.sub(r"\s*\[.*\]$", "", cell) for cell in header]
    units = {column: cell.partition("[")[2].rstrip("]") for column, cell in zip(columns, header, strict=True)}
    pools: dict[str, Pool] = {}
    devices: list[Device] = []
    faults: list[Fault] = []
    versions: set[str] = set()
    for line in lines[lines.index(header) + 1 :]:
        row = dict(zip(columns, line, strict=False))
        device = _device(row, len(devices))
        if device is None or device.key in {other.key for other in devices}:
            continue
        pool = _pool(device.key, row, units)
        if pool is None:
            faults.append(Fault(probe="gaudi", message=_NO_MEMORY, device_key=device.key))
        else:
            pools[pool.key] = pool
        devices.append(replace(device, used_bytes=None if pool is None else pool.used_bytes))
        versions.add(row.get("driver_version", ""))
    return Reading(
        pools=tuple(pools.values()),
        devices=tuple(devices),
        faults=tuple(faults),
        versions=tuple(
            Version(name="Gaudi driver", value=version[:_TEXT_LENGTH]) for version in sorted(versions) if version
        ),
    )


def _device(row: dict[str, str], position: int) -> Device | None:
    model = row.get("name", "")
    if not re.fullmatch(r"[\w-]{1,20}", model, re.ASCII):
        return None
    address = bus_address(row.get("bus_id", ""))
    index = whole_number(row.get("index", ""), 3)
    uuid = row.get("uuid", "")[:_TEXT_LENGTH]
    generation = max((start for start in _GENERATIONS if model.startswith(start)), key=len, default=None)
    return Device(
        key=uuid if uuid and uuid != "N/A" else address or f"gaudi-{position}",
        name=f"Intel {_GENERATIONS[generation]} ({model})" if generation else f"Intel Gaudi ({model})",
        vendor="gaudi",
        index=position if index is None else index,
        pool_key=uuid if uuid and uuid != "N/A" else address or f"gaudi-{position}",
        utilization_ratio=ratio(row.get("utilization.aip", "")),
        temperature_celsius=figure(row.get("temperature.aip", "").rstrip("C ")),
        power_watts=figure(row.get("power.draw", "")),
        bus_address=address,
        driver="habanalabs",
    )


def _pool(key: str, row: dict[str, str], units: dict[str, str]) -> Pool | None:
    sizes = [n_bytes(row.get(name, ""), units.get(name, "")) for name in ("memory.total", "memory.used", "memory.free")]
    total, used, free = sizes
    if total is None or total == 0 or (used is None and free is None):
        return None
    free = max(0, total - (used or 0)) if free is None else min(free, total)
    return Pool(key=key, total_bytes=total, used_bytes=total - free, free_bytes=free)
