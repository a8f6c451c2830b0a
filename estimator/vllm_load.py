"""A model and what is asked of vLLM, on devices: what it would allocate, and why it would not start."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from estimator.budget import Budget
from estimator.cache_rows import RowType, layer_caches, row_type
from estimator.derived import of_model_by
from estimator.ledger import Answer, Basis, Estimate, Place, Workload
from estimator.mixture import DEFAULT_TYPES as MIXTURES
from estimator.mixture import UNQUANTISED
from estimator.model import Model
from estimator.paged_cache import PagedCache, grouped
from estimator.paged_ledger import cache_answers, rank_terms
from estimator.ranks import (
    gpus_for,
    host_of,
    offered_bytes,
    process_terms,
    ranks_of,
    slices_evenly,
    terms_of_all,
    usual_tensor,
)
from estimator.runtime import runtime_term
from estimator.sharding import Split
from estimator.vllm_options import NAME, Options
from estimator.vllm_step import Step, batch, rules_for

GIB = 1 << 30
UNPLANNED: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"deepseek4": (0.14, 2.5), "minimax-m3": (0.14, 2.5), "qwen4exp": (0.75, 1.25)}
)
"""Architectures that lay out caches of their own, which are not modelled (vllm/models/, 0.33.0), and how far the tokens
may be off. DeepSeek V4: what is reckoned here is 0.4 to 7 times what four logs print, which do not all say which of the
two it was. Qwen3.8 Flash Next, which packs one index key for several tokens: 1.05 times (8.64 GiB, 315039 tokens)."""
OF_THE_LAYOUT = frozenset({"kv_tokens", "full_length_sequences", "longest_context_tokens"})
BLOCK_TOKENS = 16
LATENT_BLOCK_TOKENS = 64
"""What FlashMLA wants (v1/attention/backends/mla/flashmla.py)."""


class Load:
    """A model and what is asked of it, on devices."""

    def __init__(self, model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> None:
        self.model, self.workload, self.options = model, workload, options
        self.gpus, self.host = gpus_for(model, places, NAME), host_of(places)
        self.rules = rules_for(options, self.gpus[0])
        self.length = max(1, workload.context_tokens // max(1, workload.n_sequences))
        n_others = options.pipeline_parallel_size * options.data_parallel_size
        self.split = Split(
            tensor=options.tensor_parallel_size or usual_tensor(model, max(1, len(self.gpus) // n_others)),
            pipeline=min(options.pipeline_parallel_size, max(1, model.n_layers)),
            data=options.data_parallel_size,
            is_expert_parallel=options.is_expert_parallel,
        )
        self.element_bytes = 4 if options.dtype == "float32" else 2
        n_sequences, n_tokens = batch(options, self.rules, self.gpus[0], self.length)
        self.step = Step(
            model=model,
            rules=self.rules,
            device=self.gpus[0],
            split=self.split,
            length_tokens=self.length,
            element_bytes=self.element_bytes,
            n_sequences=n_sequences,
            n_tokens=n_tokens,
            is_eager=options.is_eager,
        )
        ranks = ranks_of(model, self.gpus, self.split, self.element_bytes)
        self.budget = Budget(
            model=model,
            ranks=ranks,
            cache=self._cache(),
            length_tokens=self.length,
            share_ratio=options.gpu_memory_utilization or self.rules.utilization_ratio,
            non_torch=self.step.libraries(),
            activations=self.step.activations(),
            graphs=self.step.graphs(),
            has_graphs_in_share=self.rules.has_graphs_in_budget,
            off_bytes=min(int(options.cpu_offload_gb * GIB), *(rank.stage.n_bytes for rank in ranks)),
            kv_bytes=options.kv_cache_memory_bytes,
        )
        if options.is_length_free and not self.split_refusal():
            # `_auto_fit_max_model_len`, v1/core/kv_cache_planning.py, 0.33.0: batches are those of the whole length.
            self.length = self._longest(self.budget.blocks.n_bytes) or self.length
            self.budget = replace(self.budget, length_tokens=self.length)

    def _cache(self) -> PagedCache:
        options = self.options
        return _paged(
            self.model,
            self.split.tensor,
            row_type(self.workload.kv_type, NAME),
            self.element_bytes,
            recurrent_bytes={"auto": None, "float32": 4}.get(options.mamba_ssm_cache_dtype, 2),
            has_windows=self.rules.is_compiled and not options.is_hybrid_manager_disabled,
            block_tokens=options.block_size or (LATENT_BLOCK_TOKENS if self.model.latent else BLOCK_TOKENS),
            n_flying_tokens=self.step.n_tokens * self.rules.n_flying_batches,
            n_state_blocks=self.rules.n_state_blocks,
        )

    def refusal(self) -> str:
        """Why it is not expected to start; empty where it is."""
        blocks, off = self.budget.blocks, UNPLANNED.get(self.model.architecture)
        n_blocks = blocks.n_bytes if off is None else int(blocks.high_bytes * off[1])
        return self.split_refusal() or self._busy("n_bytes") or self._short(n_blocks)

    def split_refusal(self) -> str:
        """Why it can't be shared out so, whatever there is room for."""
        split, model = self.split, self.model
        if split.n_devices > len(self.gpus):
            return f"{split.n_devices} devices asked for, {len(self.gpus)} there"
        if not slices_evenly(model, split.tensor):
            return (
                f"{model.n_heads} heads ({model.n_kv_heads} of keys and values) can't be shared evenly by "
                f"--tensor-parallel-size {split.tensor}"
            )
        return ""

    def risk(self) -> str:
        """Why it may not start, at the worst end of the band."""
        if self.options.is_length_free and self._longest(self._least_blocks()):
            return self._busy("high_bytes", "at worst ")  # a cache that is smaller makes it shorter
        return self._busy("high_bytes", "at worst ") or self._short(self._least_blocks(), "at worst ")

    def _least_blocks(self) -> int:
        """At the worst end of the band."""
        off = UNPLANNED.get(self.model.architecture)
        return self.budget.blocks.low_bytes if off is None else int(self.budget.blocks.low_bytes * off[0])

    def _busy(self, end: str, when: str = "") -> str:
        """Its first check: the share has to be free, whatever the model needs.

        Args:
            end: of the context's band, which is there before it looks.
            when: what is said of that end.
        """
        if self.budget.kv_bytes is not None:
            return ""
        for rank in self.budget.ranks:
            place, wanted = rank.place, self.budget.share_bytes(rank.place)
            context = runtime_term(place)
            free = place.free_bytes - (getattr(context, end) if context else 0)
            if free < wanted:
                return (
                    f"free memory on {place.name} ({when}{_gib(free)} of {_gib(offered_bytes(place))} GiB) is less "
                    f"than --gpu-memory-utilization {self.budget.share_ratio:g} takes ({_gib(wanted)} GiB)"
                )
        return ""

    def _short(self, n_blocks: int, when: str = "") -> str:
        """Its second check: one sequence of full length has to have room in the cache.

        What would fit instead is said of the worst end of the band, so that it does.
        """
        cache, budget = self.budget.cache, self.budget
        needed = budget.needed_blocks()
        if not cache.groups or n_blocks >= needed:
            return ""
        if n_blocks <= 1 or (self.options.is_length_free and not self._longest(n_blocks)):
            return f"{when}no memory is left for the cache under --gpu-memory-utilization {budget.share_ratio:g}"
        each = max(budget.block_bytes(rank) for rank in budget.ranks)
        longest = self._longest(self._least_blocks())
        instead = f"; --max-model-len {longest} would fit" if longest > 0 else ""
        return (
            f"one sequence of {self.length} tokens needs {_gib(each * (needed - 1))} GiB of cache, and {when}"
            f"{_gib(each * (n_blocks - 1))} are left{instead}"
        )

    def _longest(self, n_blocks: int) -> int:
        """Tokens of the longest sequence that so many blocks hold, up to what is asked for; 0 where they hold none."""
        cache = self.budget.cache
        return cache.longest(max(0, n_blocks - 1), self.length) if cache.groups else self.length

    def estimate(self) -> Estimate:
        """The ledger."""
        budget = self.budget
        terms = terms_of_all(budget.ranks, lambda rank: rank_terms(budget, rank, NAME))
        terms += process_terms(self.host, budget.ranks, budget.off_bytes)
        n_layers = self.model.n_layers - self.model.n_predictor_layers + 1
        refusal = self.refusal()
        return Estimate(
            engine=NAME,
            terms=tuple(term for term in terms if term.n_bytes or term.high_bytes),
            n_layers=n_layers,
            n_gpu_layers=n_layers,
            summary=f"{_gib(budget.off_bytes)} GiB of weights to RAM" if budget.off_bytes else "",
            doubts=(*self.model.doubts_with_encoder, *self._doubts()),
            answers=tuple(self._answers()),
            refusal=refusal,
            risk="" if refusal else self.risk(),
        )

    def _answers(self) -> Iterable[Answer]:
        for answer in cache_answers(self.budget, self.printed_tokens, self.split.data):
            off = UNPLANNED.get(self.model.architecture)
            if off is None or answer.key not in OF_THE_LAYOUT or answer.low is None or answer.high is None:
                yield answer
            else:
                digits = None if isinstance(answer.value, int) else 2
                low, high = round(answer.low * off[0], digits), round(answer.high * off[1], digits)
                yield replace(answer, low=low, high=high, basis=Basis.ASSUMED)

    def _doubts(self) -> list[str]:
        model, found = self.model, []
        if 0 < model.native_context_tokens < self.length:
            found.append(
                f"{self.length} tokens are beyond the {model.native_context_tokens} of the model: it refuses them "
                "unless told how to scale"
            )
        if model.quant in MIXTURES and model.quant not in UNQUANTISED:
            found.append("vLLM runs GGUF files as an experiment; what it keeps beside their bytes is not known")
        if self.options.is_length_free and (least := self._longest(self._least_blocks())) < self.length:
            found.append(f"its length is what there turns out to be room for: {self.length} tokens, {least} at worst")
        if model.architecture in UNPLANNED:
            found.append("how vLLM lays out this model's cache is not modelled here: its tokens may be far off")
        if model.kind == "vision":
            found.append("what its largest image takes is not known; the band allows for 1.5 GiB")
        if model.quant == "NVFP4" and model.file_bytes is None:
            found.append("NVFP4 checkpoints differ in what they leave unpacked; the band reaches to all but experts")
        return found

    def printed_tokens(self, n_blocks: int) -> int:
        """What it calls the size of the cache."""
        cache = self.budget.cache
        if self.rules.is_concurrency_printed and (needed := cache.blocks_for(self.length)):
            return int(n_blocks / needed * self.length)
        return n_blocks // max(1, len(cache.groups)) * cache.block_tokens


@of_model_by(64)
def _paged(
    model: Model,
    tensor: int,
    stored: RowType,
    element_bytes: int,
    *,
    recurrent_bytes: int | None,
    has_windows: bool,
    block_tokens: int,
    n_flying_tokens: int,
    n_state_blocks: int,
) -> PagedCache:
    """The layers' caches in groups: the same for every length and card, and so reckoned once."""
    caches = layer_caches(
        model, tensor, stored, element_bytes, recurrent_bytes=recurrent_bytes, has_windows=has_windows
    )
    return grouped(caches, block_tokens, n_flying_tokens=n_flying_tokens, n_state_blocks=n_state_blocks)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / GIB:.2f}"
