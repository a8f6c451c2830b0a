"""The nodes of a Linux machine's memory (NUMA), from /sys/devices/system/node: docs.kernel.org, ABI/stable."""

from dataclasses import dataclass

from probes.sysfs import read_text, whole_number

_MOST_NODES = 256
_MOST_CPUS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
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
    """All of them; a node may have processors or devices alone."""
    online = numbers_of(read_text(f"{root}/sys/devices/system/node/online", 256) or "")[:_MOST_NODES]
    return tuple(node for number in online if (node := read_node(root, number)).total_bytes > 0)


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
