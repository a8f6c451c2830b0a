"""Which device computes each node, and where a graph is cut: llama.cpp's scheduler.

ggml/src/ggml-backend.cpp, `ggml_backend_sched_split_graph`, as of 2026-10-01. A device is a number from 0 on; the host
stands last, as number ``n_devices``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from estimator.graph import VIEWS, Graph, Node
from estimator.kernels import has_kernel_for, scratch_bytes
from estimator.patience import pause
from estimator.quant import BLOCKS
from estimator.rounding import Rounding

OFFLOAD_MIN_TOKENS = 32
"""From so many rows on, a device computes with weights that lie on the host (`offload_op`, ggml-cuda.cu)."""
SCRATCHY = frozenset({"FLASH_ATTN_EXT", "ARGSORT", "MUL_MAT_ID"})
"""Operations whose kernels want memory behind their result."""
OF_EXPERTS = frozenset({"MUL_MAT_ID", "MOE_UP_GATE"})
_NODES_BETWEEN_PAUSES = 512
"""Of 4,000 and more; to cut between them takes 1 ms or so."""
_FOLLOWS_NO_WEIGHT = frozenset({"ROPE", "FLASH_ATTN_EXT"})
"""Their small weights don't decide where they are computed."""


@dataclass(slots=True)
class Split:
    """Nodes that one device computes in one go."""

    device: int
    start: int
    end: int = 0
    copied: list[tuple[Node, list[Node]]] = field(default_factory=list)
    """What it takes from elsewhere, each with its copies: one, or several where steps overlap."""


class Scheduler:
    """Devices and how they work together."""

    def __init__(
        self,
        n_devices: int,
        rounding: Rounding,
        *,
        offloads_operations: bool = True,
        kind: str = "cuda",
        expands_cache: bool = True,
        spares_experts: bool = False,
        lacks_kernels: bool = True,
        n_copies: int = 1,
    ) -> None:
        """Describe the devices.

        Args:
            n_devices: beside the host.
            rounding: of what is copied to a device.
            offloads_operations: the first device computes with weights of the host where a step is large.
            kind: whose kernels they run, a key of KERNELS.
            expands_cache: a quantised cache's copy for flash attention lies behind its result.
            spares_experts: experts on the host stay there unless each has many tokens (ik_llama.cpp).
            lacks_kernels: devices have flash attention for some heads only, those of today's kernels; those of older
                builds and of ik_llama.cpp are taken to have what they were asked for.
            n_copies: of everything that devices hand over; more than 1 where their steps overlap.
        """
        self.n_devices, self.host = n_devices, n_devices
        self._rounding, self._offloads, self._n_copies = rounding, offloads_operations, n_copies
        self._kind, self._expands_cache, self._spares_experts = kind, expands_cache, spares_experts
        self._lacks_kernels = lacks_kernels

    def schedule(self, graph: Graph) -> list[Split]:
        """Assign every node to a device, and cut. Sources on other devices are replaced by copies."""
        self._assign(graph)
        pause()
        splits = self._split(graph)
        pause()
        for node in graph.nodes:
            if node.op in SCRATCHY and (self._expands_cache or node.op != "FLASH_ATTN_EXT"):
                node.scratch_bytes = scratch_bytes(node, self._kind, self._rounding)
        return splits

    def _number(self, home: int) -> int:
        return self.host if home < 0 else home

    def _supports(self, device: int, node: Node) -> bool:
        """A device can't compute with what lies on another, nor without a kernel; the host can with everything."""
        if device == self.host:
            return True
        for source in node.sources:
            if source.base is None and source.home is not None and 0 <= source.home != device:
                return False
        return not self._lacks_kernels or node.op != "FLASH_ATTN_EXT" or _has_kernel(node, self._kind)

    def _assign(self, graph: Graph) -> None:
        for node in (found for found in graph.inputs if found.is_input):
            node.device = self.host
        for node in graph.nodes:
            node.device = self._device_of_memory(node) if node.pinned is None else self._number(node.pinned)
        computed = [node for node in graph.nodes if node.op not in VIEWS]
        # A device's assignment spreads over its neighbours first, down and up; the host takes what is left.
        for is_host_kept in (True, False):
            pause()
            self._spread(computed, is_host_kept=is_host_kept)
            self._spread(reversed(computed), is_host_kept=is_host_kept)
        pause()
        for node in computed:
            if node.device is None:
                node.device = self._nearest(node)
        for node in graph.nodes:
            if node.base is not None and node.device is None:
                node.device = self._known_device(node.base)
            for source in node.sources:
                if source.device is None:
                    known = self._known_device(source)
                    source.device = node.device if known is None else known

    def _device_of_memory(self, node: Node) -> int | None:
        """Where a node's own memory, or its first weight, lies."""
        home = node.settled_home
        if home is not None:
            return self._number(home)
        if node.op in _FOLLOWS_NO_WEIGHT:
            return None
        weight = next((source for source in node.sources if source.op == "WEIGHT"), None)
        if weight is None or weight.home is None:
            return None
        device = self._number(weight.home)
        if device == self.host and self._offloads and self._is_worth_fetching(node, weight):
            return next((n for n in range(self.n_devices) if self._supports(n, node)), device)
        return device

    def _is_worth_fetching(self, node: Node, weight: Node) -> bool:
        n_rows = _n_rows(node)
        if self._spares_experts and node.op in OF_EXPERTS and n_rows >= OFFLOAD_MIN_TOKENS:
            return n_rows * node.shape[1] >= OFFLOAD_MIN_TOKENS * weight.extents[2]
        return n_rows >= OFFLOAD_MIN_TOKENS

    def _spread(self, nodes: Iterable[Node], *, is_host_kept: bool) -> None:
        current: int | None = None
        for node in nodes:
            if node.device is not None:
                current = None if is_host_kept and node.device == self.host else node.device
            elif current is not None and self._supports(current, node):
                node.device = current

    def _nearest(self, node: Node) -> int:
        """The device that has most of what the node needs."""
        best, best_n = 0, -1
        for device in range(self.n_devices + 1):
            if not self._supports(device, node):
                continue
            n = sum(self._lies_on(source, device) for source in node.sources)
            if n > best_n:
                best, best_n = device, n
        return best

    def _known_device(self, node: Node) -> int | None:
        if node.device is not None:
            return node.device
        if node.home is not None:
            return self._number(node.home)
        return self._known_device(node.base) if node.base is not None else None

    def _lies_on(self, node: Node, device: int) -> bool:
        home = node.settled_home
        return (self._number(home) if home is not None else self._known_device(node)) == device

    def _split(self, graph: Graph) -> list[Split]:
        nodes = graph.nodes
        first = next(node.device for node in nodes if node.op not in VIEWS)
        assert first is not None
        splits = [Split(first, 0)]
        copies: dict[tuple[int, int], list[Node]] = {}
        for index, node in enumerate(nodes):
            if index % _NODES_BETWEEN_PAUSES == 0:
                pause()
            if node.op in VIEWS:
                continue
            split, device = splits[-1], node.device
            assert device is not None
            if device != split.device or (split.copied and self._needs_weight(node, device)):
                split.end = index
                split = Split(device, index)
                splits.append(split)
            for position, source in enumerate(node.sources):
                if source.device != device and not self._lies_on(source, device):
                    key = (id(source), device)
                    if key not in copies:
                        copies[key] = [self._copy(source, device) for _ in range(self._n_copies)]
                        split.copied.append((source, copies[key]))
                    node.sources[position] = copies[key][0]
        splits[-1].end = len(nodes)
        return splits

    def _needs_weight(self, node: Node, device: int) -> bool:
        """A weight from elsewhere begins a split of its own, so that only one is held at a time."""
        return any(
            source.op == "WEIGHT" and source.device != device and not self._lies_on(source, device)
            for source in node.sources
        )

    def _copy(self, source: Node, device: int) -> Node:
        copied = Node(f"{source.name} (copy)", "NONE", source.type, source.shape, n_bytes=source.n_bytes)
        copied.device = device
        multiple = self._rounding.row_multiple
        block = BLOCKS[source.type]
        if multiple and block.n_weights > 1 and source.shape[0] % multiple:
            copied.scratch_bytes = (multiple - source.shape[0] % multiple) // block.n_weights * block.n_bytes
        if self._n_copies > 1:
            copied.is_input = copied.is_output = True
        return copied


def _has_kernel(node: Node, kind: str) -> bool:
    query, keys, values, *_ = node.sources
    return has_kernel_for(kind, keys.shape[0], values.shape[0], query.extents[2] // keys.extents[2])


def _n_rows(node: Node) -> int:
    """How many rows a device would compute (`get_op_batch_size`, ggml-cuda.cu)."""
    extents = node.extents
    if node.op == "GET_ROWS":
        return 0
    if node.op == "MUL_MAT":
        return extents[1]
    if node.op in OF_EXPERTS or node.op == "ROPE":
        return extents[2]
    return extents[1] * extents[2] * extents[3]
