"""GPUs as AMD's compute driver (KFD) shows them to ROCm, and what each compute process holds. No root.

- ``/sys/class/kfd/kfd/topology/nodes/N/properties``: ``simd_count``, ``gfx_target_version``, ``location_id``,
  ``drm_render_minor``, ``unique_id``; ``mem_banks/M/properties``: ``heap_type``, ``size_in_bytes``. The size of the
  local banks is what HIP reports as a GPU's memory: 118 111 600 640 bytes in both on a Ryzen AI MAX+ 395
  (github.com/ROCm/rocm-systems/pull/8475). Files of MI50, MI210, MI300X and MI308X were seen in testdata/ of
  github.com/ROCm/k8s-device-plugin (2026-08-11).
- ``/sys/class/kfd/kfd/proc/PID/vram_GPUID``: bytes that a process asked of a GPU's memory, readable by all
  (drivers/gpu/drm/amd/amdkfd/kfd_process.c, kfd_procfs_add_sysfs_files). PID is the machine's number, also where this
  is read inside a container.
"""

import os

from probes.drm import natural
from probes.sysfs import read_bytes, read_text
from records.record import record

_NODES = "/sys/class/kfd/kfd/topology/nodes"
_PROCESSES = "/sys/class/kfd/kfd/proc"
_LOCAL_HEAPS = frozenset({1, 2})
"""HSA_MEM_HEAP_TYPE_FB_PUBLIC and _PRIVATE of kfd_topology.h; 0 is system memory, 4 and 5 are scratch and LDS."""
_MOST_NODES = 1024
_MOST_BANKS = 16


@record(frozen=True, slots=True, kw_only=True)
class ComputeNode:
    """One GPU, or one part of a GPU that is split into several."""

    number: int
    gpu_id: int
    bus_address: str
    """Of the whole GPU: a part's own has its number as function."""
    part: int
    """Of a split GPU; 0 otherwise."""
    architecture: str
    """``gfx1100``."""
    n_compute_units: int | None
    unique_id: int
    """0 where the GPU has none."""
    local_bytes: int | None
    """What HIP says that its memory is."""


def compute_nodes(root: str) -> tuple[ComputeNode, ...]:
    """In the order in which ROCm numbers them: by their nodes."""
    numbers = sorted(int(name) for name in _numeric_names(f"{root}{_NODES}"))
    nodes = (_node(f"{root}{_NODES}/{number}", number) for number in numbers[:_MOST_NODES])
    return tuple(node for node in nodes if node is not None)


def topology_generation(root: str) -> int | None:
    """Another number after each change of the nodes: a GPU was added, removed, split or joined."""
    return natural(f"{root}/sys/class/kfd/kfd/topology/generation_id")


def _node(path: str, number: int) -> ComputeNode | None:
    fields = _properties(f"{path}/properties")
    simds, location = fields.get("simd_count", 0), fields.get("location_id", 0)
    gpu_id = natural(f"{path}/gpu_id")
    if simds == 0 or not gpu_id:
        return None  # a processor
    per_unit = fields.get("simd_per_cu", 0)
    return ComputeNode(
        number=number,
        gpu_id=gpu_id,
        bus_address=f"{fields.get('domain', 0):04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.0",
        part=location & 7,
        architecture=architecture(fields.get("gfx_target_version", 0)),
        n_compute_units=simds // per_unit if per_unit and simds < 1 << 20 else None,
        unique_id=fields.get("unique_id", 0),
        local_bytes=_local_bytes(f"{path}/mem_banks"),
    )


def _properties(path: str) -> dict[str, int]:
    """Lines of a name and a number of up to 64 bits, which unique ids fill."""
    fields = {}
    for line in (read_bytes(path) or b"").splitlines():
        name, _, value = line.partition(b" ")
        if value.isdigit() and len(value) <= 20 and int(value) < 1 << 64:
            fields[name.decode(errors="replace")] = int(value)
    return fields


def architecture(version: int) -> str:
    """``gfx90a`` of 90010: major, two digits of minor, two of stepping, the latter two printed in base 16."""
    major, minor, stepping = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{stepping:x}" if 0 < major < 100 else ""


def _local_bytes(banks: str) -> int | None:
    """Of all local banks together; None where there is none."""
    found = [_properties(f"{banks}/{name}/properties") for name in _numeric_names(banks)[:_MOST_BANKS]]
    sizes = [bank.get("size_in_bytes", 0) for bank in found if bank.get("heap_type") in _LOCAL_HEAPS]
    total = sum(sizes)
    return total if 0 < total < 1 << 63 else None


def held_bytes(root: str) -> dict[tuple[int, int], int] | None:
    """(pid, gpu id) -> bytes, of every process that has ROCm open; None where the driver does not tell."""
    if not os.path.isdir(f"{root}{_PROCESSES}"):
        return None
    held: dict[tuple[int, int], int] = {}
    for pid in _numeric_names(f"{root}{_PROCESSES}"):
        folder = f"{root}{_PROCESSES}/{pid}"
        for name in _listed(folder):
            gpu_id = name.removeprefix("vram_")
            if gpu_id != name and _is_number(gpu_id):
                n_bytes = natural(f"{folder}/{name}")
                if n_bytes is not None:
                    held[int(pid), int(gpu_id)] = n_bytes
    return held


def rocm_version(root: str) -> str | None:
    """Of the ROCm that the system's packages installed; programs may bring another one along."""
    text = read_text(f"{root}/opt/rocm/.info/version", 64)
    return text.partition("-")[0][:32] or None if text else None


def _numeric_names(folder: str) -> list[str]:
    return [name for name in _listed(folder) if _is_number(name)]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
