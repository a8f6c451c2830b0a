"""A rule of thumb for whatever has no engine here: parameters times bytes times what such models take beside them.

It knows nothing of contexts, attention or engines, and says so: every figure is assumed, with a band to match.
"""

from collections.abc import Sequence
from dataclasses import field

from estimator.engine import ANY_VENDOR, nothing
from estimator.errors import Unjudgeable
from estimator.ledger import Basis, Estimate, Kind, Place, Term, Workload, host_among
from estimator.model import Model
from estimator.needs import rule_of_thumb_needs, stored_weights
from estimator.shell import quoted
from records.record import record

NAME = "rule of thumb"
KV_TYPES = ("f16",)
KV_STEPS = ("f16",)
QUANTS = ("F32", "BF16", "FP8", "AWQ")
DEVICE_FLAG = None
VENDORS = ANY_VENDOR
CONVERTED_QUANT = ""
HAS_CONTEXT = False
"""Whatever the context, the estimate is the same: nothing can be said of the longest one."""

OVERHEADS = {"text": 1.15, "code": 1.15, "reasoning": 1.25, "vision": 1.25, "audio": 1.3, "image": 1.4, "video": 1.4}
"""Times the weights, by what a model is for: usual rules of thumb. Ours for vision and images: between their
neighbours, and as video, whose latents are alike."""
OTHER_OVERHEAD = 1.4
LOW_RATIO, HIGH_RATIO = 0.81, 2.76
"""Of weights times overhead: nine tenths of 109 published peaks of Transformers and MLX, contexts up to 192,000 tokens
among them, lie between; their median is 0.98 (bench/rule_of_thumb.py)."""
RUNTIME_BYTES = (1 << 29, 3 << 29, 1 << 31)
"""(low, expected, high): a driver's context and a framework, 1 to 2 GiB in most rules; half a GiB at least."""


def _option(flag: str, text: str) -> dict[str, object]:
    return {"flag": flag, "help": text, "choices": (), "minimum": 0.0, "maximum": 16.0}


@record(frozen=True, slots=True, kw_only=True)
class Options:
    """The rule's own numbers."""

    overhead: float | None = field(
        default=None, metadata=_option("--overhead", "times the weights; by the kind of model if not given")
    )


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:  # noqa: ARG001  # an engine is asked so
    """Weights and what usually comes with them, shared by the devices, or on the host.

    Raises:
        Unjudgeable: no host, or a model of which not even the size is known.
    """
    host = host_among(places)
    n_bytes, basis = stored_weights(model)
    if not n_bytes:
        raise Unjudgeable(f"of {model.name} not even the size is known")
    devices = [place for place in places if place.kind != "host"]
    overhead = options.overhead or OVERHEADS.get(model.kind, OTHER_OVERHEAD)
    terms: list[Term] = []
    for place, share in _shares(devices or [host]):
        terms += _terms(model, place, round(n_bytes * share), overhead, basis)
    return Estimate(
        engine=NAME,
        terms=tuple(terms),
        n_layers=1,
        n_gpu_layers=1 if devices else 0,
        doubts=(*model.doubts, "a rule of thumb: neither the context nor the engine is in it"),
    )


def _shares(places: Sequence[Place]) -> list[tuple[Place, float]]:
    """Several devices share by what is free on them, as most programs that split do."""
    total = sum(place.free_bytes for place in places)
    return [(place, place.free_bytes / total if total else 1 / len(places)) for place in places]


def _terms(model: Model, place: Place, n_bytes: int, overhead: float, basis: Basis) -> list[Term]:
    low, high = int(n_bytes * overhead * LOW_RATIO), int(n_bytes * overhead * HIGH_RATIO)
    n_beside = max(0, int(n_bytes * (overhead - 1)))
    source = f"rule of thumb for models of kind {model.kind}"
    beside = (max(0, low - n_bytes), n_beside, max(n_beside, high - n_bytes))
    said = f"weights x {overhead - 1:.2f}, whatever the context"
    return [
        _term(Kind.WEIGHTS, "weights", place, (n_bytes, n_bytes, n_bytes), basis, "stored tensors", model.quant),
        _term(Kind.COMPUTE, "cache and computation", place, beside, Basis.ASSUMED, source, said),
        _term(Kind.RUNTIME, "driver and framework", place, RUNTIME_BYTES, Basis.ASSUMED, source, "1 to 2 GiB"),
    ]


quick_estimate = estimate
fallback = quick_fallback = relieved = nothing
needs = rule_of_thumb_needs


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:  # noqa: ARG001  # an engine is asked so
    """No engine, no arguments."""
    return ""


def command(model: Model, arguments: str) -> str:  # noqa: ARG001  # an engine is asked so
    """Only a comment: which program runs it isn't known."""
    return f"# run {quoted(model.name)} with a program of your choice"


def _term(
    kind: Kind, label: str, place: Place, span_bytes: tuple[int, int, int], basis: Basis, source: str, formula: str
) -> Term:
    low, expected, high = span_bytes
    return Term(
        kind=kind,
        label=label,
        place=place.name,
        n_bytes=expected,
        low_bytes=min(low, expected),
        high_bytes=high,
        basis=basis,
        source=source,
        formula=formula,
    )
