"""A stand-in for Intel's kernel drivers: render nodes that can be opened and asked for their regions of memory."""

import ctypes
import struct
from dataclasses import dataclass, field

from probes.intel_regions import NodeAccess

XE_QUERY = 0xC0286440
I915_QUERY = 0xC0106479


@dataclass(kw_only=True)
class FakeNode:
    """One render node. Regions are (is its own, total, used)."""

    driver: str
    regions: list[tuple[bool, int, int]] = field(default_factory=list)
    refused: int | None = None
    """The error with which it can't be opened."""
    lost: int | None = None
    """The error with which questions are answered."""
    n_open: int = 0
    n_asked: int = 0

    def answer(self) -> bytes:
        if self.driver == "xe":
            rows = (
                struct.pack("=HHIQQQQ48x", int(own), number, 4096, total, used, 0, 0)
                for number, (own, total, used) in enumerate(self.regions)
            )
            return struct.pack("=II", len(self.regions), 0) + b"".join(rows)
        rows = (struct.pack("=HHIQQ64x", int(own), 0, 0, total, total - used) for own, total, used in self.regions)
        return struct.pack("=I12x", len(self.regions)) + b"".join(rows)


class FakeNodes:
    """All nodes of one machine, by the end of their path."""

    def __init__(self, nodes: dict[str, FakeNode]) -> None:
        self.nodes = nodes
        self._opened: dict[int, FakeNode] = {}

    def access(self) -> NodeAccess:
        return NodeAccess(open=self.open, close=self.close, ioctl=self.ioctl)

    def open(self, path: str) -> int:
        node = next((node for name, node in self.nodes.items() if path.endswith(name)), None)
        if node is None:
            raise FileNotFoundError(2, "No such file or directory", path)
        if node.refused is not None:
            raise OSError(node.refused, "refused", path)
        node.n_open += 1
        descriptor = 1000 + len(self._opened)
        self._opened[descriptor] = node
        return descriptor

    def close(self, descriptor: int) -> None:
        self._opened[descriptor].n_open -= 1

    def ioctl(self, descriptor: int, request: int, structure: bytearray) -> int:
        node = self._opened[descriptor]
        if node.lost is not None:
            raise OSError(node.lost, "No such device")
        node.n_asked += 1
        if request != (XE_QUERY if node.driver == "xe" else I915_QUERY):
            raise OSError(25, "Inappropriate ioctl for device")
        if node.driver == "xe":
            _, query, n_bytes, address, *_ = struct.unpack("=QIIQQQ", structure)
            structure[12:16] = struct.pack("=I", _fill(node, query == 1, n_bytes, address))
        else:
            _, _, item = struct.unpack("=IIQ", structure)
            query, n_bytes, _, address = struct.unpack("=QiIQ", ctypes.string_at(item, 24))
            ctypes.memmove(item + 8, struct.pack("=i", _fill(node, query == 4, n_bytes, address)), 4)
        return 0


def _fill(node: FakeNode, is_known: bool, n_bytes: int, address: int) -> int:
    """The size of the answer, which is written where there is room of just that size."""
    answer = node.answer()
    if not is_known or n_bytes not in (0, len(answer)):
        raise OSError(22, "Invalid argument")
    if n_bytes:
        ctypes.memmove(address, answer, len(answer))
    return len(answer)
