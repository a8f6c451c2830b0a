"""What a device's kernels want beside their results, and how its buffers differ: CUDA, Vulkan, Metal.

CUDA: `ggml_backend_cuda_buffer_type_get_alloc_size` (ggml-cuda.cu) and `ggml_cuda_flash_attn_ext`; checked to the byte.
Vulkan: none; where nothing falls back to the CPU, measured with Mesa's llvmpipe (llama.cpp v0.5.0, 2026-09) it is that
or within two rows of hidden state of it, since the device reorders its nodes.
Metal: `ggml_backend_metal_buffer_type_get_alloc_size` and `ggml_metal_op_flash_attn_ext_extra_*` (ggml-metal-ops.cpp),
read and not measured.
"""

from collections.abc import Mapping
from math import prod
from types import MappingProxyType

from estimator.graph import Node
from estimator.model import Layer, Model
from estimator.quant import BLOCKS
from estimator.rounding import Rounding
from records.record import record

METAL_SPLITS = 32
"""Workgroups that share the cells of a short query; each leaves a result per query, with a sum and a maximum."""
METAL_QUERIES = 32
"""So many queries at most are computed that way."""
METAL_PADDED_CELLS = 64


@record(frozen=True, slots=True, kw_only=True)
class Kernels:
    """The rules of one kind of device."""

    is_fused: bool
    """Routers and sums of experts are kept alive to be fused (estimator/fusion.py)."""
    doubt_ratio: float
    """Of a simulated buffer: how far it may be off."""
    may_strand_masks: bool = False
    """Nodes are computed in another order, so that what is left of the masks' memory may serve nothing else."""


KERNELS: Mapping[str, Kernels] = MappingProxyType(
    {
        "cuda": Kernels(is_fused=True, doubt_ratio=0.0),
        "rocm": Kernels(is_fused=True, doubt_ratio=0.0),  # built from CUDA's files
        "metal": Kernels(is_fused=False, doubt_ratio=0.30),
        "gpu": Kernels(is_fused=False, doubt_ratio=0.20, may_strand_masks=True),
        "cpu": Kernels(is_fused=False, doubt_ratio=0.0),
    }
)


CUDA_HEADS = frozenset({40, 64, 72, 80, 96, 112, 128, 256})
"""Widths of heads, keys' and values' alike, that CUDA's flash attention has kernels for, however they are grouped."""
CUDA_GROUPED_HEADS: Mapping[tuple[int, int], int] = MappingProxyType(
    {(192, 128): 8, (320, 256): 32, (512, 512): 2, (576, 512): 2}
)
"""(keys', values') width to what the number of queries per key has to be a multiple of."""


def has_flash_kernel(kind: str, model: Model, layer: Layer) -> bool:
    """Whether a device of this kind can compute a layer's attention in one go."""
    n = layer.n_kv_heads
    if not n or not layer.own_key_width:
        return True
    return has_kernel_for(kind, layer.own_key_width // n, layer.own_value_width // n, model.n_heads // n)


def has_kernel_for(kind: str, key_width: int, value_width: int, n_queries_per_key: int) -> bool:
    """The same for heads of these widths.

    CUDA: `ggml_cuda_get_best_fattn_kernel` (ggml/src/ggml-cuda/fattn.cu), as of 2026-10-01; ROCm is built from it.
    Others are taken to have what is asked of them.
    """
    if kind not in ("cuda", "rocm"):
        return True
    if multiple := CUDA_GROUPED_HEADS.get((key_width, value_width)):
        return n_queries_per_key % multiple == 0
    return key_width == value_width and key_width in CUDA_HEADS


def scratch_bytes(node: Node, kind: str, rounding: Rounding) -> int:
    """What lies behind a node's result on a device of this kind."""
    if node.op == "FLASH_ATTN_EXT":
        if kind in ("cuda", "rocm"):
            return _expanded_bytes(node, rounding)
        return _metal_attention_bytes(node) if kind == "metal" else 0
    if kind != "metal":
        return 0
    if node.op == "ARGSORT":
        return node.n_bytes
    if node.op == "MUL_MAT_ID":  # how many rows each expert gets, and which
        n_experts, n_rows = node.sources[0].extents[2], node.extents[2]
        return 4 * n_experts * (1 + n_rows)
    return 0


def _expanded_bytes(node: Node, rounding: Rounding) -> int:
    """float16 copies of quantised keys and values behind the result of flash attention, each aligned.

    Values that are a view of the keys (latent attention) need no copy of their own, unless both were copied to this
    device.
    """
    _, keys, values, *_ = node.sources
    total = node.n_bytes
    if BLOCKS[keys.type].n_weights > 1:
        total = rounding.pad(total) + 2 * prod(keys.shape)
    is_shared = values.base is not None and values.base is keys.base
    if BLOCKS[values.type].n_weights > 1 and not is_shared:
        total = rounding.pad(total) + 2 * prod(values.shape)
    return total - node.n_bytes


def _metal_attention_bytes(node: Node) -> int:
    """Padded last cells, float16 copies of a quantised cache, and partial results of short queries."""
    query, keys, values, *_ = node.sources
    n_queries, n_heads = query.extents[1], query.extents[2]
    padded = METAL_PADDED_CELLS * (
        _row_bytes(keys) * keys.extents[2] + _row_bytes(values) * values.extents[2] + 2 * n_queries
    )
    expanded = sum(2 * prod(cache.shape) for cache in (keys, values) if BLOCKS[cache.type].n_weights > 1)
    partial = 4 * min(n_queries, METAL_QUERIES) * n_heads * METAL_SPLITS * (values.shape[0] + 2)
    return padded + expanded + partial


def _row_bytes(cache: Node) -> int:
    block = BLOCKS[cache.type]
    return -(-cache.shape[0] // block.n_weights) * block.n_bytes
