"""What is read for one token, and where: from the ledger's terms, or by the model's shape where an engine says none."""

from typing import NamedTuple

from estimator.derived import of_model
from estimator.ledger import Estimate, Kind, Workload
from estimator.model import COMPANION_PARTS, Model, Tensor
from estimator.pace import LATENT_LAYERS, MATRICES_PER_LAYER, RECURRENT_LAYERS

_EMBEDDINGS = frozenset({"token_embd.weight", "per_layer_token_embd.weight"})
_CACHE_BYTES = {"f32": 4.0, "fp32": 4.0, "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32, "q4_1": 20 / 32}
_CACHE_BYTES |= {"q4_0": 18 / 32, "iq4_nl": 18 / 32, "int8": 1.0, "nvfp4": 0.5625}


class Reads(NamedTuple):
    """Bytes per token of one sequence, in one place."""

    weight_bytes: float = 0.0
    cache_bytes: float = 0.0
    """With the context full; half of it half full."""


class Work(NamedTuple):
    """What a token costs whatever device does it."""

    active_parameters: int
    """Elements of the weights that it is multiplied with."""
    n_parameters: int
    """Elements of all the tensors."""
    read_ratio: float
    """Of all elements."""
    layer_units: float
    """Kernels to launch, in plain layers."""
    n_layers: int
    """That are loaded."""
    used_expert_ratio: float
    """Of all experts, those that one token uses; 1 without any."""


@of_model
def work_of(model: Model) -> Work:
    """Of the model's tensors; remembered, since it goes through all of them."""
    n_loaded = model.n_layers - model.n_predictor_layers
    active = total = 0.0
    n_matrices = 0
    for tensor in model.tensors:
        if tensor.name.rpartition(".")[2] in COMPANION_PARTS:  # read by the kernel of the matrix that it is of
            continue
        n_elements = _n_elements(tensor)
        total += n_elements
        active += n_elements * _used_ratio(tensor, model, n_loaded)
        if tensor.name.startswith("blk.") and len(tensor.shape) > 1 and _block(tensor) < n_loaded:
            n_matrices += 1
    n_recurrent = sum(1 for layer in model.layers[:n_loaded] if layer.recurrent_state_width)
    units = max(float(n_loaded), n_matrices / MATRICES_PER_LAYER) + RECURRENT_LAYERS * n_recurrent
    if model.latent is not None:
        units += LATENT_LAYERS * n_loaded
    return Work(
        active_parameters=round(active),
        n_parameters=round(total),
        read_ratio=active / total if total else 1.0,
        layer_units=units,
        n_layers=n_loaded,
        used_expert_ratio=model.experts.n_used / model.experts.n_experts if model.experts else 1.0,
    )


def _n_elements(tensor: Tensor) -> int:
    n = 1
    for width in tensor.shape:
        n *= width
    return n


def _block(tensor: Tensor) -> int:
    number = tensor.name.split(".", 2)[1]
    return int(number) if number.isdigit() else 0


def _used_ratio(tensor: Tensor, model: Model, n_loaded: int) -> float:
    """Rows of an embedding are looked up, unused experts passed over, predictor layers not loaded."""
    if tensor.name in _EMBEDDINGS:
        return 1.0 if tensor.name == "token_embd.weight" and _is_head(model) else 0.0
    if tensor.name.startswith("blk.") and _block(tensor) >= n_loaded:
        return 0.0
    if "_exps" in tensor.name and model.experts:
        return model.experts.n_used / model.experts.n_experts
    return 1.0


def _is_head(model: Model) -> bool:
    """Whether the embedding serves as the output matrix."""
    return not any(tensor.name == "output.weight" for tensor in model.tensors)


def reads_by_place(
    model: Model, workload: Workload, estimate: Estimate, hosts: frozenset[str] = frozenset({"RAM"})
) -> dict[str, Reads]:
    """By the name of the place; places where nothing is read are left out.

    Args:
        model: gives the shape.
        workload: gives the context.
        estimate: an engine's; its terms say where the weights lie.
        hosts: the names of the places that are no devices.
    """
    if any(term.read_bytes for term in estimate.terms if term.kind is Kind.WEIGHTS):
        return _stated(estimate)
    return _by_shape(model, workload, estimate, hosts)


def _stated(estimate: Estimate) -> dict[str, Reads]:
    weights: dict[str, float] = {}
    caches: dict[str, float] = {}
    for term in estimate.terms:
        held = weights if term.kind is Kind.WEIGHTS else caches
        held[term.place] = held.get(term.place, 0.0) + term.read_bytes
    found = {place: Reads(weights.get(place, 0.0), caches.get(place, 0.0)) for place in weights | caches}
    return {place: reads for place, reads in found.items() if reads.weight_bytes or reads.cache_bytes}


def _by_shape(model: Model, workload: Workload, estimate: Estimate, hosts: frozenset[str]) -> dict[str, Reads]:
    """The same share of the weights everywhere; a cache of the asked context beside them.

    Where every layer is on a device, what the host holds is the embedding, of which a row is looked up.
    """
    total = estimate.n_bytes(kind=Kind.WEIGHTS)
    held = {place: estimate.n_bytes([place], Kind.WEIGHTS) for place in dict.fromkeys(t.place for t in estimate.terms)}
    if estimate.n_gpu_layers >= estimate.n_layers and any(n for place, n in held.items() if place not in hosts):
        held = {place: n for place, n in held.items() if place not in hosts}
    there = sum(held.values())
    if not there:
        return {}
    read, cache = total * work_of(model).read_ratio, _cache_bytes(model, workload)
    return {place: Reads(read * n / there, cache * n / there) for place, n in held.items() if n}


def _cache_bytes(model: Model, workload: Workload) -> float:
    """Of one sequence, its context full."""
    context = workload.context_tokens / max(1, workload.n_sequences)
    kind = workload.kv_type.casefold()
    element = _CACHE_BYTES.get(kind, 1.0 if kind.startswith(("fp8", "f8")) else 2.0)
    total = 0.0
    for layer in model.layers:
        attended = min(context, layer.window_tokens) if layer.window_tokens else context
        total += attended * (layer.key_width + layer.value_width) * element
        total += 2 * 4 * (layer.conv_state_width + layer.recurrent_state_width)
    return total
