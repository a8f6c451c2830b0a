"""The processor of a Linux machine: its name, its cores, what it can do, and how much of it may be used from here.

From /proc/cpuinfo, /proc/self/status and /sys/devices/system (docs.kernel.org, ABI/testing/sysfs-devices-system-cpu
and ABI/stable/sysfs-devices-node); read once, when the probe is opened.
"""

from probes.cgroup import levels
from probes.numa import nodes_with_memory, numbers_of
from probes.sysfs import read_number, read_text, whole_number
from records.record import record

_FIRST_ENTRY_BYTES = 8192
"""Holds the first of /proc/cpuinfo, some 200 flags of 2026; all of it takes milliseconds where cores are many."""
_ALL_ENTRIES_BYTES = 128 * 1024
"""On Arm an entry has some 600 bytes and costs nothing to make, and the cores may be of several kinds."""
_NAME_LENGTH = 100

_FLAGS = {
    # x86: arch/x86/include/asm/cpufeatures.h
    "avx2": "avx2",
    "avx_vnni": "avx_vnni",
    "avx512f": "avx512",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx",
    "amx_bf16": "amx_bf16",
    # Arm: docs.kernel.org/arch/arm64/elf_hwcaps.html
    "asimd": "neon",
    "neon": "neon",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
    # POWER and s390 say theirs elsewhere; LoongArch, RISC-V
    "lasx": "lasx",
    "vx": "vx",
}
"""What the kernel calls it -> what it is called here: those that llama.cpp has kernels for (ggml/src/ggml-cpu)."""

_ARM_CORES = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x41, 0xD83): "Neoverse-V3AE",
    (0x41, 0xD84): "Neoverse-V3",
    (0x41, 0xD85): "Cortex-X925",
    (0x41, 0xD87): "Cortex-A725",
    (0x41, 0xD8E): "Neoverse-N3",
    (0x46, 0x001): "A64FX",
    (0x48, 0xD01): "Kunpeng 920",
    (0x4E, 0x004): "Carmel",
    (0xC0, 0xAC3): "Ampere-1",
    (0xC0, 0xAC4): "Ampere-1A",
}
"""(Implementer, part) of /proc/cpuinfo: arch/arm64/include/asm/cputype.h of Linux 6.17."""


@record(frozen=True, slots=True, kw_only=True)
class Processor:
    """As ``Machine`` has it."""

    name: str | None = None
    vendor_family_model: tuple[str, int, int] | None = None
    """``("AuthenticAMD", 25, 17)``: x86 only."""
    n_sockets: int | None = None
    n_cores: int | None = None
    n_logical_cores: int | None = None
    usable_cores: float | None = None
    instruction_sets: tuple[str, ...] = ()
    is_guest: bool = False
    """The processor says that a hypervisor is below it (x86)."""
    node_bytes: tuple[int, ...] = ()
    """The RAM of each NUMA node that has some."""


def read_processor(root: str) -> Processor:
    """What can be known of it without rights."""
    text = read_text(f"{root}/proc/cpuinfo", _FIRST_ENTRY_BYTES) or ""
    if "CPU part" in text:
        text = read_text(f"{root}/proc/cpuinfo", _ALL_ENTRIES_BYTES) or text
    fields = _first_entry(text)
    flags = (fields.get("flags") or fields.get("Features") or fields.get("features") or "").split()
    online = numbers_of(read_text(f"{root}/sys/devices/system/cpu/online") or "")
    n_sockets = _n_sockets(root, online)
    name = fields.get("model name") or fields.get("cpu model") or _arm_name(text) or fields.get("cpu") or _board(root)
    return Processor(
        name=name[:_NAME_LENGTH] if name else None,
        vendor_family_model=_kind(fields),
        n_sockets=n_sockets,
        n_cores=_n_cores(len(online), fields.get("cpu cores", ""), n_sockets),
        n_logical_cores=len(online) or None,
        usable_cores=_usable_cores(root, len(online)),
        instruction_sets=tuple(dict.fromkeys(_FLAGS[flag] for flag in flags if flag in _FLAGS)),
        is_guest="hypervisor" in flags,
        node_bytes=tuple(node.total_bytes for node in nodes_with_memory(root)),
    )


def _first_entry(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.split("\n\n", 1)[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    return fields


def _kind(fields: dict[str, str]) -> tuple[str, int, int] | None:
    family, model = whole_number(fields.get("cpu family", ""), 5), whole_number(fields.get("model", ""), 5)
    return None if family is None or model is None else (fields.get("vendor_id", ""), family, model)


def _arm_name(text: str) -> str | None:
    """``Cortex-X925 and Cortex-A725``: all kinds of cores, the one of the highest number first."""
    kinds: dict[tuple[int, int], None] = {}
    implementer = 0
    for line in text.splitlines():
        name, _, value = line.partition(":")
        try:
            if name.startswith("CPU implementer"):
                implementer = int(value, 16)
            elif name.startswith("CPU part"):
                kinds[implementer, int(value, 16)] = None
        except ValueError:
            continue
    names = [_ARM_CORES[kind] for kind in kinds if kind in _ARM_CORES]
    return " and ".join(reversed(names[:4])) or None


def _board(root: str) -> str | None:
    """``Apple MacBook Air (M1, 2020)``, ``Raspberry Pi 5 Model B``: a device tree's name of the whole machine."""
    return (read_text(f"{root}/sys/firmware/devicetree/base/model", 128) or "").strip("\0 \n") or None


def _n_sockets(root: str, online: tuple[int, ...]) -> int | None:
    if not online:
        return None
    last = read_number(f"{root}/sys/devices/system/cpu/cpu{online[-1]}/topology/physical_package_id")
    return last + 1 if last is not None and 0 <= last < 64 else 1


def _n_cores(n_logical: int, cores_per_socket: str, n_sockets: int | None) -> int | None:
    """Physical cores: those of one socket (x86 says so in /proc/cpuinfo) times the sockets, else logical ones."""
    n_of_socket = whole_number(cores_per_socket, 5)
    if n_of_socket is None or n_logical == 0:
        return n_logical or None
    return min(n_logical, max(1, n_of_socket) * (n_sockets or 1))


def _usable_cores(root: str, n_online: int) -> float | None:
    """The tighter of the processors that this may run on and the quotas of its groups; None where that is all."""
    allowed = ""
    for line in (read_text(f"{root}/proc/self/status", 4096) or "").splitlines():
        if line.startswith("Cpus_allowed_list:"):
            allowed = line.partition(":")[2].strip()
    bounds = [float(len(numbers))] if (numbers := numbers_of(allowed)) else []
    for level in levels(root, "cpu"):
        if level.version == 2:
            quota, _, period = (read_text(f"{level.folder}/cpu.max", 64) or "").partition(" ")
        else:
            quota = read_text(f"{level.folder}/cpu.cfs_quota_us", 32) or ""
            period = read_text(f"{level.folder}/cpu.cfs_period_us", 32) or ""
        quota_microseconds, period_microseconds = whole_number(quota, 15), whole_number(period, 15)
        if quota_microseconds and period_microseconds:
            bounds.append(quota_microseconds / period_microseconds)
    least = min(bounds, default=None)
    return None if least is None or n_online == 0 or least >= n_online else least
