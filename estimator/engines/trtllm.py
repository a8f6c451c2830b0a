"""TensorRT-LLM: after weights, buffers and graphs, a fraction of the memory that is still free becomes cache.

Held against its logs only (its KV cache manager is not open in the wheel): 63.44 of 70.48 GiB and 77.02 of 85.57 GiB,
both 0.900; 32 or 64 tokens per block; bytes per token as the shapes have them.
"""

from collections.abc import Sequence
from dataclasses import field, replace

from estimator.activations import MIB, Span, layer_bytes, peak, sampler_bytes, workspace_bytes
from estimator.cache_rows import ROW_TYPES, layer_caches, row_type
from estimator.engine import nothing
from estimator.ledger import Answer, Basis, Estimate, Kind, Place, Term, Workload
from estimator.model import Model
from estimator.needs import checkpoint_needs
from estimator.option import option
from estimator.paged_ledger import span_term
from estimator.ranks import (
    Rank,
    gpus_for,
    host_of,
    is_linked,
    process_terms,
    ranks_of,
    slices_evenly,
    usual_tensor,
    weight_term,
)
from estimator.repository import repository_word
from estimator.runtime import runtime_term
from estimator.sharding import Split
from records.record import record

NAME = "TensorRT-LLM"
KV_TYPES = tuple(name for name in ROW_TYPES if name in ("auto", "bfloat16", "fp8", "nvfp4"))
KV_STEPS = ("auto", "fp8")
QUANTS = ("BF16", "FP8", "W8A8", "AWQ", "NVFP4")
KINDS = ("cuda",)
"""It is built for NVIDIA's GPUs alone (requirements of its README, NVIDIA/TensorRT-LLM)."""
DEVICE_FLAG = ""
VENDORS = frozenset({"nvidia"})
CONVERTED_QUANT = ""
BLOCK_TOKENS = 32
BUFFERS = Span(n_bytes=900 * MIB, low_bytes=150 * MIB, high_bytes=2600 * MIB)
"""Execution contexts, NCCL and CUDA graphs: nothing logged but 2.27 GiB for DeepSeek V3 on eight."""
SOURCE = "logs of 0.18 to 1.2"


@record(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that moves memory, by the engine's own flags."""

    kv_cache_free_gpu_memory_fraction: float = field(
        default=0.9,
        metadata=option(
            "--kv_cache_free_gpu_memory_fraction",
            "share of what is free after loading that becomes cache",
            minimum=0.01,
            maximum=1,
        ),
    )
    tp_size: int | None = field(
        default=None,
        metadata=option("--tp_size", "devices that slice every layer; all that are there if not given", minimum=1),
    )
    pp_size: int = field(default=1, metadata=option("--pp_size", "groups of devices that share the layers", minimum=1))
    max_batch_size: int = field(default=2048, metadata=option("--max_batch_size", "sequences in one step", minimum=1))
    max_num_tokens: int = field(default=8192, metadata=option("--max_num_tokens", "tokens in one step", minimum=1))
    kv_cache_max_tokens: int | None = field(
        default=None, metadata=option("", "kv_cache_config.max_tokens of its file of settings", minimum=1)
    )
    kv_cache_max_bytes: int | None = field(
        default=None,
        metadata=option("", "kv_cache_config.max_gpu_total_bytes of its file of settings, for each device", minimum=1),
    )


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What TensorRT-LLM would allocate.

    Raises:
        Unjudgeable: no GPU, or a cache type that it does not know.
    """
    gpus = gpus_for(model, places, NAME, KINDS)
    split = Split(
        tensor=options.tp_size or usual_tensor(model, max(1, len(gpus) // options.pp_size)),
        pipeline=min(options.pp_size, max(1, model.n_layers)),
    )
    ranks = ranks_of(model, gpus, split, 2)
    length = max(1, workload.context_tokens // max(1, workload.n_sequences))
    spent = [_spent(rank, model, options, split) for rank in ranks]
    each = [_token_bytes(rank, model, workload, split) for rank in ranks]
    tokens = _tokens(ranks, spent, each, options)
    terms = [
        term
        for rank, parts, token_bytes in zip(ranks, spent, each, strict=True)
        for term in (*parts, _cache_term(rank, tokens, token_bytes, min(length, tokens.n_bytes)))
    ]
    refusal = ""
    if split.n_devices > len(gpus):
        refusal = f"{split.n_devices} devices asked for, {len(gpus)} there"
    elif not slices_evenly(model, split.tensor):
        refusal = f"{model.n_heads} heads can't be shared evenly by --tp_size {split.tensor}"
    elif tokens.n_bytes < BLOCK_TOKENS:
        refusal = "no memory is left for the cache"
    risk = ""
    if tokens.n_bytes < length:
        risk = f"the cache holds some {tokens.n_bytes} tokens: a sequence of {length} would be turned away"
    elif tokens.low_bytes < length:
        risk = f"the cache may hold {tokens.low_bytes} tokens only: a sequence of {length} would be turned away"
    n_layers = model.n_layers - model.n_predictor_layers + 1
    return Estimate(
        engine=NAME,
        terms=(*terms, *process_terms(host_of(places), ranks)),
        n_layers=n_layers,
        n_gpu_layers=n_layers,
        doubts=model.doubts_with_encoder,
        answers=tuple(_answers(tokens, length)),
        refusal=refusal,
        risk="" if refusal else risk,
    )


quick_estimate = estimate
fallback = quick_fallback = nothing
needs = checkpoint_needs


def relieved(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """The same with smaller steps, where that makes room for one sequence; None where it has room, or has none so."""
    made = estimate(model, workload, options, places)
    if not made.refusal and not made.risk:
        return None
    smaller = replace(options, max_batch_size=min(options.max_batch_size, 16), max_num_tokens=2048)
    changed = estimate(model, workload, smaller, places)
    return None if changed.refusal or changed.risk else smaller


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:
    """The arguments of ``trtllm-serve`` that ask for exactly this."""
    del model
    n_used = len({term.place for term in made.terms if term.kind is Kind.KV_CACHE})
    tensor = options.tp_size or max(1, n_used // options.pp_size)
    said = {
        f"--tp_size {tensor}": tensor > 1,
        f"--pp_size {options.pp_size}": options.pp_size > 1,
        f"--kv_cache_dtype {workload.kv_type}": workload.kv_type in ("fp8", "nvfp4"),
    }
    parts = [
        f"--max_seq_len {max(1, workload.context_tokens // workload.n_sequences)}",
        f"--kv_cache_free_gpu_memory_fraction {options.kv_cache_free_gpu_memory_fraction:g}",
        f"--max_batch_size {options.max_batch_size}",
        f"--max_num_tokens {options.max_num_tokens}",
    ]
    return " ".join(parts + [flag for flag, is_said in said.items() if is_said])


def command(model: Model, arguments: str) -> str:
    """The server's line."""
    return f"trtllm-serve {repository_word(model)} {arguments}"


def _spent(rank: Rank, model: Model, options: Options, split: Split) -> list[Term]:
    """What is taken before the cache."""
    layer = layer_bytes(model, options.max_num_tokens, split.tensor)
    layer += workspace_bytes(model, options.max_num_tokens, split.tensor)
    logits = sampler_bytes(model, min(options.max_batch_size, options.max_num_tokens), 4)
    grown = 2 if split.n_devices > 1 and is_linked(rank.place) else 1
    buffers = Span(n_bytes=BUFFERS.n_bytes * grown, low_bytes=BUFFERS.low_bytes, high_bytes=BUFFERS.high_bytes * grown)
    context = runtime_term(rank.place)
    return [
        weight_term(rank, model, NAME, is_in_share=True),
        span_term(
            peak(model, layer, logits, share=0.4),
            Kind.COMPUTE,
            "activations",
            rank.place,
            Basis.ASSUMED,
            source="as in vLLM",
            is_in_share=True,
        ),
        span_term(buffers, Kind.COMPUTE, "buffers", rank.place, Basis.ASSUMED, source=SOURCE, is_in_share=True),
        *([context] if context is not None else []),
    ]


def _token_bytes(rank: Rank, model: Model, workload: Workload, split: Split) -> int:
    caches = layer_caches(model, split.tensor, row_type(workload.kv_type, NAME), 2)
    return sum(cache.token_bytes for number, cache in caches if number in rank.stage.layers)


def _tokens(ranks: Sequence[Rank], spent: Sequence[Sequence[Term]], each: Sequence[int], options: Options) -> Span:
    """(In tokens) what the device with the least room holds, in whole blocks, or less where less is asked for.

    Of several limits the least counts (`KvCacheConfig`, llmapi/llm_args.py of 1.2); 860308 tokens asked for were 860320
    (NVIDIA/TensorRT-LLM issue 6294).
    """
    most_tokens = -(-(options.kv_cache_max_tokens or 1 << 62) // BLOCK_TOKENS) * BLOCK_TOKENS
    most_bytes = options.kv_cache_max_bytes or 1 << 62

    def held(field_name: str) -> int:
        counts = [
            min(
                int(
                    max(0, rank.place.free_bytes - sum(getattr(term, field_name) for term in terms))
                    * options.kv_cache_free_gpu_memory_fraction
                ),
                most_bytes,
            )
            // (token_bytes * BLOCK_TOKENS)
            * BLOCK_TOKENS
            for rank, terms, token_bytes in zip(ranks, spent, each, strict=True)
            if token_bytes
        ]
        return min([*counts, most_tokens], default=0) if counts else 0

    return Span(n_bytes=held("n_bytes"), low_bytes=held("high_bytes"), high_bytes=held("low_bytes"))


def _cache_term(rank: Rank, tokens: Span, token_bytes: int, read_tokens: int) -> Term:
    cache = Span(
        n_bytes=tokens.n_bytes * token_bytes,
        low_bytes=tokens.low_bytes * token_bytes,
        high_bytes=tokens.high_bytes * token_bytes,
        formula=f"{tokens.n_bytes} tokens x {token_bytes} bytes",
    )
    return span_term(
        cache,
        Kind.KV_CACHE,
        "KV cache",
        rank.place,
        source=f"a fraction of what is free after loading: {SOURCE}",
        read_bytes=read_tokens * token_bytes,
        is_in_share=True,
    )


def _answers(tokens: Span, length: int) -> list[Answer]:
    return [
        Answer(
            key="kv_tokens",
            label="KV cache holds",
            value=tokens.n_bytes,
            low=tokens.low_bytes,
            high=tokens.high_bytes,
            unit="tokens",
            source=SOURCE,
        ),
        Answer(
            key="full_length_sequences",
            label=f"at once, of {length} tokens",
            value=round(tokens.n_bytes / length, 2),
            low=round(tokens.low_bytes / length, 2),
            high=round(tokens.high_bytes / length, 2),
            unit="sequences",
            source=SOURCE,
        ),
    ]
