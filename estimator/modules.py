"""A model in the pieces that PyTorch's loaders place: the embedding, each block whole, the output; with their bytes."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from estimator.derived import of_model, of_model_by
from estimator.errors import Unjudgeable
from estimator.model import COMPANION_PARTS, PROJECTOR_PREFIXES, Layer, Model, Tensor
from estimator.quant import GGML_BLOCKS, stored_bytes

FLOAT_TYPES = frozenset({"F64", "F32", "F16", "BF16"})
GGUF_PACKED = frozenset(name for name, block in GGML_BLOCKS.items() if block.n_weights > 1) - {"MXFP4", "NVFP4"}
"""Types that only ggml computes with; PyTorch and MLX know no such tensors."""


class Module(NamedTuple):
    """One piece that is never split."""

    name: str
    n_bytes: int
    read_bytes: int
    """For each generated token."""
    block: int | None = None
    """Its number, for a block."""


@of_model_by(64)
def modules_of(model: Model, float_bytes: int | None = None, *, dequantises_gguf: bool = False) -> tuple[Module, ...]:
    """Embedding, projectors, blocks and output, in the order in which they are placed.

    Args:
        model: as its file or its format stores it.
        float_bytes: what each unquantised weight takes when loaded; None takes them as they are stored.
        dequantises_gguf: tensors of GGUF's packed types are loaded as if they were not.

    Raises:
        Unjudgeable: a model without layers: an encoder, a diffusion model.
    """
    if not model.tensors or not model.layers:
        raise Unjudgeable(f"{model.name} has no layers that are known here; only a rule of thumb can be given for it")
    n_held: dict[str, int] = {}
    n_read: dict[str, int] = {}
    used = model.experts.n_used / model.experts.n_experts if model.experts and model.experts.n_experts else 1.0
    last_loaded = model.n_layers - model.n_predictor_layers
    for tensor in model.tensors:
        if model.is_tied and tensor.name.startswith("output."):
            continue  # some files carry the embedding twice; it is loaded once
        key = _piece(tensor.name)
        block = _block(key)
        if block is not None and block >= last_loaded:
            continue  # layers that predict further tokens are left out: `_keys_to_ignore_on_load_unexpected`
        n_bytes = loaded_bytes(tensor, float_bytes, dequantises_gguf=dequantises_gguf)
        n_held[key] = n_held.get(key, 0) + n_bytes
        n_read[key] = n_read.get(key, 0) + round(n_bytes * _read_ratio(tensor.name, used))
    if has_tied_output(model) and "embedding" in n_held:
        n_read["embedding"] = n_held["embedding"]  # as a whole, as the output matrix, and where it lies
    ordered = sorted(n_held, key=_order)
    return tuple(Module(name=key, n_bytes=n_held[key], read_bytes=n_read[key], block=_block(key)) for key in ordered)


class LayerKinds(NamedTuple):
    """A model's layers, most of which are alike."""

    layers: tuple[Layer, ...]
    """One of each kind."""
    of_block: tuple[int, ...]
    """Which, by block."""

    @property
    def all_counted(self) -> tuple[tuple[Layer, int], ...]:
        """How many of each kind there are."""
        return self.counted(range(len(self.of_block)))

    def counted(self, blocks: Iterable[int]) -> tuple[tuple[Layer, int], ...]:
        """How many of each kind these blocks have."""
        counts = Counter(self.of_block[block] for block in blocks)
        return tuple((self.layers[kind], n) for kind, n in counts.items())


@of_model
def layer_kinds(model: Model) -> LayerKinds:
    """Of this model, without the layers that only predict further tokens."""
    numbers: dict[Layer, int] = {}
    loaded = model.layers[: model.n_layers - model.n_predictor_layers]
    of_block = tuple(numbers.setdefault(layer, len(numbers)) for layer in loaded)
    return LayerKinds(layers=tuple(numbers), of_block=of_block)


def loaded_bytes(tensor: Tensor, float_bytes: int | None, *, dequantises_gguf: bool = False) -> int:
    """What one tensor takes once it is loaded."""
    is_float = tensor.type in FLOAT_TYPES
    if (float_bytes is not None and is_float) or (dequantises_gguf and tensor.type in GGUF_PACKED):
        n_bytes = float_bytes or 2
        for width in tensor.shape:
            n_bytes *= width
        return n_bytes
    return stored_bytes(tensor.type, tensor.shape)


@of_model
def has_tied_output(model: Model) -> bool:
    """Whether the embedding serves as the output matrix too."""
    return model.is_tied or all(tensor.name != "output.weight" for tensor in model.tensors)


@of_model
def has_gguf_types(model: Model) -> bool:
    """Whether some of its tensors are of types that only ggml computes with."""
    return any(tensor.type in GGUF_PACKED for tensor in model.tensors)


def _piece(name: str) -> str:
    first, _, rest = name.partition(".")
    if first == "blk":
        return f"block {rest.partition('.')[0]}"
    if name.startswith(PROJECTOR_PREFIXES):
        return "projector"
    if first in ("output", "output_norm", "cls"):
        return "output"
    return "embedding"


def _block(key: str) -> int | None:
    number = key.removeprefix("block ")
    return int(number) if number is not key and number.isdecimal() else None


def _order(key: str) -> tuple[int, int]:
    return {"embedding": 0, "projector": 1, "output": 3}.get(key, 2), _block(key) or 0


def _read_ratio(name: str, used_experts: float) -> float:
    if name.startswith(("token_embd.", "per_layer_token_embd.", "position_embd.", *PROJECTOR_PREFIXES)):
        return 0.0  # one row
    part = name.split(".")[-2] if name.rpartition(".")[2] in (*COMPANION_PARTS, "weight", "bias") else name
    return used_experts if part.endswith("_exps") else 1.0
