"""Qualcomm Cloud AI 100, through ``qaic-util -q``.

A block of lines for each SoC, of which an Ultra card has four. Names and units were taken from public outputs: of SDK
1.6 with one SoC of 8116 MB (github.com/krai/ck-qaic, README of the AEDK), of a later one that counts in KB and has
SKU, power and its limits (public notes on Cloud AI 100 Ultra and AI 200, 2026), and from the source of qaic-util
(Telemetry: "SoC temperature(degree C)", "Board power(Watts)"). Nothing was recorded by us.
"""

import re

from probes.access import REAL, Access
from probes.errors import ProbeUnavailable
from probes.probe import Probe
from probes.snapshot import Device, Fault, Pool, Reading, Version
from probes.tool import ToolProbe, find_tool, near_nodes
from probes.tool_text import bus_address, figure, n_bytes

_FOLDERS = ("/opt/qti-aic/tools",)
_MOST_LINES = 16_384
_MOST_DEVICES = 64
_TEXT_LENGTH = 40
_PRODUCTS = {"ultra": "Ultra SoC", "pro": "Pro", "standard": "Standard", "std": "Standard", "lite": "Lite"}
"""The last word of the SKU ("Pcie Ultra") -> how the product is called. A fourth of an Ultra card is no Ultra card."""


def open_probe(access: Access = REAL) -> Probe:
    """Of the tool, where it is installed."""
    tool = find_tool(access, "qaic-util", _FOLDERS)
    if tool is None:
        raise ProbeUnavailable("the driver of Cloud AI 100 is loaded, but /opt/qti-aic/tools/qaic-util is not there")

    def read() -> Reading:
        reading = parse(access.run((tool, "-q")).decode(errors="replace"))
        if not reading.devices:
            raise ProbeUnavailable("qaic-util lists no device to this user; run Plimsoll as root, or join group qaic")
        return near_nodes(reading, access)

    return ToolProbe("qualcomm", "qaic-util", read)


def parse(text: str) -> Reading:
    """SoCs and their memory; lines that make no sense are passed over."""
    blocks: list[dict[str, str]] = []
    head: dict[str, str] = {}
    for line in text.splitlines()[:_MOST_LINES]:
        number = re.fullmatch(r"\s*QID\s*:?\s*(\d{1,4})\s*", line, re.ASCII)
        if number is not None:
            blocks.append({"qid": number[1]})
            continue
        name, _, value = line.partition(":")
        (blocks[-1] if blocks else head).setdefault(name.strip().lower(), value.strip())
    pools: list[Pool] = []
    devices: dict[str, Device] = {}
    faults: list[Fault] = []
    for block in blocks[:_MOST_DEVICES]:
        address = bus_address(block.get("pci address", ""))
        key = address or f"qaic-{block['qid']}"
        if key in devices:
            continue
        pool = _pool(key, block)
        pools += [] if pool is None else [pool]
        devices[key] = _device(key, address, block, pool)
        faults += _faults(key, block)
    version = head.get("lrt qc_image_version", "")[:_TEXT_LENGTH]
    return Reading(
        pools=tuple(pools),
        devices=tuple(devices.values()),
        faults=tuple(faults),
        versions=(Version(name="Qualcomm runtime", value=version),) if version and devices else (),
    )


def _device(key: str, address: str | None, block: dict[str, str], pool: Pool | None) -> Device:
    sku = block.get("sku type", "").lower().split()
    product = _PRODUCTS.get(sku[-1]) if sku else None
    soc_watts = figure(block.get("soc power(watts)", ""))
    board_watts = figure(block.get("board power(watts)", ""))
    # Each SoC of a card reports the whole card's power too.
    limit = "soc tdp cap(watts)" if soc_watts is not None else "board tdp cap(watts)"
    return Device(
        key=key,
        name=f"Qualcomm Cloud AI 100 {product}" if product else "Qualcomm Cloud AI 100",
        vendor="qualcomm",
        index=int(block["qid"]),
        pool_key=key,
        used_bytes=None if pool is None else pool.used_bytes,
        temperature_celsius=figure(block.get("soc temperature(degree c)", "")),
        power_watts=board_watts if soc_watts is None else soc_watts,
        power_limit_watts=figure(block.get(limit, block.get("tdp cap(watts)", ""))) or None,
        bus_address=address,
        driver="qaic",
    )


def _pool(key: str, block: dict[str, str]) -> Pool | None:
    total, free = n_bytes(block.get("dram total", "")), n_bytes(block.get("dram free", ""))
    if not total or free is None:
        return None
    free = min(free, total)
    return Pool(key=key, total_bytes=total, used_bytes=total - free, free_bytes=free)


def _faults(key: str, block: dict[str, str]) -> tuple[Fault, ...]:
    status = block.get("status", "Ready")[:_TEXT_LENGTH]
    if status == "Ready":
        return ()
    message = f'its status is "{status}", not "Ready"; resetting the SoC may help (qaic-util -s, as root)'
    return (Fault(probe="qualcomm", message=message, device_key=key),)
