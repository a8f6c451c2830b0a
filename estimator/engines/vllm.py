"""vLLM: takes a share of every device whatever the model needs, and gives its cache what is left of it.

Budget, groups and refusals follow 0.33.0 (`vllm/v1/worker/gpu_worker.py: determine_available_memory`); what older
releases did otherwise is in estimator/releases.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from estimator.activations import Span, layer_bytes, peak, sampler_bytes, total, workspace_bytes
from estimator.budget import Budget
from estimator.cache_rows import ROW_TYPES, RowType, layer_caches, row_type
from estimator.derived import of_model_by
from estimator.engine import nothing
from estimator.ledger import Answer, Basis, Estimate, Kind, Place, Workload
from estimator.mixture import DEFAULT_TYPES as MIXTURES
from estimator.mixture import UNQUANTISED
from estimator.model import Model
from estimator.needs import checkpoint_needs
from estimator.option import option
from estimator.paged_cache import PagedCache, grouped
from estimator.paged_ledger import cache_answers, rank_terms
from estimator.ranks import (
    gpus_for,
    host_of,
    is_linked,
    offered_bytes,
    process_terms,
    ranks_of,
    rounded_up,
    shares_memory,
    slices_evenly,
    terms_of_all,
    usual_tensor,
)
from estimator.releases import LARGE_CARD_BYTES, NEWEST, SHARED_MEMORY_BYTES, Release, release
from estimator.repository import repository_word
from estimator.runtime import runtime_term
from estimator.sharding import Split

NAME = "vLLM"
KV_TYPES = tuple(ROW_TYPES)
KV_STEPS = ("auto", "fp8")
QUANTS = ("BF16", "FP8", "W8A8", "AWQ", "GPTQ-Int4", "NVFP4", "bnb-4bit")
DEVICE_FLAG = ""
VENDORS = frozenset({"nvidia", "amd"})
CONVERTED_QUANT = ""
MIB, GIB = 1 << 20, 1 << 30

NOTHING = Span(n_bytes=0, low_bytes=0, high_bytes=0)
LARGE_BYTES, LARGEST_BYTES = 70 * GIB, 160 * GIB
"""Cards from which larger batches are usual."""
V0_GRAPH_VALUES = 100_000
"""Layers times width from which graphs are as large as logged."""
SEEN_TOKENS = 32768
"""Of the largest image and the longest video in the profile of the engine before V1: 4.93 GiB were logged for
Qwen2.5-VL 7B at a length of 4096, 2.47 without video; 6.90 for a 32B."""
LONG_TOKENS = 32768
"""Beyond it, the engine before V1 fed prompts in pieces of 2048."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that moves memory, by the engine's own flags."""

    gpu_memory_utilization: float | None = field(
        default=None,
        metadata=option(
            "--gpu-memory-utilization",
            "share of each device that it takes in any case; 0.92 if not given, 0.9 before 0.21",
            minimum=0.01,
            maximum=1,
        ),
    )
    tensor_parallel_size: int | None = field(
        default=None,
        metadata=option(
            "--tensor-parallel-size", "devices that slice every layer; all that are there if not given", minimum=1
        ),
    )
    pipeline_parallel_size: int = field(
        default=1, metadata=option("--pipeline-parallel-size", "groups of devices that share the layers", minimum=1)
    )
    data_parallel_size: int = field(
        default=1, metadata=option("--data-parallel-size", "copies of the model, each with its own cache", minimum=1)
    )
    is_expert_parallel: bool = field(
        default=False, metadata=option("--enable-expert-parallel", "experts are dealt out whole, over all copies")
    )
    max_num_seqs: int | None = field(
        default=None,
        metadata=option(
            "--max-num-seqs", "sequences in one step; 256, or 1024 from 70 GiB on, if not given", minimum=1
        ),
    )
    max_num_batched_tokens: int | None = field(
        default=None,
        metadata=option(
            "--max-num-batched-tokens", "tokens in one step; 2048, 8192 or 16384 by the device if not given", minimum=1
        ),
    )
    is_eager: bool = field(
        default=False, metadata=option("--enforce-eager", "no CUDA graphs: slower, and lighter by some 0.1 to 1 GiB")
    )
    block_size: int | None = field(
        default=None, metadata=option("--block-size", "tokens in one block of the cache; 16 if not given", minimum=1)
    )
    kv_cache_memory_bytes: int | None = field(
        default=None,
        metadata=option("--kv-cache-memory-bytes", "bytes of cache on each device, whatever the share", minimum=1),
    )
    cpu_offload_gb: float = field(
        default=0.0, metadata=option("--cpu-offload-gb", "GiB of each device's weights that stay in RAM")
    )
    is_hybrid_manager_disabled: bool = field(
        default=False,
        metadata=option("--disable-hybrid-kv-cache-manager", "sliding-window layers keep the whole context"),
    )
    dtype: str = field(
        default="auto",
        metadata=option("--dtype", "of what is not quantised", ("auto", "bfloat16", "float16", "float32")),
    )
    mamba_ssm_cache_dtype: str = field(
        default="auto",
        metadata=option("--mamba-ssm-cache-dtype", "of recurrent states", ("auto", "float16", "bfloat16", "float32")),
    )
    is_length_free: bool = field(
        default=False,
        metadata=option(
            "", "--max-model-len auto: as long as one sequence has room for, the context asked for at most"
        ),
    )
    version: str = field(
        default=NEWEST, metadata=option("--engine-version", f"whose rules hold; {NEWEST} if not given")
    )


DEFAULTS = Options()


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What vLLM would allocate, and whether it would start.

    Raises:
        Unjudgeable: no GPU, a cache type or a version that it does not know.
    """
    return _Load(model, workload, options, places).estimate()


quick_estimate = estimate
fallback = quick_fallback = nothing
needs = checkpoint_needs


def free_context(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> int:
    """The tokens that ``--max-model-len auto`` settles on, as expected: the workload's at most."""
    return _Load(model, replace(workload, n_sequences=1), replace(options, is_length_free=True), places).length


def relieved(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """The same with what makes it start: another share, fewer sequences at once, no CUDA graphs, a split that works.

    None if nothing does, and where it starts as it is.
    """
    load = _Load(model, workload, options, places)
    if not load.refusal() and not load.risk():
        return None
    fewer = replace(options, max_num_seqs=min(load.n_sequences, 16), max_num_batched_tokens=min(load.n_tokens, 2048))
    tensor = usual_tensor(model, len(load.gpus))
    shared = replace(options, tensor_parallel_size=tensor, pipeline_parallel_size=1, data_parallel_size=1)
    for tried in (options, fewer, replace(fewer, is_eager=True), *((shared,) if load.split_refusal() else ())):
        found = _with_share(model, workload, tried, places)
        if found is not None:
            return found
    return None


def _with_share(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """With a share that is free and large enough, the one asked for if it may be."""
    budget = _Load(model, workload, options, places).budget
    least = rounded_up(budget.smallest_share().high_bytes / 1e6)
    most = min(_free_ratio(rank.place) for rank in budget.ranks)
    if least > most:
        return None
    found = replace(options, gpu_memory_utilization=min(max(least, budget.share_ratio), most))
    changed = _Load(model, workload, found, places)
    return None if changed.refusal() or changed.risk() else found


def _free_ratio(place: Place) -> float:
    """The largest share of a device that is free now, in whole hundredths."""
    context = runtime_term(place)
    free = place.line_bytes - (context.high_bytes if context else 0)
    return max(0, free * 100 // offered_bytes(place)) / 100 if offered_bytes(place) else 0.0


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:
    """The arguments of ``vllm serve`` that ask for exactly this, share and split spelled out."""
    del model
    rules = release(options.version)
    share = options.gpu_memory_utilization or rules.utilization_ratio
    n_used = len({term.place for term in made.terms if term.kind is Kind.KV_CACHE})
    tensor = options.tensor_parallel_size or max(
        1, n_used // (options.pipeline_parallel_size * options.data_parallel_size)
    )
    length = "auto" if options.is_length_free else max(1, workload.context_tokens // workload.n_sequences)
    parts = [
        f"--max-model-len {length}",
        f"--gpu-memory-utilization {share:g}",
    ]
    said = {
        f"--tensor-parallel-size {tensor}": tensor > 1,
        f"--pipeline-parallel-size {options.pipeline_parallel_size}": options.pipeline_parallel_size > 1,
        f"--data-parallel-size {options.data_parallel_size}": options.data_parallel_size > 1,
        "--enable-expert-parallel": options.is_expert_parallel,
        f"--max-num-seqs {options.max_num_seqs}": options.max_num_seqs is not None,
        f"--max-num-batched-tokens {options.max_num_batched_tokens}": options.max_num_batched_tokens is not None,
        "--enforce-eager": options.is_eager,
        f"--kv-cache-dtype {workload.kv_type}": workload.kv_type not in ("auto", "f16", "bf16"),
        f"--block-size {options.block_size}": options.block_size is not None,
        f"--kv-cache-memory-bytes {options.kv_cache_memory_bytes}": options.kv_cache_memory_bytes is not None,
        f"--cpu-offload-gb {options.cpu_offload_gb:g}": options.cpu_offload_gb > 0,
        "--disable-hybrid-kv-cache-manager": options.is_hybrid_manager_disabled,
        f"--dtype {options.dtype}": options.dtype != "auto",
        f"--mamba-ssm-cache-dtype {options.mamba_ssm_cache_dtype}": options.mamba_ssm_cache_dtype != "auto",
    }
    return " ".join(parts + [flag for flag, is_said in said.items() if is_said])


def command(model: Model, arguments: str) -> str:
    """The server's line."""
    return f"vllm serve {repository_word(model)} {arguments}"


class _Load:
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
        self.n_sequences, self.n_tokens = batch(options, self.rules, self.gpus[0], self.length)
        ranks = ranks_of(model, self.gpus, self.split, self.element_bytes)
        self.budget = Budget(
            model=model,
            ranks=ranks,
            cache=self._cache(),
            length_tokens=self.length,
            share_ratio=options.gpu_memory_utilization or self.rules.utilization_ratio,
            non_torch=self._libraries(),
            activations=self._activations(),
            graphs=NOTHING if options.is_eager else graphs_of(self.rules, model),
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
            n_flying_tokens=self.n_tokens * self.rules.n_flying_batches,
            n_state_blocks=self.rules.n_state_blocks,
        )

    def _libraries(self) -> Span:
        rules = self.rules
        device = self.gpus[0]
        if self.split.n_devices == 1:
            found = rules.libraries
            if offered_bytes(device) >= LARGE_BYTES:
                found = replace(found, high_bytes=max(found.high_bytes, LARGE_CARD_BYTES))
        else:
            has_links = is_linked(device) or "a100" in device.product.casefold()
            found = rules.linked_collectives if has_links else rules.collectives
        if shares_memory(device):
            found = replace(found, low_bytes=0, high_bytes=max(found.high_bytes, SHARED_MEMORY_BYTES))
        if any(layer.recurrent_state_width for layer in self.model.layers):
            found = total([found, rules.state_kernels])
        if rules.keeps_reduced and self.split.tensor > 1:
            # Of every layer the outputs of attention and of the network after it.
            n_layers = self.model.n_layers // self.split.pipeline
            reduced = 2 * n_layers * self.n_tokens * self.model.embedding_width * self.element_bytes
            found = replace(found, n_bytes=found.n_bytes + reduced, high_bytes=found.high_bytes + reduced * 5 // 4)
        if not rules.has_workspaces:
            return found
        experts = workspace_bytes(self.model, self.n_tokens, self.split.tensor, self.element_bytes)
        return Span(
            n_bytes=found.n_bytes + experts,
            low_bytes=found.low_bytes + experts // 2,
            high_bytes=found.high_bytes + experts * 5 // 4,
        )

    def _activations(self) -> Span:
        rules, tensor, width = self.rules, self.split.tensor, self.element_bytes
        layer = layer_bytes(self.model, self.n_tokens, tensor, is_compiled=rules.is_compiled, element_bytes=width)
        if not rules.has_workspaces:
            layer += workspace_bytes(self.model, self.n_tokens, tensor, width)
        low, expected, high = (sampler_bytes(self.model, self.n_sequences, each) for each in rules.logit_bytes)
        if not rules.is_compiled and self.length > LONG_TOKENS:  # prompts in pieces
            low, expected = 0, expected if rules.samples_pieces else 0
        if not rules.is_compiled and self.model.kind == "vision":
            # The largest image and the longest video were one prompt, whatever the length asked for.
            seen = layer_bytes(self.model, SEEN_TOKENS, tensor, is_compiled=False, element_bytes=width)
            low, high = 0, max(high, seen * 5 // 4)
        found = peak(self.model, layer, expected)
        return replace(
            found,
            low_bytes=min(found.low_bytes, max(int(layer * 0.85), low)),
            high_bytes=max(found.high_bytes, high),
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


def graphs_of(rules: Release, model: Model) -> Span:
    """CUDA graphs of all sizes; those of the old engine grow with the model's width and depth.

    Logged there: 0.08 GiB (Qwen3 0.6B), 0.13 (Qwen2.5 0.5B), 0.8 (Qwen2.5 7B).
    """
    found = rules.graphs
    if rules.is_compiled:
        return found
    share = min(1.0, max(0.2, model.n_layers * model.embedding_width / V0_GRAPH_VALUES))
    return Span(n_bytes=int(found.n_bytes * share), low_bytes=found.low_bytes, high_bytes=int(found.high_bytes * share))


def rules_for(options: Options, device: Place) -> Release:
    """The rules of a version on this kind of device."""
    capability = device.compute_capability
    return release(options.version, is_old_card=capability is not None and capability < (8, 0))


def batch(options: Options, rules: Release, device: Place, length: int) -> tuple[int, int]:
    """(sequences, tokens) of one step (`EngineArgs.get_batch_defaults`, engine/arg_utils.py)."""
    product, memory_bytes = device.product.casefold(), offered_bytes(device)
    is_slow = "a100" in product or "gb10" in product or device.compute_capability == (12, 1)
    is_large = "h100" in product or "h200" in product
    if rules.large_cards != "name":
        is_large = memory_bytes >= LARGE_BYTES and not is_slow
    if not rules.is_compiled:  # whole prompts, but for long contexts (config.py of 0.7.3)
        n_sequences, n_tokens = 256, (2048 if length > LONG_TOKENS else max(length, 2048))
    elif rules.large_cards == "two tiers" and memory_bytes >= LARGEST_BYTES:
        n_sequences, n_tokens = 1024, 16384
    else:
        n_sequences, n_tokens = (1024, 8192) if is_large else (256, 2048)
    n_tokens = options.max_num_batched_tokens or n_tokens
    n_sequences = min(options.max_num_seqs or n_sequences, n_tokens)
    if options.max_num_batched_tokens is None:
        n_tokens = min(n_tokens, n_sequences * length)
    return n_sequences, n_tokens


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / GIB:.2f}"
