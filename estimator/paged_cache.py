"""The KV cache of vLLM: pages of some tokens of one layer, blocks of pages, groups of layers that share a table.

As `vllm/v1/kv_cache_interface.py`, `vllm/v1/core/kv_cache_planning.py` and `platforms/interface.py:
_align_hybrid_block_size` of 0.33.0 have it. Every group of a model with several kinds of layers draws its blocks from
one pool, so a sequence of N tokens takes the sum of what the groups need, and bytes per token are no constant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from estimator.sharding import padded
from records.record import record

MERGE_RATIO = 1.5
"""Where one kind of layer is less than so many times as frequent as the rarest, groups are as large as the largest
(`_get_kv_cache_groups_uniform_page_size`)."""


@dataclass(frozen=True, slots=True)
class LayerCache:
    """What one layer keeps on one device."""

    token_bytes: int
    """Per token that it attends to; 0 for a state."""
    state_bytes: int = 0
    """Per sequence, whatever its length; 0 for attention."""
    window_tokens: int | None = None


@record(frozen=True, slots=True, kw_only=True)
class Group:
    """Layers that share one table of blocks."""

    layers: tuple[int, ...]
    """By number; one with attention and a state is in two groups."""
    page_bytes: int
    """Of one layer in one block."""
    block_tokens: int
    window_tokens: int | None = None
    is_state: bool = False

    def blocks_for(self, n_tokens: int, n_flying_tokens: int, n_state_blocks: int) -> int:
        """What one sequence of so many tokens takes."""
        if self.is_state:
            return n_state_blocks
        if self.window_tokens is None:
            return -(-n_tokens // self.block_tokens)
        kept = min(self.window_tokens - 1 + n_flying_tokens, n_tokens)
        return -(-kept // self.block_tokens) + 1  # a window rarely begins where a block does


@record(frozen=True, slots=True, kw_only=True)
class PagedCache:
    """How a model's cache is laid out on the devices of a stage."""

    groups: tuple[Group, ...]
    block_tokens: int
    """Of attention that reaches back to the beginning."""
    n_flying_tokens: int
    """Scheduled and not yet settled: kept beside a window."""
    n_state_blocks: int = 1
    """A state and the copies beside it: 2 where prefixes are remembered (`mamba_cache_mode` align)."""

    def block_bytes(self, layers: range | None = None) -> int:
        """One block of the pool: the widest group's pages, of these layers only where the others are elsewhere."""
        widths = [
            sum(group.page_bytes for layer in group.layers if layers is None or layer in layers)
            for group in self.groups
        ]
        return max(widths, default=0)

    def blocks_for(self, n_tokens: int) -> int:
        """What one sequence of so many tokens takes, of all groups."""
        return sum(group.blocks_for(n_tokens, self.n_flying_tokens, self.n_state_blocks) for group in self.groups)

    def read_bytes(self, n_tokens: int, layers: range) -> int:
        """What one token of a sequence of so many reads of it, in these layers."""
        total = 0
        for group in self.groups:
            n_layers = sum(layer in layers for layer in group.layers)
            seen = n_tokens if group.window_tokens is None else min(group.window_tokens, n_tokens)
            total += n_layers * (group.page_bytes if group.is_state else group.page_bytes * seen // group.block_tokens)
        return total

    def longest(self, n_blocks: int, most_tokens: int) -> int:
        """The longest sequence that so many blocks hold, up to ``most_tokens``."""
        if self.blocks_for(most_tokens) <= n_blocks:
            return most_tokens
        low, high = 0, most_tokens
        while low < high:
            middle = (low + high + 1) // 2
            if self.blocks_for(middle) <= n_blocks:
                low = middle
            else:
                high = middle - 1
        return low


def grouped(
    caches: Sequence[tuple[int, LayerCache]], block_tokens: int, *, n_flying_tokens: int, n_state_blocks: int = 1
) -> PagedCache:
    """The layers of a model in groups; those that keep nothing are in none.

    Args:
        caches: with the number of their layer; one with attention and a state stands twice.
        block_tokens: of one block; raised where a state needs more room than a page of them.
        n_flying_tokens: tokens that are scheduled and not yet settled.
        n_state_blocks: blocks that a sequence's state takes.
    """
    states = [cache.state_bytes for _, cache in caches if cache.state_bytes]
    if states:
        block_tokens = _aligned_block_tokens(caches, block_tokens, max(states))
    buckets = _buckets(caches)
    if len({(cache.window_tokens, bool(cache.state_bytes)) for cache in buckets}) <= 1:
        groups = _one_group(buckets, block_tokens)
    else:
        groups = _many_groups(buckets, block_tokens)
    return PagedCache(
        groups=groups, block_tokens=block_tokens, n_flying_tokens=n_flying_tokens, n_state_blocks=n_state_blocks
    )


def _buckets(caches: Sequence[tuple[int, LayerCache]]) -> dict[LayerCache, list[int]]:
    buckets: dict[LayerCache, list[int]] = {}
    for layer, cache in caches:
        if cache.token_bytes or cache.state_bytes:
            buckets.setdefault(cache, []).append(layer)
    return buckets


def _aligned_block_tokens(caches: Sequence[tuple[int, LayerCache]], block_tokens: int, state_bytes: int) -> int:
    """So many tokens that a page of attention is no smaller than a state; states are padded to that page."""
    token_bytes = max(cache.token_bytes for _, cache in caches)
    return padded(-(-state_bytes // token_bytes), block_tokens) if token_bytes else block_tokens


def _one_group(buckets: dict[LayerCache, list[int]], block_tokens: int) -> tuple[Group, ...]:
    """All layers attend alike: one table, though their pages may differ (each layer has its own in a block)."""
    pages = {cache: cache.token_bytes * block_tokens or cache.state_bytes for cache in buckets}
    return tuple(
        Group(
            layers=tuple(layer for layers in buckets.values() for layer in layers),
            page_bytes=sum(pages[cache] * len(layers) for cache, layers in buckets.items())
            // sum(len(layers) for layers in buckets.values()),
            block_tokens=block_tokens,
            window_tokens=cache.window_tokens,
            is_state=bool(cache.state_bytes),
        )
        for cache in list(buckets)[:1]
    )


def _many_groups(buckets: dict[LayerCache, list[int]], block_tokens: int) -> tuple[Group, ...]:
    """Pages of one size for all, and groups of as many layers each; the last of a kind is filled up."""
    page_bytes = max(cache.token_bytes * block_tokens or cache.state_bytes for cache in buckets)
    counts = [len(layers) for layers in buckets.values()]
    size = max(counts) if max(counts) < min(counts) * MERGE_RATIO else min(counts)
    found = []
    for cache, layers in buckets.items():
        n_groups = -(-len(layers) // size)
        own_bytes = cache.token_bytes * block_tokens
        is_multiple = own_bytes > 0 and page_bytes % own_bytes == 0
        whole = Group(
            layers=(),
            page_bytes=page_bytes,
            # A narrower layer has more tokens in a page, where they fill it evenly.
            block_tokens=block_tokens * (page_bytes // own_bytes if is_multiple else 1),
            window_tokens=cache.window_tokens,
            is_state=bool(cache.state_bytes),
        )
        found += [replace(whole, layers=tuple(layers[i::n_groups])) for i in range(n_groups)]
    return tuple(found)
