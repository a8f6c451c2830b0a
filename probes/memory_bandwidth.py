"""How fast the RAM can be read: an estimate, and what it rests on.

Without rights nothing says it, so there are three ways, from the best to the worst:

* the modules as the firmware lists them: SMBIOS (DMTF DSP0134 3.7, 7.18, "Memory Device"), which only root may read;
* the channels in use, which the kernel's EDAC driver tells everybody where it is loaded
  (docs.kernel.org/driver-api/edac.html), with the fastest memory that the processor takes;
* all channels that the processor has, with that memory.

It is the peak of the wires, as data sheets state it. The files were written after these documents, not recorded.
"""

import os
from typing import NamedTuple

from probes.memory_channels import Channels, channels_of_arm, channels_of_x86
from probes.processor import Processor
from probes.sysfs import read_bytes, read_number, read_text

CORE_GIGABYTES_PER_SECOND = 20.0
"""ASSUMED: one core of a server waits for memory most of the time. Comparing two buffers of 512 MiB read 15.8 GB/s on
one core of an EPYC (family 25, model 17) whose neighbours were busy: our measurement, 2026-11-26."""

_MODULES = "/sys/firmware/dmi/entries"
_CONTROLLERS = "/sys/devices/system/edac/mc"
_MOST_MODULES = 128
_LEAST_BYTES = 0x1C
"""A memory device of SMBIOS 2.3, up to its speed."""
_MEMORY = {0x12: "DDR", 0x13: "DDR2", 0x18: "DDR3", 0x1A: "DDR4", 0x1B: "LPDDR", 0x1C: "LPDDR2", 0x1D: "LPDDR3"} | {
    0x1E: "LPDDR4",
    0x20: "HBM",
    0x21: "HBM2",
    0x22: "DDR5",
    0x23: "LPDDR5",
}


class Bandwidth(NamedTuple):
    """10^9 bytes a second, and what that rests on; both None where there is nothing to rest it on."""

    gigabytes_per_second: float | None = None
    basis: str | None = None


class Module(NamedTuple):
    """One module of memory that is plugged in."""

    width_bits: int
    megatransfers: int
    memory: str


def bandwidth_of(root: str, processor: Processor) -> Bandwidth:
    """Of all sockets together, and no more than the cores that may be used can read."""
    known = _known_channels(root, processor)
    n_sockets = processor.n_sockets or 1
    if not processor.is_guest:  # a guest's firmware describes modules that aren't there
        modules = _modules(root)
        if modules:
            return _bounded(_by_modules(modules, known, n_sockets), processor)
    if known is None:
        return Bandwidth()
    n_channels = known.n_channels * n_sockets
    n_used = 0 if processor.is_guest else _n_channels_in_use(root)
    if 0 < n_used < n_channels:
        basis = f"{n_used} of {n_channels} channels in use, with {known.memory}: the fastest that the processor takes"
        return _bounded(_bandwidth(n_used, known.megatransfers, basis), processor)
    channels = f"{n_channels} channels of {known.memory}" if n_channels > 1 else f"1 channel of {known.memory}"
    basis = f"{channels}: all that the processor has, and the fastest that it takes"
    return _bounded(_bandwidth(n_channels, known.megatransfers, basis), processor)


def parse_module(raw: bytes) -> Module | None:
    """A structure of type 17; None where nothing is plugged in, or the speed is not said."""
    if len(raw) < _LEAST_BYTES or raw[0] != 17:
        return None
    length = min(raw[1], len(raw))

    def word(offset: int) -> int:
        return int.from_bytes(raw[offset : offset + 2], "little") if offset + 2 <= length else 0

    def double(offset: int) -> int:
        return int.from_bytes(raw[offset : offset + 4], "little") & 0x7FFFFFFF if offset + 4 <= length else 0

    width_bits, size = word(0x0A), word(0x0C)
    configured, rated = word(0x20), word(0x15)
    # 0xFFFF: see the 32-bit field of SMBIOS 3.3
    configured = double(0x58) if configured == 0xFFFF else configured
    rated = double(0x54) if rated == 0xFFFF else rated
    speed = configured or rated
    if size in (0, 0xFFFF) or not 8 <= width_bits <= 1024 or not 100 <= speed <= 50_000:
        return None
    return Module(width_bits=width_bits, megatransfers=speed, memory=_MEMORY.get(raw[0x12], "memory"))


def _by_modules(modules: list[Module], known: Channels | None, n_sockets: int) -> Bandwidth:
    """As many channels as are filled: two modules share one where there are more of them than channels."""
    slowest = min(module.megatransfers for module in modules)
    most_bits = 64 * n_sockets * (known.n_channels if known else 2)
    n_bits = min(sum(module.width_bits for module in modules), most_bits)
    n_channels = max(1, n_bits // 64)
    of = "channels" if n_channels > 1 else "channel"
    basis = f"{n_channels} {of} of {modules[0].memory}-{slowest}: {len(modules)} modules, as the firmware lists them"
    return _bandwidth(n_channels, slowest, basis)


def _bandwidth(n_channels: int, megatransfers: int, basis: str) -> Bandwidth:
    return Bandwidth(gigabytes_per_second=n_channels * megatransfers * 8 / 1000, basis=basis)


def _bounded(bandwidth: Bandwidth, processor: Processor) -> Bandwidth:
    n_cores = min(processor.n_cores or 1 << 16, processor.usable_cores or 1 << 16)
    most = n_cores * CORE_GIGABYTES_PER_SECOND
    if bandwidth.gigabytes_per_second is None or most >= bandwidth.gigabytes_per_second:
        return bandwidth
    return Bandwidth(
        gigabytes_per_second=most, basis=f"{n_cores:g} cores at {CORE_GIGABYTES_PER_SECOND:g} GB/s each (assumed)"
    )


def _known_channels(root: str, processor: Processor) -> Channels | None:
    name = processor.name or ""
    if processor.vendor_family_model is not None:
        return channels_of_x86(*processor.vendor_family_model, name)
    maker = " ".join(read_text(f"{root}/sys/class/dmi/id/{file}", 128) or "" for file in ("sys_vendor", "product_name"))
    return channels_of_arm(name, maker)


def _modules(root: str) -> list[Module]:
    try:
        entries = sorted(name for name in os.listdir(f"{root}{_MODULES}") if name.startswith("17-"))
    except OSError:
        return []
    parsed = (parse_module(read_bytes(f"{root}{_MODULES}/{name}/raw", 512) or b"") for name in entries[:_MOST_MODULES])
    return [module for module in parsed if module is not None]


def _n_channels_in_use(root: str) -> int:
    """Channels that have a module; 0 where the kernel does not say."""
    channels = set()
    for controller in _names(f"{root}{_CONTROLLERS}", "mc"):
        folder = f"{root}{_CONTROLLERS}/{controller}"
        for module in (*_names(folder, "dimm"), *_names(folder, "rank")):
            words = (read_text(f"{folder}/{module}/dimm_location", 128) or "").split()
            size = read_number(f"{folder}/{module}/size") or 0
            if size > 0 and "channel" in words[:-1]:
                channels.add((controller, words[words.index("channel") + 1]))
    return len(channels)


def _names(folder: str, start: str) -> list[str]:
    try:
        found = sorted(name for name in os.listdir(folder) if name.startswith(start) and name[len(start) :].isdigit())
    except OSError:
        return []
    return found[:_MOST_MODULES]
