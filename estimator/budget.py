"""The share of a device that vLLM takes, what it spends of it, and the blocks of cache that the rest holds.

As `determine_available_memory` (vllm/v1/worker/gpu_worker.py) and `get_kv_cache_configs`
(vllm/v1/core/kv_cache_planning.py) of 0.33.0 reckon it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil

from estimator.activations import Span, total
from estimator.ledger import Place
from estimator.model import Model
from estimator.paged_cache import PagedCache
from estimator.ranks import Rank, offered_bytes, weight_term
from estimator.sharding import Stage


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A model on its devices, in vLLM's terms."""

    model: Model
    ranks: tuple[Rank, ...]
    cache: PagedCache
    length_tokens: int
    """Of the longest sequence: --max-model-len."""
    share_ratio: float
    non_torch: Span
    """What libraries take on the device: NCCL, workspaces."""
    activations: Span
    graphs: Span
    has_graphs_in_share: bool
    off_bytes: int = 0
    """Of each device's weights, in host memory instead."""
    kv_bytes: int | None = None
    """Given for each device, whatever its share."""

    @cached_property
    def kinds(self) -> tuple[Rank, ...]:
        """One of each stage and size of device: all others come to the same."""
        alike = {(rank.stage, offered_bytes(rank.place)): rank for rank in self.ranks}
        return tuple(alike.values())

    def share_bytes(self, place: Place) -> int:
        """What it takes of a device in any case (`request_memory`)."""
        return ceil(offered_bytes(place) * self.share_ratio)

    def demand(self, rank: Rank) -> Span:
        """What of a device's share is no cache.

        What takes more than expected does so by itself, so that squares add up: where libraries took 1.39, 1.79 and
        2.10 GiB, samplers took 0.32, 1.26 and 0.36. What takes less comes together, so that parts add up: the samplers
        of 0.22 and 0.45 GiB, which should be 1.18, were logged with libraries of 0.05 and 0.02.
        """
        return self._demands[rank.stage]

    @cached_property
    def _demands(self) -> Mapping[Stage, Span]:
        return {stage: self._demand(rank) for stage, rank in {rank.stage: rank for rank in self.ranks}.items()}

    def _demand(self, rank: Rank) -> Span:
        weights = weight_term(rank, self.model, "vLLM", self.off_bytes)
        parts = [
            Span(n_bytes=weights.n_bytes, low_bytes=weights.low_bytes, high_bytes=weights.high_bytes),
            self.non_torch,
            self.activations,
        ]
        if self.has_graphs_in_share:
            parts.append(self.graphs)
        return replace(total(parts), low_bytes=sum(part.low_bytes for part in parts))

    def room(self, rank: Rank) -> Span:
        """What is left for the cache on a device."""
        if self.kv_bytes is not None:
            return Span(n_bytes=self.kv_bytes, low_bytes=self.kv_bytes, high_bytes=self.kv_bytes)
        share, spent = self.share_bytes(rank.place), self.demand(rank)
        return Span(
            n_bytes=max(0, share - spent.n_bytes),
            low_bytes=max(0, share - spent.high_bytes),
            high_bytes=max(0, share - spent.low_bytes),
        )

    def block_bytes(self, rank: Rank) -> int:
        """Of one block on this device."""
        return self._block_bytes[rank.stage]

    @cached_property
    def _block_bytes(self) -> Mapping[Stage, int]:
        return {stage: self.cache.block_bytes(stage.layers) for stage in {rank.stage for rank in self.ranks}}

    @cached_property
    def blocks(self) -> Span:
        """(In blocks, not bytes) what all devices have: as many as the one with the least room."""
        rooms = [(self.room(rank), self.block_bytes(rank)) for rank in self.kinds]
        counted = [(room, each) for room, each in rooms if each]
        return Span(
            n_bytes=min((room.n_bytes // each for room, each in counted), default=0),
            low_bytes=min((room.low_bytes // each for room, each in counted), default=0),
            high_bytes=min((room.high_bytes // each for room, each in counted), default=0),
        )

    def needed_blocks(self) -> int:
        """For one sequence of full length, and the block that is never given out."""
        return self.cache.blocks_for(self.length_tokens) + 1

    def smallest_share(self) -> Span:
        """(In millionths) of a device, so that one sequence of full length has room."""
        needed = self.needed_blocks()
        spans = [(self.demand(rank), self.block_bytes(rank) * needed, offered_bytes(rank.place)) for rank in self.ranks]
        return Span(
            n_bytes=max(_millionths(spent.n_bytes + cache, whole) for spent, cache, whole in spans),
            low_bytes=max(_millionths(spent.low_bytes + cache, whole) for spent, cache, whole in spans),
            high_bytes=max(_millionths(spent.high_bytes + cache, whole) for spent, cache, whole in spans),
        )


def _millionths(n_bytes: int, whole: int) -> int:
    return -(-n_bytes * 1_000_000 // whole) if whole else 1_000_000
