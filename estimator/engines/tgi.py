"""Text Generation Inference: after weights and its largest prompt, a cache of what a share of the device leaves.

`warmup` (server/text_generation_server/models/flash_causal_lm.py) and `get_cuda_free_memory` (utils/import_utils.py) of
3.3.7, db931fcf4: free memory less ``1 - 0.9 x --cuda-memory-fraction`` of the total. What others hold makes the cache
smaller, and is no reason to refuse. CUDA graphs are captured after it. No log was held against it (ASSUMED bands).
"""

from collections.abc import Sequence
from dataclasses import field, replace
from functools import cached_property

from estimator.activations import MIB, Span, layer_bytes, peak, sampler_bytes, total, workspace_bytes
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
    offered_bytes,
    process_terms,
    ranks_of,
    slices_evenly,
    terms_of_all,
    usual_tensor,
    weight_term,
)
from estimator.repository import repository_word
from estimator.runtime import runtime_term
from estimator.sharding import Split
from records.record import record

NAME = "TGI"
KV_TYPES = tuple(name for name in ROW_TYPES if name in ("auto", "fp8_e4m3", "fp8_e5m2"))
KV_STEPS = ("auto", "fp8_e4m3")
QUANTS = ("BF16", "FP8", "AWQ", "GPTQ-Int4", "bnb-4bit")
DEVICE_FLAG = ""
VENDORS = frozenset({"nvidia", "amd"})
CONVERTED_QUANT = ""
GIB = 1 << 30
ROOM_RATIO = 0.9
"""`TGI_WIGGLE_ROOM` (models/globals.py): of the fraction, what is filled."""
GRAPH_SEQUENCES = 32
"""The largest of ``--cuda-graphs``' default (launcher/src/main.rs)."""
PREFILL_TOKENS = 4096
"""``--max-batch-prefill-tokens`` where the card is none of those whose speed it knows (launcher/src/main.rs)."""
TERAFLOPS = {
    "t4": 65, "l4": 121, "l40": 181, "l40s": 363, "a10g": 125, "a40": 149, "h100": 900, "a100": 312, "h200": 989,
}  # fmt: skip
"""Those that it knows, as it has them (`f16_flop`): it takes so many tokens that a step lasts a second. Cards for
players are called otherwise by the driver than it expects."""
LEAST_OPTIMAL_TOKENS = 100
LIBRARIES = Span(n_bytes=300 * MIB, low_bytes=60 * MIB, high_bytes=900 * MIB)
COLLECTIVES = Span(n_bytes=600 * MIB, low_bytes=200 * MIB, high_bytes=1800 * MIB)
"""cuBLAS, kernels' workspaces, the allocator's rest; the same with NCCL (ASSUMED after vLLM's and SGLang's logs)."""
GRAPHS = Span(n_bytes=250 * MIB, low_bytes=60 * MIB, high_bytes=1300 * MIB)
"""Of six sizes, of which the largest has 32 sequences (ASSUMED after SGLang's logs)."""
NO_GRAPHS = Span(n_bytes=0, low_bytes=0, high_bytes=0)
LOGIT_BYTES = 10
"""As computed, as float32, and their probabilities (ASSUMED)."""
SOURCE = "warmup, models/flash_causal_lm.py, 3.3.7"


@record(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that moves memory, by the launcher's own flags."""

    cuda_memory_fraction: float = field(
        default=1.0,
        metadata=option(
            "--cuda-memory-fraction", "share of each device, of which it fills nine tenths", minimum=0.01, maximum=1
        ),
    )
    num_shard: int | None = field(
        default=None,
        metadata=option("--num-shard", "devices that slice every layer; all that are there if not given", minimum=1),
    )
    max_batch_prefill_tokens: int | None = field(
        default=None,
        metadata=option(
            "--max-batch-prefill-tokens", "tokens of one step of prompts; by the card if not given", minimum=1
        ),
    )
    is_graph_disabled: bool = field(default=False, metadata=option("", "--cuda-graphs 0: no CUDA graphs"))
    dtype: str = field(
        default="auto", metadata=option("--dtype", "of what is not quantised", ("auto", "float16", "bfloat16"))
    )
    is_length_free: bool = field(
        default=False, metadata=option("", "no --max-total-tokens: as long as one sequence has room for")
    )


DEFAULTS = Options()


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What TGI would allocate, and whether it would start.

    Raises:
        Unjudgeable: no GPU, or a cache type that it does not know.
    """
    return _Load(model, workload, options, places).estimate()


quick_estimate = estimate
fallback = quick_fallback = nothing
needs = checkpoint_needs


def free_context(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> int:
    """The tokens of one sequence where nobody says how many: what is expected to have room, the workload's at most."""
    load = _Load(model, replace(workload, n_sequences=1), replace(options, is_length_free=True), places)
    return load.length


def relieved(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """The same with what makes it start: the whole device, smaller steps, a split that works; None if nothing does.

    None as well where it starts as it is.
    """
    load = _Load(model, workload, options, places)
    if not load.refusal() and not load.risk():
        return None
    whole: Options = replace(options, cuda_memory_fraction=1.0)
    smaller: Options = replace(whole, max_batch_prefill_tokens=min(load.n_tokens, 2048))
    shared: Options = replace(options, num_shard=usual_tensor(model, len(load.gpus)))
    tries: list[Options] = [whole, smaller, *([shared] if load.split_refusal() else [])]
    for tried in tries:
        changed = _Load(model, workload, tried, places)
        if tried != options and not changed.refusal() and not changed.risk():
            return tried
    return None


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:
    """The arguments of ``text-generation-launcher`` that ask for exactly this, the split spelled out."""
    del model
    n_shards = options.num_shard or max(1, len({term.place for term in made.terms if term.kind is Kind.KV_CACHE}))
    length = max(2, workload.context_tokens // workload.n_sequences)
    said = {
        # A prompt has to be shorter than all (launcher/src/main.rs).
        f"--max-total-tokens {length} --max-input-tokens {length - 1}": not options.is_length_free,
        f"--cuda-memory-fraction {options.cuda_memory_fraction:g}": options.cuda_memory_fraction != 1,
        f"--num-shard {n_shards}": n_shards > 1,
        f"--max-batch-prefill-tokens {options.max_batch_prefill_tokens}": options.max_batch_prefill_tokens is not None,
        f"--kv-cache-dtype {_KV_NAMES.get(workload.kv_type, '')}": workload.kv_type in _KV_NAMES,
        "--cuda-graphs 0": options.is_graph_disabled,
        f"--dtype {options.dtype}": options.dtype != "auto",
    }
    return " ".join(flag for flag, is_said in said.items() if is_said)


_KV_NAMES = {"fp8_e4m3": "fp8_e4m3fn", "fp8_e5m2": "fp8_e5m2"}


def command(model: Model, arguments: str) -> str:
    """The launcher's line."""
    return f"text-generation-launcher --model-id {repository_word(model)} {arguments}".rstrip()


class _Load:
    """A model and what is asked of it, on devices."""

    def __init__(self, model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> None:
        self.model, self.workload, self.options = model, workload, options
        self.gpus, self.host = gpus_for(model, places, NAME), host_of(places)
        self.length = max(1, workload.context_tokens // max(1, workload.n_sequences))
        self.split = Split(tensor=options.num_shard or usual_tensor(model, len(self.gpus)))
        self.ranks = ranks_of(model, self.gpus, self.split, 2)
        self.stored = row_type(workload.kv_type, NAME)
        self.n_tokens = options.max_batch_prefill_tokens or self._usual_tokens()
        if options.is_length_free and not self.split_refusal():
            self.length = min(self.length, self.tokens.n_bytes) or self.length

    def _usual_tokens(self) -> int:
        """`compute_optimal`: what the card computes in a second; at most what the model was made for."""
        words = self.gpus[0].product.casefold().replace("-", " ").split()
        speed = next((TERAFLOPS[word] for word in words if word in TERAFLOPS), None)
        found = PREFILL_TOKENS
        if speed is not None and self.model.kind != "vision":
            optimal = int(speed * 1e12 * self.split.n_devices / max(1, self._operations()))
            found = optimal if optimal > LEAST_OPTIMAL_TOKENS else found
        return min(found, self.model.native_context_tokens or found)

    def _operations(self) -> int:
        """Of one token, as it counts them (`flop`)."""
        model, experts = self.model, self.model.experts
        width = model.feed_forward_width if experts is None else experts.feed_forward_width * experts.n_used
        attention = 2 * model.head_width * model.embedding_width * (3 * model.n_heads + 2 * model.n_kv_heads)
        return model.n_layers * (attention + 6 * model.embedding_width * width)

    def token_bytes(self, rank: Rank) -> int:
        """Of the cache, for one token on this device; windows are not made use of."""
        caches = layer_caches(self.model, self.split.tensor, self.stored, 2, has_windows=False)
        return sum(cache.token_bytes for number, cache in caches if number in rank.stage.layers)

    def spent(self, rank: Rank) -> list[Term]:
        """What is taken before the cache."""
        place, model, tensor = rank.place, self.model, self.split.tensor
        layer = layer_bytes(model, self.n_tokens, tensor) + workspace_bytes(model, self.n_tokens, tensor)
        libraries = LIBRARIES
        if self.split.n_devices > 1:
            libraries = COLLECTIVES if not is_linked(place) else total([COLLECTIVES, LIBRARIES])
        context = runtime_term(place)
        return [
            weight_term(rank, model, NAME, is_in_share=True),
            span_term(
                peak(model, layer, sampler_bytes(model, GRAPH_SEQUENCES, LOGIT_BYTES), share=0.4),
                Kind.COMPUTE,
                "activations",
                place,
                Basis.ASSUMED,
                source=f"the largest step of prompts: {SOURCE}",
                is_in_share=True,
            ),
            span_term(
                libraries, Kind.RUNTIME, "libraries", place, Basis.ASSUMED, source="as in vLLM", is_in_share=True
            ),
            *([replace(context, is_in_share=True)] if context is not None else []),
        ]

    def room(self, rank: Rank) -> Span:
        """What its share leaves for the cache."""
        spent = total(
            Span(n_bytes=term.n_bytes, low_bytes=term.low_bytes, high_bytes=term.high_bytes)
            for term in self.spent(rank)
        )
        share = self.share_bytes(rank.place)
        return Span(
            n_bytes=share - spent.n_bytes, low_bytes=share - spent.high_bytes, high_bytes=share - spent.low_bytes
        )

    def share_bytes(self, place: Place) -> int:
        """Of a device, what it fills beside what is in use already."""
        offered = offered_bytes(place)
        kept = int(offered * (1 - ROOM_RATIO * self.options.cuda_memory_fraction))
        return min(place.free_bytes, offered) - kept

    @cached_property
    def tokens(self) -> Span:
        """(In tokens, not bytes) what all devices hold: as many as the one with the least room."""
        kinds = {(rank.stage, rank.place.free_bytes, offered_bytes(rank.place)): rank for rank in self.ranks}
        rooms = [(self.room(rank), each) for rank in kinds.values() if (each := self.token_bytes(rank))]
        return Span(
            n_bytes=max(0, min((room.n_bytes // each for room, each in rooms), default=0)),
            low_bytes=max(0, min((room.low_bytes // each for room, each in rooms), default=0)),
            high_bytes=max(0, min((room.high_bytes // each for room, each in rooms), default=0)),
        )

    def refusal(self) -> str:
        """Why it is not expected to start; empty where it is."""
        return self.split_refusal() or self._short(self.tokens.n_bytes)

    def risk(self) -> str:
        """Why it may not start, at the worst end of the band."""
        if self.options.is_length_free and self.tokens.low_bytes > 0:
            return ""  # a smaller cache makes it shorter
        return self._short(self.tokens.low_bytes, "at worst ")

    def split_refusal(self) -> str:
        """Why it can't be shared out so, whatever there is room for."""
        n_devices, model = self.split.n_devices, self.model
        if n_devices > len(self.gpus):
            return f"{n_devices} devices asked for, {len(self.gpus)} there"
        if not slices_evenly(model, self.split.tensor):
            return f"{model.n_heads} heads can't be shared evenly by --num-shard {self.split.tensor}"
        return ""

    def _short(self, n_tokens: int, when: str = "") -> str:
        """`NotEnoughMemory` (backends/v3/src/lib.rs): one sequence has to have room. What fits does at worst too."""
        if n_tokens <= 0:
            return (
                f"{when}no memory is left for the cache beside the weights and {self.n_tokens} tokens of prompts "
                "(--max-batch-prefill-tokens)"
            )
        if n_tokens >= self.length:
            return ""
        each = max(self.token_bytes(rank) for rank in self.ranks)
        least = self.tokens.low_bytes
        instead = f"; --max-total-tokens {least} would fit" if least > 1 else ""
        return (
            f"one sequence of {self.length} tokens needs {_gib(each * self.length)} GiB of cache, and {when}"
            f"{_gib(each * n_tokens)} are left{instead}"
        )

    def estimate(self) -> Estimate:
        """The ledger."""
        terms = terms_of_all(self.ranks, self._rank_terms)
        n_layers = self.model.n_layers - self.model.n_predictor_layers + 1
        refusal = self.refusal()
        doubts = list(self.model.doubts_with_encoder)
        least = self.tokens.low_bytes
        if self.options.is_length_free and least < self.length:
            doubts.append(f"its length is what there turns out to be room for: {self.length} tokens, {least} at worst")
        return Estimate(
            engine=NAME,
            terms=tuple(term for term in (*terms, *process_terms(self.host, self.ranks)) if term.high_bytes),
            n_layers=n_layers,
            n_gpu_layers=n_layers,
            doubts=tuple(doubts),
            answers=tuple(self._answers()),
            refusal=refusal,
            risk="" if refusal else self.risk(),
        )

    def _rank_terms(self, rank: Rank) -> list[Term]:
        each, room = self.token_bytes(rank), self.room(rank)
        n_bytes = self.tokens.n_bytes * each
        cache = Span(
            n_bytes=n_bytes,
            low_bytes=min(n_bytes, max(0, room.low_bytes)),
            high_bytes=max(n_bytes, room.high_bytes),
            formula=f"{self.tokens.n_bytes} tokens x {each} bytes",
        )
        return [
            *self.spent(rank),
            span_term(
                cache,
                Kind.KV_CACHE,
                "KV cache",
                rank.place,
                source=f"what is left of the share: {SOURCE}",
                read_bytes=min(self.length, self.tokens.n_bytes) * each,
                is_in_share=True,
            ),
            span_term(
                NO_GRAPHS if self.options.is_graph_disabled else GRAPHS,
                Kind.COMPUTE,
                "CUDA graphs beyond the share",
                rank.place,
                Basis.ASSUMED,
                source=f"captured last: {SOURCE}",
            ),
        ]

    def _answers(self) -> list[Answer]:
        tokens, length = self.tokens, self.length
        shares = sum(max(0, self.share_bytes(rank.place)) for rank in self.ranks)
        counts = (tokens.n_bytes, tokens.low_bytes, tokens.high_bytes)
        at_once = [round(n / length, 2) for n in counts]
        return [
            Answer(key="share_bytes", label="fills up to", value=shares, unit="bytes"),
            Answer(
                key="kv_tokens", label="KV cache holds", value=counts[0], low=counts[1], high=counts[2], unit="tokens",
                source=SOURCE,
            ),
            Answer(
                key="full_length_sequences", label=f"at once, of {length} tokens", value=at_once[0], low=at_once[1],
                high=at_once[2], unit="sequences", source=SOURCE,
            ),
        ]  # fmt: skip


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / GIB:.2f}"
