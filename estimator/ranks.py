"""The devices of a server: which part of the model each of them holds, and what a process takes beside it."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from types import MappingProxyType

from estimator.errors import Unjudgeable
from estimator.ledger import Basis, Kind, Place, Term
from estimator.model import Model
from estimator.runtime import allowance
from estimator.sharding import Split, Stage, padded, stages
from records.record import record

MIB = 1 << 20
GIB = 1 << 30

LOADED_SHARE = 0.006
LOADED_BYTES = 64 * MIB
"""How far what a server logs as loaded lies from the sum of its tensors: it is the change of the device's free memory,
in blocks of the allocator. Logged against summed: Llama 3.1 8B 14.989 and 14.989 GiB, Llama 3.2 1B 2.3185 and 2.3175,
Qwen2.5 7B 14.27 and 14.22, Qwen3 8B 15.268 and 15.266."""
ENCODER_PART = 10
"""One part in so many of an encoder that is known by its number of parameters alone, to both sides. Logged against
summed: Qwen2-VL 2B 4.03 and 4.12 GiB (1.25 of it the encoder), Qwen2.5-VL 7B as AWQ 6.59 and 6.48, 32B 62.43 and
62.34, Llama 3.2 11B Vision 19.86 and 19.86."""
SEVERAL_LOADED_BYTES = 256 * MIB
"""The same on several devices: 0.16 GiB more than summed (Qwen2.5 14B on two), 0.21 (32B on two), 0.20 (DeepSeek R1 on
eight), 0.07 (Qwen3 235B on four), none (Qwen3 30B-A3B on four)."""
PROCESS_BYTES = (1 * GIB, 2 * GIB, 4 * GIB)
"""(low, expected, high) of host memory per device's process: Python, PyTorch, CUDA's host side, pinned buffers. Our
allowance."""


@record(frozen=True, slots=True, kw_only=True)
class Rank:
    """One process and its device."""

    place: Place
    stage: Stage
    element_bytes: int
    rope_bytes: int
    """Cosines and sines for every position, made once."""
    is_alone: bool = True
    """The only device."""

    @property
    def weight_bytes(self) -> int:
        """What loading takes."""
        return self.stage.n_bytes + self.rope_bytes


SERVED = MappingProxyType({"cuda": "NVIDIA", "rocm": "AMD", "gpu": "Intel"})
"""Kinds of devices that servers have kernels for, and who makes them."""


def gpus_for(
    model: Model, places: Sequence[Place], engine: str, kinds: Sequence[str] = tuple(SERVED)
) -> tuple[Place, ...]:
    """The devices that a server can use.

    Raises:
        Unjudgeable: there is none, or the model is not of a kind whose layers are known.
    """
    if model.kind in ("audio", "image", "video") or not model.layers:
        raise Unjudgeable(
            f"what {engine} needs for a model of this kind is not known here; --engine generic has a rule"
        )
    found = tuple(place for place in places if place.kind in kinds)
    if not found:
        *others, last = (SERVED[kind] for kind in kinds)
        makers = f"{', '.join(others)} or {last}" if others else last
        raise Unjudgeable(f"{engine} needs a GPU of {makers}, and there is none here; --engine llamacpp needs none")
    return found


def host_of(places: Sequence[Place]) -> Place | None:
    """The host, where its memory is known."""
    return next((place for place in places if place.kind == "host"), None)


DRIVER_BYTES, DRIVER_PART = 380 * MIB, 400
"""What a driver keeps of a card to itself, and one part in so many of it: the line through what logs print as total,
beside what the driver reports: 14.56 of 15 GiB (T4), 22.07 of 22.49 (A10), 23.56 of 24 (RTX 3090), 31.4 of 31.84 (RTX
5090), 44.42 of 44.99 (L40S), 79.25 of 79.65 (H100), 94.97 of 95.59 (RTX PRO 6000), 139.81 of 140.4 (H200)."""


def offered_bytes(place: Place) -> int:
    """What CUDA calls the total of a device, which engines take their share of."""
    if place.usable_bytes is not None:
        return place.usable_bytes
    if place.kind != "cuda" or place.draws_on is not None:
        return place.total_bytes
    return place.total_bytes - min(DRIVER_BYTES + place.total_bytes // DRIVER_PART, place.total_bytes // 8)


LINKED = ("h100", "h200", "h20", "h800", "gh200", "b100", "b200", "b300", "gb200", "gb300")


def is_linked(place: Place) -> bool:
    """Whether it is a device for data centres of Hopper's class or later, by its name."""
    words = place.product.casefold().replace("-", " ").split()
    return any(word.startswith(name) for word in words for name in LINKED)


SHARING = ("gb10", "orin", "xavier", "thor")
"""Devices of NVIDIA's that work in the host's memory: DGX Spark's and Jetson's."""


def shares_memory(place: Place) -> bool:
    """Whether a device has no memory of its own, by the pool that it draws on or by its name."""
    return place.draws_on is not None or any(word in place.product.casefold() for word in SHARING)


def usual_tensor(model: Model, n_devices: int) -> int:
    """The most devices that can slice every layer: heads have to go round evenly."""
    return next((n for n in range(n_devices, 1, -1) if slices_evenly(model, n)), 1)


def slices_evenly(model: Model, n: int) -> bool:
    """Whether so many devices can share the heads."""
    heads, kv_heads = model.n_heads, model.n_kv_heads
    if heads % n:
        return False
    return model.latent is not None or not kv_heads or kv_heads % n == 0 or n % kv_heads == 0


def ranks_of(model: Model, gpus: Sequence[Place], split: Split, element_bytes: int) -> tuple[Rank, ...]:
    """Every process in order; where there are too few devices they are shared, which a caller has to refuse."""
    parts = stages(model, split, element_bytes)
    rope_bytes = rope_table_bytes(model, element_bytes)
    return tuple(
        Rank(
            place=gpus[number % len(gpus)],
            stage=parts[number // split.tensor % split.pipeline],
            element_bytes=element_bytes,
            rope_bytes=rope_bytes,
            is_alone=split.n_devices == 1,
        )
        for number in range(split.n_devices)
    )


def rope_table_bytes(model: Model, element_bytes: int) -> int:
    """cos_sin_cache, vllm/model_executor/layers/rotary_embedding/base.py: one for all layers alike.

    Llama 3.1 8B's 131072 positions of 128 values take the 32 MiB that logs show beyond its weights.
    """
    width = model.latent.rope_width if model.latent else model.head_width
    return model.native_context_tokens * width * element_bytes if model.n_heads else 0


def weight_term(
    rank: Rank, model: Model, engine: str, off_bytes: int = 0, *, beside_bytes: int = 0, is_in_share: bool = False
) -> Term:
    """What the device holds of the weights, ``off_bytes`` of them left to the host, ``beside_bytes`` come with them."""
    n_bytes = rank.weight_bytes - off_bytes + beside_bytes
    low = n_bytes - beside_bytes - rank.stage.padded_bytes - int(n_bytes * LOADED_SHARE)
    unsure = rank.stage.encoder_bytes // ENCODER_PART
    least, most = model.size_band_ratio
    grown = int(rank.stage.loose_bytes * (1 + LOADED_SHARE)) + (LOADED_BYTES if rank.is_alone else SEVERAL_LOADED_BYTES)
    layers = rank.stage.layers
    return Term(
        kind=Kind.WEIGHTS,
        label="weights",
        place=rank.place.name,
        n_bytes=n_bytes,
        low_bytes=int(low * least) - unsure,
        high_bytes=int((n_bytes + beside_bytes + int(n_bytes * LOADED_SHARE)) * most) + grown + unsure,
        basis=Basis.EXACT if model.file_bytes is not None else Basis.DERIVED,
        source=f"tensor table of {model.source}; sliced as {engine} does",
        formula=f"{model.quant}, layers {layers.start} to {layers.stop - 1}, {rank.rope_bytes / MIB:.0f} MiB of "
        "rotary tables",
        read_bytes=rank.stage.read_bytes,
        is_in_share=is_in_share,
    )


def alike(rank: Rank) -> Hashable:
    """The same for ranks that hold the same of the model on devices that differ in nothing but their names."""
    place = rank.place
    return (
        rank.stage,
        place.kind,
        place.total_bytes,
        place.free_bytes,
        place.usable_bytes,
        place.n_multiprocessors,
        place.draws_on,
        place.product,
    )


def terms_of_all(ranks: Sequence[Rank], terms_of: Callable[[Rank], Sequence[Term]]) -> list[Term]:
    """Every rank's terms in order; those of ranks that are alike are reckoned once."""
    made: dict[Hashable, Sequence[Term]] = {}
    found: list[Term] = []
    for rank in ranks:
        key = alike(rank)
        if key not in made:
            made[key] = terms_of(rank)
            found += made[key]
        else:
            found += [replace(term, place=rank.place.name) for term in made[key]]
    return found


def process_terms(host: Place | None, ranks: Sequence[Rank], off_bytes: int = 0) -> list[Term]:
    """What the processes take of the host, and weights that are kept there."""
    if host is None:
        return []
    least, expected, most = (n * len(ranks) for n in PROCESS_BYTES)
    source = "our allowance for Python, PyTorch and pinned buffers, per device"
    terms = [allowance(host, "processes", (least, expected, most), source)]
    kept = {
        "offloaded weights": (off_bytes * len(ranks), off_bytes * len(ranks), "model_executor/offloader/uva.py"),
        # Rows are looked up, so that next to nothing is read of it.
        "embedding tables": (sum(rank.stage.host_bytes for rank in ranks), 0, "config/engram.py"),
    }
    return terms + [
        Term(
            kind=Kind.WEIGHTS,
            label=label,
            place=host.name,
            n_bytes=n_bytes,
            low_bytes=n_bytes,
            high_bytes=n_bytes,
            basis=Basis.DERIVED,
            source=f"vllm/{source}, 0.33.0",
            read_bytes=read_bytes,
        )
        for label, (n_bytes, read_bytes, source) in kept.items()
        if n_bytes
    ]


def rounded_up(ratio: float) -> float:
    """To the next hundredth, as people type it."""
    return padded(round(ratio * 10000), 100) / 10000
