"""What llama.cpp loads beside the model: an image or sound part (mmproj), and a small model that drafts tokens.

tools/server/server-context.cpp, tools/mtmd/clip.cpp and `common_base_params_to_speculative` in common/speculative.cpp,
as of 2026-10-01. The draft's context takes the model's own settings: as many tokens, sequences and batches.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from estimator.errors import Unjudgeable
from estimator.ledger import Basis, Kind, Place, Term
from estimator.llama_load import Load
from estimator.model import Model
from estimator.projector import Encoder, Projector, read_projector
from estimator.reader import read_model
from estimator.rounding import ROUNDINGS
from records.record import record

MIB = 1 << 20
UNSTATED_COMPUTE_MIB = (30, 300, 2000)
"""(low, expected, high) of encoding an image of unstated size, or sound: not measured, our allowance."""
UNSEEN_BYTES_PER_PARAMETER = 2.1
"""Of an image part whose file is not here: F16, as most are published, and its norms and biases in F32. ASSUMED: 0.83
GiB of Gemma 3 27B's 423 M parameters. One at F32 takes twice as much, one at Q8_0 half."""
FIXED_SHARES = (0.9, 1.0, 1.6)
"""Of the formula's bytes, for images of one size. Three header-only projectors on a device with CUDA's rules, build
0c1e57098 (2026-10-01), by `mtmd_get_memory_usage`: 1.00 (gemma3, 896 pixels), 1.00 (idefics3, 512), 1.51 (mlp, 336)."""
GROWING_SHARES = (0.9, 1.0, 6.0)
"""For those that encode images at their own size: the buffer is reserved for a middling image, and grows with the
largest that comes; by how much was not measured."""
WARMED_SIDES = MappingProxyType(
    {
        "qwen2vl_merger": 46, "qwen2.5vl_merger": 46, "qwen3vl_merger": 46, "glm4v": 46, "hunyuanvl": 32, "phi4": 16,
        "pixtral": 16, "kimivl": 16, "gemma4v": 16,
    }
)  # fmt: skip
"""By kind, the tokens along one side of the image that is encoded at the start (`set_warmup_n_tokens`,
tools/mtmd/clip.cpp), where that is not the size that the file states."""


@record(frozen=True, slots=True, kw_only=True)
class Companions:
    """What was asked to be loaded beside the model."""

    projector: Projector | None = None
    draft: Model | None = None


def companions_of(load: Load) -> Companions:
    """Read the files named in the options.

    Raises:
        UnreadableModel: one of them is no such file.
        Unjudgeable: the draft is no language model.
    """
    options = load.options
    return Companions(
        projector=None if options.projector is None else _projector(*_stamped(options.projector)),
        draft=None if options.draft_model is None else _draft(*_stamped(options.draft_model)),
    )


def companion_terms(load: Load) -> list[Term]:
    """Their terms; none where none was asked for."""
    if not load.has_companions:
        return []
    found = companions_of(load)
    terms = [] if found.projector is None else projector_terms(found.projector, load)
    if load.may_have_projector:
        terms = [unseen_projector_term(load)]
    return terms if found.draft is None else [*terms, *draft_terms(found.draft, load)]


def places_left(load: Load, places: Sequence[Place]) -> tuple[Place, ...]:
    """The places less what companions take there: --fit leaves room for both (`mtmd_get_memory_usage`)."""
    taken = Counter[str]()
    for term in companion_terms(load):
        taken[term.place] += term.n_bytes
    return tuple(replace(place, free_bytes=max(0, place.free_bytes - taken[place.name])) for place in places)


def projector_terms(projector: Projector, load: Load) -> list[Term]:
    """All of its weights on the first device, and what encoding takes there."""
    place = _projector_place(load)
    rounding = ROUNDINGS[load.rounding_kind(place)]
    n_bytes = sum(rounding.tensor_bytes(tensor.type, tensor.shape) for tensor in projector.tensors)
    weights = Term(
        kind=Kind.WEIGHTS,
        label="mmproj weights",
        place=place.name,
        n_bytes=n_bytes,
        low_bytes=n_bytes,
        high_bytes=n_bytes,
        basis=Basis.EXACT,
        source=f"tensor table of {projector.source}; loaded whole, tools/mtmd/clip.cpp",
        formula=f"{len(projector.tensors)} tensors",
    )
    made = _encoding(projector)
    compute = Term(
        kind=Kind.COMPUTE,
        label="mmproj compute",
        place=place.name,
        n_bytes=made.n_bytes,
        low_bytes=made.low_bytes,
        high_bytes=made.high_bytes,
        basis=made.basis,
        source="mtmd_get_memory_usage of three projectors, llama.cpp 0c1e57098; the graph is that of a plain encoder",
        formula=made.formula,
    )
    return [weights, compute]


def unseen_projector_term(load: Load) -> Term:
    """What an image part may take whose file is not here: nothing is expected, so that at worst it makes a load tight.

    Whether there is a file, and of which type, only the repository knows.
    """
    n_parameters = load.model.n_projector_parameters
    compute_mib = UNSTATED_COMPUTE_MIB[1]
    return Term(
        kind=Kind.WEIGHTS,
        label="mmproj, if there is one",
        place=_projector_place(load).name,
        n_bytes=0,
        low_bytes=0,
        high_bytes=int(UNSEEN_BYTES_PER_PARAMETER * n_parameters) + compute_mib * MIB,
        basis=Basis.ASSUMED,
        source="the encoder's size as published, at 16 bits; what an image takes is our allowance",
        formula=f"up to {n_parameters} x {UNSEEN_BYTES_PER_PARAMETER} B + {compute_mib} MiB",
    )


def _projector_place(load: Load) -> Place:
    """The first device, unless it is kept in RAM."""
    return load.devices[0] if load.options.is_projector_offloaded and load.devices else load.host


@record(frozen=True, slots=True, kw_only=True)
class Encoding:
    """What encoding one image takes, with a band."""

    n_bytes: int
    low_bytes: int
    high_bytes: int
    basis: Basis
    formula: str


def _encoding(projector: Projector) -> Encoding:
    """The feed-forward network at its widest: one inner width, and three outer ones, of every patch in float32."""
    encoder, side = projector.vision, WARMED_SIDES.get(projector.kind)
    n_patches = 0 if encoder is None else _n_patches(encoder, side)
    if encoder is None or not (n_patches and encoder.feed_forward_width):
        low, middle, high = (n * MIB for n in UNSTATED_COMPUTE_MIB)
        return Encoding(
            n_bytes=middle, low_bytes=low, high_bytes=high, basis=Basis.ASSUMED, formula="no size is stated"
        )
    inner, outer = encoder.feed_forward_width, encoder.embedding_width
    n_bytes = 4 * n_patches * (inner + 3 * outer)
    shares = FIXED_SHARES if side is None else GROWING_SHARES
    low, middle, high = (int(n_bytes * share) for share in shares)
    return Encoding(
        n_bytes=middle,
        low_bytes=low,
        high_bytes=high,
        basis=Basis.CALIBRATED if side is None else Basis.ASSUMED,
        formula=f"{n_patches} patches x ({inner} + 3 x {outer}) x float32",
    )


def _n_patches(encoder: Encoder, side: int | None) -> int:
    if side is not None:
        return (side * encoder.merge_size) ** 2
    return (encoder.image_size // encoder.patch_size) ** 2 if encoder.patch_size else 0


def draft_terms(draft: Model, load: Load) -> list[Term]:
    """Weights, caches and compute buffers of a model of its own, with the settings of the one it drafts for."""
    # Here, for the terms of a load import this module.
    from estimator.llama_terms import cache_terms, compute_terms, weight_terms  # noqa: PLC0415

    options = load.options
    own = replace(
        options,
        n_gpu_layers=options.n_draft_gpu_layers,
        n_cpu_moe_layers=0,
        is_cpu_moe=False,
        tensor_overrides=None,
        value_type=options.draft_value_type,
        projector=None,
        draft_model=None,
        n_outputs=None,
    )
    # Its cache has types of its own, and as many tokens as the model's (common/speculative.cpp).
    other = Load(draft, replace(load.workload, kv_type=options.draft_key_type), own, (*load.devices, load.host))
    wanted = other.n_all_layers if own.n_gpu_layers is None else own.n_gpu_layers
    layout = other.default_layout(wanted, 0)
    terms = [*weight_terms(other, layout), *cache_terms(other, layout), *compute_terms(other, layout)]
    # How many tokens a second a draft gains or costs hangs on how many of its guesses are right: it is left out.
    return [replace(term, label=f"draft {term.label}", read_bytes=0) for term in terms]


def _stamped(path: str) -> tuple[str, int, int]:
    """The file, and what changes where it is written anew: estimates are made many times over."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return path, 0, 0
    return path, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=8)
def _projector(path: str, written_ns: int, n_bytes: int) -> Projector:
    del written_ns, n_bytes
    return read_projector(path)


@lru_cache(maxsize=8)
def _draft(source: str, written_ns: int, n_bytes: int) -> Model:
    del written_ns, n_bytes
    found = read_model(source)
    if not found.layers:
        raise Unjudgeable(f"{found.name} is no language model that could draft tokens")
    return found
