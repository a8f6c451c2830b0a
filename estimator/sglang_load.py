"""A model and what is asked of SGLang, on devices: what it would allocate, and why it would not start."""

import re
from collections.abc import Hashable, Sequence
from functools import cached_property

from estimator.activations import MIB, Span, layer_bytes, peak, sampler_bytes, total, workspace_bytes
from estimator.cache_rows import layer_caches, row_type, state_bytes
from estimator.errors import Unjudgeable
from estimator.ledger import Answer, Basis, Estimate, Kind, Place, Term, Workload
from estimator.model import Model
from estimator.paged_ledger import span_term
from estimator.ranks import (
    Rank,
    alike,
    gpus_for,
    host_of,
    is_linked,
    offered_bytes,
    process_terms,
    ranks_of,
    slices_evenly,
    terms_of_all,
    usual_tensor,
    weight_term,
)
from estimator.runtime import runtime_term
from estimator.sglang_options import NAME, NEWEST, Options
from estimator.sharding import Split
from estimator.static_pool import Defaults, StaticPool, defaults, defaults_of_0_4, pool_token_bytes, table_bytes

WINDOW_POOLS = frozenset({"llama4", "gpt-oss", "gemma4", "mimo2", "step35"})
"""Architectures whose windowed layers have a pool of their own (`is_hybrid_swa_model`, configs/model_config.py)."""
LOGIT_BYTES = 10
"""The logits as computed, as float32, and their probabilities in place: FlashInfer's sampler."""
COLLECTIVES = Span(n_bytes=350 * MIB, low_bytes=100 * MIB, high_bytes=1200 * MIB)
LINKED_COLLECTIVES = Span(n_bytes=1100 * MIB, low_bytes=400 * MIB, high_bytes=2200 * MIB)
"""NCCL and its buffers, there before memory is measured. A log of Qwen3 14B on four cards of 24 GB leaves 23.07 GiB;
one of Qwen3 235B on four H100 leaves 77.1."""
BESIDE_BYTES = 100 * MIB
"""What has gone from the free memory after loading, beyond the weights. Logged: 0.03 and 0.12 GiB (Llama 3.1 8B), 0.08
and 0.13 (Qwen3 0.6B), 0.10 (Qwen3 30B-A3B), 0.19 (Qwen3 14B on four), 0.20 (Qwen2.5 7B)."""
GRAPHS = Span(n_bytes=250 * MIB, low_bytes=60 * MIB, high_bytes=1300 * MIB)
"""Logged: 0.09, 0.11 and 0.58 GiB."""


class Load:
    """A model and what is asked of it, on devices."""

    def __init__(self, model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> None:
        self.model, self.workload, self.options = model, workload, options
        self.gpus, self.host = gpus_for(model, places, NAME), host_of(places)
        self.length = max(1, workload.context_tokens // max(1, workload.n_sequences))
        self.is_old = is_old(options.version)
        self.split = Split(
            tensor=options.tp_size or usual_tensor(model, max(1, len(self.gpus) // options.pp_size)),
            pipeline=min(options.pp_size, max(1, model.n_layers)),
        )
        self.ranks = ranks_of(model, self.gpus, self.split, 2)
        self._pools: dict[Hashable, StaticPool] = {}
        self.settings = self._settings()
        self.stored = row_type(workload.kv_type, NAME)

    def _settings(self) -> Defaults:
        options, place = self.options, self.gpus[0]
        graph_sequences = 0 if options.is_graph_disabled else options.cuda_graph_max_bs
        if self.is_old:
            found = defaults_of_0_4(place, self.split.tensor)
        else:
            found = defaults(
                place,
                self.split.tensor,
                self.split.n_devices,
                prefill_tokens=options.chunked_prefill_size,
                graph_sequences=graph_sequences,
                is_latent=self.model.latent is not None,
            )
        return Defaults(
            fraction=options.mem_fraction_static or found.fraction,
            n_prefill_tokens=options.chunked_prefill_size or found.n_prefill_tokens,
            n_graph_sequences=found.n_graph_sequences if graph_sequences is None else graph_sequences,
        )

    def collectives(self) -> Span:
        """What is on a device before memory is measured, beside the context."""
        if self.split.n_devices == 1:
            return Span(n_bytes=0, low_bytes=0, high_bytes=64 * MIB)
        return LINKED_COLLECTIVES if is_linked(self.gpus[0]) else COLLECTIVES

    def pool(self, rank: Rank) -> StaticPool:
        """The pool of one device; those of devices that are alike are reckoned once."""
        key = alike(rank)
        if key not in self._pools:
            self._pools[key] = self._pool(rank)
        return self._pools[key]

    def _pool(self, rank: Rank) -> StaticPool:
        place = rank.place
        context = runtime_term(place)
        taken = [self.collectives()]
        if context is not None:
            taken.append(Span(n_bytes=context.low_bytes, low_bytes=context.low_bytes, high_bytes=context.n_bytes))
        before = total(taken)
        offered = min(place.free_bytes, offered_bytes(place))
        weights = weight_term(rank, self.model, NAME, beside_bytes=BESIDE_BYTES)
        caches = [
            (number, cache)
            for number, cache in layer_caches(self.model, self.split.tensor, self.stored, 2)
            if number in rank.stage.layers and cache.token_bytes
        ]
        has_window_pool = not self.is_old and self.model.architecture in WINDOW_POOLS
        return StaticPool(
            free=Span(
                n_bytes=offered - before.n_bytes,
                low_bytes=offered - before.high_bytes,
                high_bytes=offered - before.low_bytes,
            ),
            weights=Span(n_bytes=weights.n_bytes, low_bytes=weights.low_bytes, high_bytes=weights.high_bytes),
            fraction=self.settings.fraction,
            token_bytes=pool_token_bytes([cache for _, cache in caches], has_window_pool=has_window_pool),
            state_bytes=sum(
                # States are float32 unless told otherwise (SGLANG_MAMBA_SSM_DTYPE, environ.py).
                state_bytes(self.model.layers[number], self.model, self.split.tensor, 2, recurrent_bytes=4)
                for number in rank.stage.layers
            ),
            most_tokens=self.options.max_total_tokens,
        )

    @cached_property
    def pools(self) -> tuple[StaticPool, ...]:
        """One of each kind of device."""
        return tuple(self.pool(rank) for rank in {alike(rank): rank for rank in self.ranks}.values())

    @cached_property
    def tokens(self) -> Span:
        """(In tokens) what all devices hold: as many as the one with the least room."""
        counts = [pool.tokens() for pool in self.pools]
        return Span(
            n_bytes=min(count.n_bytes for count in counts),
            low_bytes=min(count.low_bytes for count in counts),
            high_bytes=min(count.high_bytes for count in counts),
        )

    def refusal(self) -> str:
        """Why it is not expected to start; empty where it is."""
        return self.split_refusal() or (self._overfull() if self._rest("n_bytes") <= 0 else "")

    def _rest(self, end: str) -> int:
        """What weights leave of the fraction, where least is left, at this end of the band."""
        return min(int(getattr(pool.rest(), end)) for pool in self.pools)

    def split_refusal(self) -> str:
        """Why it can't be shared out so, whatever there is room for."""
        split, model = self.split, self.model
        if split.n_devices > len(self.gpus):
            return f"{split.n_devices} devices asked for, {len(self.gpus)} there"
        if not slices_evenly(model, split.tensor):
            return f"{model.n_heads} heads can't be shared evenly by --tp-size {split.tensor}"
        return ""

    def risk(self) -> str:
        """Why it may not start, or not serve a sequence as long as asked for."""
        if self._rest("low_bytes") <= 0:
            return f"at worst {self._overfull()}"
        tokens = self.tokens
        if not self.pool(self.ranks[0]).token_bytes or tokens.low_bytes >= self.length:
            return ""
        if tokens.n_bytes < self.length:
            return f"the cache holds some {tokens.n_bytes} tokens: a sequence of {self.length} would be turned away"
        return f"the cache may hold {tokens.low_bytes} tokens only: a sequence of {self.length} would be turned away"

    def _overfull(self) -> str:
        # Said of the worst end of the band, so that it holds.
        smallest = max(pool.smallest_fraction(0).high_bytes for pool in self.pools) / 1e6
        instead = f"it takes more than {smallest:.3f}" if smallest < 1 else "no fraction would do"
        return (
            f"the weights leave no memory for the cache under --mem-fraction-static {self.settings.fraction:g}; "
            f"{instead}"
        )

    def estimate(self) -> Estimate:
        """The ledger."""
        refusal = self.refusal()
        terms = terms_of_all(self.ranks, self._rank_terms)
        terms += process_terms(self.host, self.ranks)
        n_layers = self.model.n_layers - self.model.n_predictor_layers + 1
        return Estimate(
            engine=NAME,
            terms=tuple(term for term in terms if term.n_bytes or term.high_bytes),
            n_layers=n_layers,
            n_gpu_layers=n_layers,
            doubts=(*self.model.doubts_with_encoder, *self._doubts()),
            answers=tuple(self._answers()),
            refusal=refusal,
            risk="" if refusal else self.risk(),
        )

    def _doubts(self) -> list[str]:
        if self.gpus[0].kind != "rocm":
            return []
        return ["AMD's attention kernels (aiter) reserve a workspace that grows with the context and is not counted"]

    def _rank_terms(self, rank: Rank) -> list[Term]:
        pool, tokens, place = self.pool(rank), self.tokens, rank.place
        each = pool.token_bytes
        model, tensor, n_tokens = self.model, self.split.tensor, self.settings.n_prefill_tokens
        cache = Span(
            n_bytes=int(tokens.n_bytes * each),
            low_bytes=int(tokens.low_bytes * each),
            high_bytes=int(tokens.high_bytes * each),
            formula=f"{tokens.n_bytes} tokens x {each:g} bytes",
        )
        layer = layer_bytes(model, n_tokens, tensor) + workspace_bytes(model, n_tokens, tensor)
        activations = peak(
            model, layer, sampler_bytes(model, self.settings.n_graph_sequences or 1, LOGIT_BYTES), share=0.4
        )
        rows = table_bytes(tokens.n_bytes, self.length, self.options.max_running_requests)
        graphs = GRAPHS if self.settings.n_graph_sequences else Span(n_bytes=0, low_bytes=0, high_bytes=0)
        terms = [
            weight_term(rank, model, NAME, beside_bytes=BESIDE_BYTES, is_in_share=True),
            span_term(
                cache, Kind.KV_CACHE, "KV cache", place,
                source="what weights leave of the fraction: _profile_available_bytes, kv_cache_configurator.py, 0.5.23",
                read_bytes=int(min(self.length, tokens.n_bytes) * each), is_in_share=True,
            ),
            span_term(
                pool.states(), Kind.STATE, "states", place,
                source="mamba_full_memory_ratio, _handle_max_mamba_cache, kv_cache_configurator.py, 0.5.23",
                read_bytes=pool.state_bytes, is_in_share=True,
            ),
            span_term(
                Span(n_bytes=rows, low_bytes=rows, high_bytes=rows), Kind.COMPUTE, "table of requests", place,
                source="ReqToTokenPool, mem_cache/memory_pool.py, 0.5.23",
            ),
            span_term(
                activations, Kind.COMPUTE, "activations", place, Basis.ASSUMED, source="a piece of a prompt, as in vLLM"
            ),
            span_term(graphs, Kind.COMPUTE, "CUDA graphs", place, Basis.CALIBRATED, source="logs: 0.09 to 0.58 GiB"),
            span_term(
                self.collectives(), Kind.RUNTIME, "collectives", place, Basis.CALIBRATED, source="logs of four cards"
            ),
        ]  # fmt: skip
        context = runtime_term(place)
        return list(terms) if context is None else [*terms, context]

    def _answers(self) -> list[Answer]:
        pools, tokens = self.pools, self.tokens
        share = sum(int(pool.free.n_bytes * pool.fraction) for pool in map(self.pool, self.ranks))
        smallest = [pool.smallest_fraction(self.length) for pool in pools]
        source = "kv_cache_configurator.py, 0.5.23"
        found = [Answer(key="share_bytes", label="takes in any case", value=share, unit="bytes")]
        if pools[0].token_bytes:
            found += [
                Answer(key="kv_tokens", label="KV cache holds", value=tokens.n_bytes, low=tokens.low_bytes,
                       high=tokens.high_bytes, unit="tokens", source=source),
                Answer(key="full_length_sequences", label=f"at once, of {self.length} tokens",
                       value=round(tokens.n_bytes / self.length, 2), low=round(tokens.low_bytes / self.length, 2),
                       high=round(tokens.high_bytes / self.length, 2), unit="sequences", source=source),
            ]  # fmt: skip
        if pools[0].state_bytes:
            slots = pools[0].states().n_bytes // pools[0].state_bytes
            found.append(Answer(key="state_slots", label="states of sequences", value=slots, unit="sequences"))
        found.append(
            Answer(key="smallest_fraction_ratio", label="smallest --mem-fraction-static",
                   value=max(one.n_bytes for one in smallest) / 1e6, low=max(one.low_bytes for one in smallest) / 1e6,
                   high=max(one.high_bytes for one in smallest) / 1e6, source=source)
        )  # fmt: skip
        return found


def is_old(version: str) -> bool:
    """Whether the rules before 0.5 hold.

    Raises:
        Unjudgeable: that is no version.
    """
    found = re.match(r"v?(\d{1,3})\.(\d{1,3})(?!\d)", version.strip())
    if found is None or len(version) > 40:
        raise Unjudgeable(f"{version[:40]!r} is no version of SGLang; say which, as in {NEWEST}")
    return (int(found[1]), int(found[2])) < (0, 5)
