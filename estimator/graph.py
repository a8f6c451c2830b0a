"""The nodes of one step over a model, in the order in which llama.cpp executes them, and what writes them.

A node is a tensor of ggml: the result of an operation, a view into another, an input of the step, a weight or a cache.
Only what decides about memory is kept. Operations go by ggml's names (``MUL_MAT``), nodes by those that llama.cpp gives
them (``ffn_moe_probs``), as of its build of 2026-10-01; estimator/graphs/ holds the builders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

from estimator.model import Model
from estimator.patience import pause
from estimator.placement import HOST, Layout, weight_device
from estimator.quant import BLOCKS
from estimator.scratch import Step, window_kinds

VIEWS: Final = frozenset({"VIEW", "RESHAPE", "PERMUTE", "TRANSPOSE"})
"""Operations that compute nothing: their result is the memory of another node."""


MAX_NODES: Final = 1 << 17
"""Far more than any model's: DeepSeek-V3's graph has 6 000."""


class Node:
    """One tensor. What the scheduler and the allocator note down about it stands below its description."""

    __slots__ = (
        "address", "base", "device", "home", "is_allocated", "is_input", "is_output", "layout", "n_bytes", "n_readers",
        "n_views", "name", "op", "pinned", "pool", "scratch_bytes", "shape", "sources", "type",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        op: str,
        type_name: str,
        shape: Sequence[int],
        sources: Sequence["Node"] = (),
        *,
        base: "Node | None" = None,
        n_bytes: int | None = None,
        home: int | None = None,
        is_input: bool = False,
        is_contiguous: bool = True,
    ) -> None:
        """Describe a tensor.

        Args:
            name: as llama.cpp calls it.
            op: ``NONE`` for what no operation makes: inputs, weights and caches.
            type_name: a key of ``estimator.quant.BLOCKS``.
            shape: elements per dimension, the fastest first.
            sources: what it is computed from.
            base: the node that this one is a view into.
            n_bytes: where it is not the shape's: a view with gaps spans more.
            home: the device, or HOST, where a weight or a cache lies already; None for what the allocator places.
            is_input: filled in before the step, so it is allocated before everything else.
            is_contiguous: its elements follow each other without gaps.
        """
        self.name, self.op, self.type, self.home, self.is_input = name, op, type_name, home, is_input
        self.shape: tuple[int, ...] = tuple(shape)
        self.sources = list(sources)
        self.base: Node | None = (base.base or base) if base is not None else None
        self.n_bytes = stored(type_name, self.shape) if n_bytes is None else n_bytes
        self.layout = (type_name, *self.shape, *(1,) * (4 - len(self.shape))) if is_contiguous else None
        self.is_output = False
        self.device: int | None = None
        self.pinned: int | None = None
        """The device that has to compute it, whatever is next to it."""
        self.scratch_bytes = 0
        """What a device's kernel wants behind the result."""
        self.n_readers = self.n_views = self.pool = self.address = 0
        self.is_allocated = False

    @property
    def settled_home(self) -> int | None:
        """Where its memory lies already, its own or that of what it is a view into."""
        return self.home if self.base is None else self.base.home

    @property
    def extents(self) -> tuple[int, ...]:
        """All four dimensions."""
        return self.shape + (1,) * (4 - len(self.shape))


def stored(type_name: str, shape: Sequence[int]) -> int:
    """Bytes of a tensor whose rows are known to be whole blocks."""
    n_weights, n_bytes = BLOCKS[type_name]
    return prod(shape) // n_weights * n_bytes


@dataclass(slots=True)
class Graph:
    """What a builder has written."""

    nodes: list[Node]
    """In execution order."""
    inputs: list[Node]
    """In the order in which they are allocated, with the leaves that nobody fills in."""
    layer_starts: list[int]
    """The index of each layer's first node."""


class CacheInputs:
    """The inputs that belong to one kind of cache: mask, cells to write to, and rotations of a quantised one."""

    __slots__ = (
        "converted_mask", "key_index", "key_rotation", "mask", "n_cells", "value_index", "value_rotation",
    )  # fmt: skip

    def __init__(self, model: Model, step: Step, window_tokens: int | None) -> None:
        shape, tag = step.shape, "_swa" if window_tokens else ""
        self.n_cells = shape.layer_cells(window_tokens)
        n_tokens, n_streams = shape.n_step_tokens, shape.n_streams
        n_indexed = max((layer.own_value_width for layer in model.layers), default=1) if step.transposes_values else 1
        build = shape.build
        mask_type = "F16" if step.is_flash_attention and build.is_mask_halved else "F32"
        n_rows = -(-(n_tokens // n_streams) // build.mask_row_multiple) * build.mask_row_multiple
        mask_shape = (self.n_cells, n_rows, 1, n_streams)
        self.mask = Node(f"self_kq_mask{tag}", "NONE", mask_type, mask_shape, is_input=True)
        self.converted_mask: Node | None = None
        self.key_index = Node(f"k_idxs{tag}", "NONE", "I64", (n_tokens,), is_input=True)
        self.value_index = Node(f"v_idxs{tag}", "NONE", "I64", (n_tokens * max(1, n_indexed),), is_input=True)
        self.key_rotation = self.value_rotation = None
        if not build.rotates_quantised_cache:
            return
        if not model.latent and model.head_width:
            if BLOCKS[step.key_type].n_weights > 1 and model.head_width % ROTATION_WIDTH == 0:
                largest = _largest_power(model, window_tokens)
                self.key_rotation = Node(f"k_rot{tag}", "NONE", "F32", (largest, largest), is_input=True)
            if BLOCKS[step.value_type].n_weights > 1 and model.value_head_width % ROTATION_WIDTH == 0:
                square = (ROTATION_WIDTH, ROTATION_WIDTH)
                self.value_rotation = Node(f"v_rot{tag}", "NONE", "F32", square, is_input=True)

    key_rotation: Node | None
    value_rotation: Node | None


def _largest_power(model: Model, window_tokens: int | None) -> int:
    """Of two, that divides a head's key in the layers with this cache."""
    width = next(
        (
            layer.own_key_width // layer.n_kv_heads
            for layer in model.layers
            if layer.key_width and layer.n_kv_heads and layer.window_tokens == window_tokens
        ),
        model.head_width,
    )
    return width & -width


ROTATION_WIDTH = 64
"""Values of a quantised cache are rotated in blocks of so many, keys in the largest power of two that divides a head;
only heads that are a multiple of it (`build_attn_inp_kv`, src/llama-graph.cpp)."""


class Draft:
    """A graph being written: the model it is of, and the operations to write it with.

    A builder calls ``begin_layer`` at the start of each of ``layers`` and ``finish`` at the end.

    Nodes are executed in the order in which they are written, unless the builder has said ``defer``: then a node waits
    until one that needs it is expanded, as llama.cpp builds its graphs (`ggml_build_forward_expand`). Models with
    recurrent layers read a layer's state before they finish the layer in front of it, which only that order shows.
    """

    def __init__(
        self,
        model: Model,
        tensors: Mapping[str, tuple[str, tuple[int, ...]]],
        step: Step,
        layout: Layout,
        *,
        layers: Sequence[int] | None = None,
        is_cache_offloaded: bool = True,
        has_mixed_input: bool = False,
        has_devices: bool = True,
    ) -> None:
        """Start an empty graph.

        Args:
            model: whose numbers are used.
            tensors: by name: type and shape.
            step: how many tokens, on what caches.
            layout: who holds which weight.
            layers: those to write; all where None. A stack of equal layers may be cut short.
            is_cache_offloaded: caches lie with their layers, not all on the host.
            has_mixed_input: the build takes embeddings beside tokens.
            has_devices: the host is not alone.
        """
        self.model, self.tensors, self.step, self.layout = model, tensors, step, layout
        self.layers = tuple(range(model.n_layers - model.n_predictor_layers)) if layers is None else tuple(layers)
        self.is_cache_offloaded, self.has_mixed_input = is_cache_offloaded, has_mixed_input
        self.has_devices = has_devices
        self.build = step.shape.build
        self.n_tokens, self.n_streams = step.shape.n_step_tokens, step.shape.n_streams
        self.n_sequences = step.shape.n_sequences
        self.n_outputs = step.n_outputs
        self.nodes: list[Node] = []
        self.layer_starts: list[int] = []
        self.tokens = self.input("inp_tokens", "I32", self.n_tokens)
        self.embeddings = self.input("inp_embd", "F32", model.embedding_width, self.n_tokens)
        self.positions = self.input("inp_pos", "I32", self.n_tokens)
        self.output_rows = self.input("inp_out_ids", "I32", self.n_outputs)
        self.attention_scales = self.input("attn_scale", "F32", 1, 1, self.n_tokens)
        self.norm_operation = "RMS_NORM"
        self.is_situ = False  # networks are gated by a tanh and a sigmoid of the gate, and a tanh of the rest (Kimi K3)
        self.caches = {window: CacheInputs(model, step, window) for window in window_kinds(model)}
        self._pins_norms = self.build.pins_norms and layout.n_gpu_layers > model.n_layers
        self._weights: dict[tuple[str, int | None], Node] = {}
        self._waiting: set[int] | None = None

    @property
    def last_layer(self) -> int:
        """The layer after which only the output rows are needed."""
        return self.layers[-1]

    @property
    def has_windows(self) -> bool:
        """Some layers have a cache for a sliding window."""
        return len(self.caches) > 1

    def begin_layer(self) -> None:
        """Mark that the next node is a layer's first."""
        pause()
        self.layer_starts.append(len(self.nodes))

    def defer(self) -> None:
        """From here on nodes wait until they are expanded."""
        self._waiting = set()

    def expand(self, node: Node) -> None:
        """Have this node executed next, with all that it needs before it; nothing where nodes don't wait."""
        if self._waiting is None or id(node) not in self._waiting:
            return
        self._waiting.discard(id(node))
        for source in node.sources:
            self.expand(source)
        self.nodes.append(node)

    def _add(self, node: Node) -> Node:
        if len(self.nodes) > MAX_NODES:
            raise ValueError(f"more than {MAX_NODES} nodes")
        if self._waiting is None:
            self.nodes.append(node)
        else:
            self._waiting.add(id(node))
        return node

    def has(self, name: str) -> bool:
        """Whether the model has a tensor of that name."""
        return name in self.tensors

    def input(self, name: str, type_name: str, *shape: int) -> Node:
        """Something that is filled in before the step; allocated once a node reads it."""
        return Node(name, "NONE", type_name, shape, is_input=True)

    def leaf(self, name: str, type_name: str, *shape: int) -> Node:
        """Something that nothing fills in before the step, and that has its memory all the same from the start."""
        return Node(name, "LEAF", type_name, shape)

    def weight(self, name: str, *, device: int | None = None) -> Node:
        """A stored tensor, where the layout puts it, or its copy on ``device``."""
        found = self._weights.get((name, device))
        if found is None:
            type_name, shape = self.tensors[name]
            home = weight_device(name, self.layout) if device is None else device
            found = self._weights[name, device] = Node(name, "WEIGHT", type_name, shape, home=home)
        return found

    def cache(self, name: str, layer: int, type_name: str, *shape: int) -> Node:
        """What a layer remembers, where it lies."""
        home = self.layout.layer_devices[layer] if self.is_cache_offloaded else HOST
        return Node(name, "CACHE", type_name, shape, home=home)

    def operation(self, name: str, op: str, shape: Sequence[int], *sources: Node, type_name: str = "F32") -> Node:
        """The result of an operation, float32 unless said otherwise."""
        return self._add(Node(name, op, type_name, shape, sources))

    def view(
        self,
        name: str,
        op: str,
        shape: Sequence[int],
        of: Node,
        *,
        type_name: str | None = None,
        n_bytes: int | None = None,
        is_contiguous: bool = True,
    ) -> Node:
        """The same memory in another shape; ``n_bytes`` is what it spans where that is not the shape's size."""
        return self._add(
            Node(name, op, type_name or of.type, shape, (of,), base=of, n_bytes=n_bytes, is_contiguous=is_contiguous)
        )

    def write(self, name: str, op: str, into: Node, *sources: Node) -> Node:
        """An operation whose result goes into memory that is there already."""
        node = self.overwrite(name, op, into, *sources)
        self.expand(node)
        return node

    def overwrite(self, name: str, op: str, into: Node, *sources: Node) -> Node:
        """The same where the result is read on: it waits until then."""
        return self._add(Node(name, op, into.type, into.shape, sources, base=into, n_bytes=into.n_bytes))

    def mask(self, inputs: CacheInputs) -> Node:
        """The mask as attention reads it: as it is, or converted once, before the first attention."""
        if not self.step.is_flash_attention or inputs.mask.type == "F16":
            return inputs.mask
        if inputs.converted_mask is None:
            shape = inputs.mask.shape
            inputs.converted_mask = self.operation("kq_mask_cnv", "CPY", shape, inputs.mask, type_name="F16")
        return inputs.converted_mask

    def store(self, name: str, cache: Node, new: Node, index: Node) -> Node:
        """New cells into a cache: each where its index says, or in one piece by older builds."""
        if self.build.has_cell_indices:
            return self.write(name, "SET_ROWS", cache, new, index, cache)
        return self.write(name, "CPY", cache, new, cache)

    def matrix(self, name: str, weight: str, x: Node, *, device: int | None = None) -> Node:
        """Tokens by a weight matrix of two dimensions."""
        stored_weight = self.weight(weight, device=device)
        return self.operation(name, "MUL_MAT", (stored_weight.shape[1], *x.shape[1:]), stored_weight, x)

    def norm(self, x: Node, weight: str, shape: Sequence[int] | None = None) -> Node:
        """A norm, RMS unless ``norm_operation`` says otherwise, its weight and its bias."""
        if self.build.has_fused_norm and self.norm_operation == "RMS_NORM" and self.has(weight):
            return self.operation(weight, "FUSED_RMS_NORM", shape or x.shape, x, self.weight(weight))
        normed = self.operation("norm", self.norm_operation, shape or x.shape, x)
        if self._pins_norms and weight.startswith("blk."):
            normed.pinned = self.layout.layer_devices[int(weight.split(".", 2)[1])]
        if self.has(weight):
            normed = self.operation(weight, "MUL", normed.shape, normed, self.weight(weight))
        return self.biased(normed, f"{weight.removesuffix('.weight')}.bias")

    def biased(self, x: Node, bias: str) -> Node:
        """With the bias added where the model has one."""
        return self.operation(bias, "ADD", x.shape, x, self.weight(bias)) if self.has(bias) else x

    def finish(self) -> Graph:
        """The graph, with the inputs and leaves that its nodes read, in the order in which they first do."""
        inputs = [self.tokens, self.embeddings] if self.build.has_embedding_input else [self.tokens]
        seen = {id(node) for node in inputs}
        for node in self.nodes:
            for source in node.sources:
                if (source.is_input or source.op == "LEAF") and id(source) not in seen:
                    seen.add(id(source))
                    inputs.append(source)
        return Graph(self.nodes, inputs, self.layer_starts)
