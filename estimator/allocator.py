"""Where each node's memory lies in its device's buffer, and so how large the buffer is: llama.cpp's graph allocator.

ggml/src/ggml-alloc.c, `ggml_gallocr_reserve_n` and `ggml_dyn_tallocr_alloc`, as of 2026-10-01: the best fit among the
free blocks, in place where a node may take over its source's memory, and the high-water mark is the buffer. Nodes that
CUDA fuses live longer than their readers (`ggml_backend_cuda_graph_optimize`, ggml-cuda.cu).
"""

from collections import Counter
from collections.abc import Sequence

from estimator.fusion import longer_lives
from estimator.graph import Graph, Node
from estimator.patience import pause
from estimator.scheduler import Split

IN_PLACE = frozenset(
    {
        "FILL", "SCALE", "ADD", "ADD_ID", "SUB", "MUL", "DIV", "SQR", "SQRT", "UNARY", "ROPE", "RMS_NORM", "CLAMP",
        "SOFT_MAX",
    }
)  # fmt: skip
"""Operations that may write over what they read (`ggml_op_can_inplace`)."""
_ENDLESS = 1 << 62
_NODES_BETWEEN_PAUSES = 256
"""Of 4,000 and more; to place them takes 1 ms or so."""
Mark = tuple[object, ...]
"""All that decides where a layer's nodes will lie, at its start."""


class Pool:
    """The free blocks of one buffer; the last one has no end."""

    __slots__ = ("alignment_bytes", "blocks", "peak_bytes")

    def __init__(self, alignment_bytes: int) -> None:
        self.alignment_bytes = alignment_bytes
        self.blocks: list[list[int]] = [[0, _ENDLESS]]
        """(address, bytes), by address."""
        self.peak_bytes = 0

    def pad(self, n_bytes: int) -> int:
        """Up to the next multiple of the alignment."""
        return -(-n_bytes // self.alignment_bytes) * self.alignment_bytes

    def take(self, n_bytes: int) -> int:
        """The address of so many bytes: in the smallest hole that is large enough, else at the end."""
        wanted, blocks = self.pad(n_bytes), self.blocks
        best, best_bytes = len(blocks) - 1, _ENDLESS
        for number in range(len(blocks) - 1):
            if wanted <= blocks[number][1] <= best_bytes:
                best, best_bytes = number, blocks[number][1]
        block = blocks[best]
        address = block[0]
        block[0] += wanted
        block[1] -= wanted
        if block[1] == 0:
            blocks.pop(best)
        self.peak_bytes = max(self.peak_bytes, address + wanted)
        return address

    def give_back(self, address: int, n_bytes: int) -> None:
        """Free so many bytes, and join them with their free neighbours."""
        freed, blocks = self.pad(n_bytes), self.blocks
        for number, block in enumerate(blocks):
            start, size = block
            if start + size == address:
                block[1] += freed
                if number + 1 < len(blocks) and start + block[1] == blocks[number + 1][0]:
                    block[1] += blocks.pop(number + 1)[1]
                return
            if address + freed == start:
                block[0] = address
                block[1] += freed
                if number and sum(blocks[number - 1]) == address:
                    blocks[number - 1][1] += blocks.pop(number)[1]
                return
        number = next((n for n, block in enumerate(blocks) if block[0] >= address), len(blocks))
        blocks.insert(number, [address, freed])


class Allocator:
    """Buffers of several devices and of the host, filled as a graph is executed."""

    def __init__(self, alignments_bytes: Sequence[int], *, is_fused: bool = True, n_copies: int = 1) -> None:
        """Start with empty buffers.

        Args:
            alignments_bytes: of each device's buffer, the host's last.
            is_fused: the devices fuse routers and expert sums, as CUDA's do.
            n_copies: of every input where steps overlap.
        """
        self.pools = [Pool(alignment) for alignment in alignments_bytes]
        self.marks: list[Mark] = []
        """One for each layer's start."""
        self._host = len(self.pools) - 1
        self._live: dict[int, tuple[int, Node]] = {}
        """What is executed and still to be read, with its place in the order; without what all layers share."""
        self._shared: set[int] = set()
        self._now = 0
        self._last_marks = (0, 0)
        """The places in the order of the two last layers' starts."""
        self._is_fused, self._n_copies = is_fused, n_copies

    def reserve(self, graph: Graph, splits: Sequence[Split]) -> tuple[int, ...]:
        """The bytes of each buffer, the host's last."""
        order = self._order(graph, splits)
        pause()
        self._place_inputs(graph, splits)
        self._count_readers(order)
        # Where nodes wait, a layer may begin before anything of the one in front of it is executed.
        starts = Counter(id(graph.nodes[index]) for index in graph.layer_starts)
        for number, (node, device) in enumerate(order):
            self._now = number
            if number % _NODES_BETWEEN_PAUSES == 0:
                pause()
            if id(node) in starts:
                self.marks += [self._mark(node)] * starts[id(node)]
                self._last_marks = self._last_marks[1], number
            if node.base is None:
                self._place(node, device)
            for source in node.sources:
                self._release(source)
        return tuple(pool.peak_bytes for pool in self.pools)

    def _count_readers(self, order: Sequence[tuple[Node, int]]) -> None:
        """And place what is an input."""
        for node, device in order:
            if node.base is not None and node.op != "NONE":
                node.base.n_views += 1
            if node.is_input:
                self._place(node, device)
            for source in node.sources:
                source.n_readers += 1
                if source.is_input:
                    self._place(source, device)

    def _order(self, graph: Graph, splits: Sequence[Split]) -> list[tuple[Node, int]]:
        """What is executed, copies and the reads that only prolong a life among it."""
        order: list[tuple[Node, int]] = []
        for split in splits:
            for source, copies in split.copied:
                assert source.device is not None
                if self._is_shared(source):
                    self._shared.update(map(id, copies))
                order.append((_reading(source), source.device))
                order.append((copies[0], split.device))
            nodes = graph.nodes[split.start : split.end]
            kept = longer_lives(nodes) if self._is_fused and split.device != self._host else {}
            for node in nodes:
                assert node.device is not None
                order.append((node, node.device))
                if id(node) in kept:
                    order.extend((_reading(*batch), split.device) for batch in kept[id(node)])
        return order

    def _place_inputs(self, graph: Graph, splits: Sequence[Split]) -> None:
        """Inputs come first; where steps overlap, each has copies that are never freed, on every device."""
        if self._n_copies > 1:
            for node in graph.inputs:
                if not node.is_input:
                    continue
                node.is_output = True
                self._place(node, self._host)
                for _ in range(self._n_copies - 1):
                    self._place(
                        Node(node.name, "NONE", node.type, node.shape, n_bytes=node.n_bytes, is_input=True), self._host
                    )
            for split in splits:
                for _, copies in split.copied:
                    for node in copies:
                        self._place(node, split.device)
        for node in graph.inputs:
            self._place(node, self._host if node.device is None else node.device)

    def _size(self, node: Node, device: int) -> int:
        return node.n_bytes + (node.scratch_bytes if device != self._host else 0)

    def _place(self, node: Node, device: int) -> None:
        """Give a node its memory, unless it has some."""
        if node.is_allocated or node.home is not None or node.base is not None:
            return
        node.is_allocated = True
        if node.sources and all(map(self._is_shared, node.sources)):
            self._shared.add(id(node))
        if not self._is_shared(node):
            self._live[id(node)] = self._now, node
        if node.op in IN_PLACE and self._take_over(node):
            return
        node.pool = device
        node.address = self.pools[device].take(self._size(node, device))

    def _take_over(self, node: Node) -> bool:
        """Write over a source that nothing else will read."""
        for source in node.sources:
            if not source.is_allocated or source.base is not None or source.is_output:
                continue
            if source.n_readers == 1 and source.n_views == 0 and source.layout == node.layout:
                node.pool, node.address = source.pool, source.address
                source.is_allocated = False
                self._live.pop(id(source), None)
                pool = self.pools[node.pool]
                size = pool.pad(self._size(node, node.pool))
                left = pool.pad(self._size(source, node.pool)) - size
                if left > 0:
                    pool.give_back(node.address + size, left)
                return True
        return False

    def _release(self, source: Node) -> None:
        """Note that one reader is done; free what nobody will read again."""
        source.n_readers -= 1
        if source.n_readers or source.n_views:
            return
        owner = source
        if source.base is not None:
            owner = source.base
            owner.n_views -= 1
            if owner.n_views or owner.n_readers:
                return
        if owner.is_allocated and not owner.is_output:
            self.pools[owner.pool].give_back(owner.address, self._size(owner, owner.pool))
            owner.is_allocated = False
            self._live.pop(id(owner), None)

    def _is_shared(self, node: Node) -> bool:
        """An input, a leaf, or what comes of these alone, as a copy or a converted mask: the same for all layers."""
        owner = node if node.base is None else node.base
        return owner.is_input or owner.op == "LEAF" or id(owner) in self._shared

    def _mark(self, first: Node) -> Mark:
        """Free blocks, and where all lies that is still to be read.

        What was executed since the start of the layer before the last one is known by how long ago that was, so that
        the same in two layers is equal; what is older stays where it is.
        """
        blocks = tuple(tuple(map(tuple, pool.blocks)) for pool in self.pools)
        first_mark = self._last_marks[0]
        live = tuple(
            (self._now - placed if placed >= first_mark else -id(node), node.pool, node.address)
            for placed, node in self._live.values()
        )
        return (*blocks, live, *((source.pool, source.address) for source in first.sources))


def _reading(*nodes: Node) -> Node:
    """A node that does nothing but read, which keeps what it reads alive until then."""
    first = nodes[0]
    return Node("read", "NONE", first.type, first.shape, nodes, base=first, n_bytes=first.n_bytes)
