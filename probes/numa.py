"""The nodes of a Linux machine's memory (NUMA), from /sys/devices/system/node: docs.kernel.org, ABI/stable."""

import os
from typing import NamedTuple

from probes.sysfs import read_text, whole_number

_MOST_NODES = 256
_MOST_CPUS = 1 << 16
_NVIDIA_GPUS = "/proc/driver/nvidia/gpus"
_MOST_GPUS = 64


class Node(NamedTuple):
    """Zeros where the kernel does not say."""

    number: int
    total_bytes: int
    unused_bytes: int
    cached_bytes: int
    """Files in memory, without those that live only there (tmpfs)."""


def read_node(root: str, number: int) -> Node:
    """From lines such as ``Node 1 MemTotal: 5 kB``."""
    found: dict[str, int] = {}
    for line in (read_text(f"{root}/sys/devices/system/node/node{number}/meminfo", 8192) or "").splitlines():
        words = line.split()
        size = whole_number(words[3], 15) if len(words) >= 4 else None
        if size is not None:
            found[words[2].rstrip(":")] = 1024 * size
    return Node(
        number=number,
        total_bytes=found.get("MemTotal", 0),
        unused_bytes=found.get("MemFree", 0),
        cached_bytes=max(0, found.get("FilePages", 0) - found.get("Shmem", 0)),
    )


def nodes_with_memory(root: str) -> tuple[Node, ...]:
    """Those of the host's RAM; a node may have processors or devices alone, and one may be a GPU's memory."""
    online = numbers_of(read_text(f"{root}/sys/devices/system/node/online", 256) or "")[:_MOST_NODES]
    of_gpus = gpu_nodes(root)
    nodes = (read_node(root, number) for number in online if number not in of_gpus)
    return tuple(node for node in nodes if node.total_bytes > 0)


def gpu_nodes(root: str) -> tuple[int, ...]:
    """NUMA nodes that are a GPU's own memory.

    On Grace Hopper and Grace Blackwell the driver gives the GPU's memory to the kernel as a node without processors,
    so MemTotal counts it; NVML reports the same bytes once more (nvml.h, note on nvmlMemory_t for NUMA systems). From
    documents: kernel-open/nvidia/nv-procfs.c of NVIDIA/open-gpu-kernel-modules, nv_procfs_read_numa_status.
    """
    nodes = []
    try:
        gpus = sorted(os.listdir(f"{root}{_NVIDIA_GPUS}"))[:_MOST_GPUS]
    except OSError:
        return ()
    for gpu in gpus:
        text = (read_text(f"{root}{_NVIDIA_GPUS}/{gpu}/numa_status", 4096) or "").lower()
        fields = dict("".join(line.split()).split(":", 1) for line in text.splitlines() if ":" in line)
        node = whole_number(fields.get("node", ""), 5)
        if node is not None and fields.get("status") == "online":
            nodes.append(node)
    return tuple(dict.fromkeys(nodes))


def numbers_of(text: str) -> tuple[int, ...]:
    """Of a list of processors or nodes such as ``0-3,8``: see cpuset(7). Nothing of anything else."""
    numbers: list[int] = []
    for span in text.split(","):
        first, dash, last = span.strip().partition("-")
        start = whole_number(first, 6)
        end = whole_number(last, 6) if dash else start
        if start is None or end is None or not start <= end < _MOST_CPUS:
            return ()
        numbers += range(start, end + 1)
    return tuple(numbers)
