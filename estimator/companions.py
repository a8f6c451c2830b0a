"""What llama.cpp loads beside the model: an image or sound part (mmproj), and a small model that drafts tokens.

tools/server/server-context.cpp, tools/mtmd/clip.cpp and `common_base_params_to_speculative` in common/speculative.cpp,
as of 2026-10-01. The draft's context takes the model's own settings: as many tokens, sequences and batches.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from estimator.errors import Unjudgeable
from estimator.ledger import Basis, Kind, Place, Term
from estimator.llama_load import Load
from estimator.model import Model
from estimator.projector import Encoder, Projector, read_projector
from estimator.reader import read_model
from estimator.rounding import ROUNDINGS

MIB = 1 << 20
UNSTATED_COMPUTE_MIB = (50, 400, 3000)
"""(low, expected, high) of encoding an image of unstated size, or sound: not measured, our allowance."""
COMPUTE_DOUBT = (0.4, 1.0, 4.0)
"""Shares of the formula's bytes: kinds of projectors keep more or less alive, and some are warmed up with larger or
smaller images than they are made for (`set_warmup_n_tokens`, tools/mtmd/clip.cpp). Not measured, our allowance."""


@dataclass(frozen=True, slots=True, kw_only=True)
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
    if load.options.projector is None and load.options.draft_model is None:
        return []
    found = companions_of(load)
    terms = [] if found.projector is None else projector_terms(found.projector, load)
    return terms if found.draft is None else [*terms, *draft_terms(found.draft, load)]


def places_left(load: Load, places: Sequence[Place]) -> tuple[Place, ...]:
    """The places less what companions take there: --fit leaves room for both (`mtmd_get_memory_usage`)."""
    taken = Counter[str]()
    for term in companion_terms(load):
        taken[term.place] += term.n_bytes
    return tuple(replace(place, free_bytes=max(0, place.free_bytes - taken[place.name])) for place in places)


def projector_terms(projector: Projector, load: Load) -> list[Term]:
    """All of its weights on the first device, and what encoding takes there."""
    is_offloaded = load.options.is_projector_offloaded and bool(load.devices)
    place = load.devices[0] if is_offloaded else load.host
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
    expected, formula = _encoding_bytes(projector.vision)
    if expected:
        low, middle, high = (int(expected * share) for share in COMPUTE_DOUBT)
    else:
        low, middle, high = (n * MIB for n in UNSTATED_COMPUTE_MIB)
    compute = Term(
        kind=Kind.COMPUTE,
        label="mmproj compute",
        place=place.name,
        n_bytes=middle,
        low_bytes=low,
        high_bytes=high,
        basis=Basis.ASSUMED,
        source="the feed-forward network of one image at the size it is made for; not measured",
        formula=formula,
    )
    return [weights, compute]


def _encoding_bytes(encoder: Encoder | None) -> tuple[int, str]:
    """Of one image, in float32: two inner widths, and four outer ones for the residual, norms and attention."""
    if encoder is None or not (encoder.image_size and encoder.patch_size and encoder.feed_forward_width):
        return 0, "no size is stated"
    n_patches = (encoder.image_size // encoder.patch_size) ** 2
    inner, outer = encoder.feed_forward_width, encoder.embedding_width
    n_bytes = 4 * n_patches * (2 * inner + 4 * outer)
    return n_bytes, f"{n_patches} patches x (2 x {inner} + 4 x {outer}) x float32"


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
        value_type=None,
        projector=None,
        draft_model=None,
        n_outputs=None,
    )
    # Its cache has a type of its own, float16 unless told otherwise (--cache-type-k-draft).
    other = Load(draft, replace(load.workload, kv_type="f16"), own, (*load.devices, load.host))
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
