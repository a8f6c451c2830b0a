"""How a server's format stores tensors: which of them it packs, into what, and with which scales beside them.

What a format leaves alone (embedding, output, norms, routers, vision tower) stays as it is.
"""

from collections.abc import Sequence
from math import prod

from estimator.model import Tensor
from estimator.quant import BLOCKS, stored_bytes
from records.record import record

# Parts of names that no format packs: routers, convolutions, gates of a few columns, norms, lookup tables.
_KEPT = (
    "norm", "ffn_gate_inp", "conv1d", "shortconv.conv", "ssm_ba", "ssm_alpha", "ssm_beta", "ssm_a", "ssm_d", "altup",
    "nextn.", "token_embd", "position_embd", "exp_probs", "attn_sinks", "attn_rel_b", "compressor_ape",
)  # fmt: skip
_FLOATS = frozenset({"F32", "F16", "BF16"})


@record(frozen=True, slots=True, kw_only=True)
class Companion:
    """A small tensor beside each packed one."""

    part: str
    """The last part of its name, one of ``estimator.model.COMPANION_PARTS``."""
    type: str
    row_group: int | None = None
    """Weights of a row that share an element; None: the whole row."""
    column_group: int | None = 1
    """Rows that share an element; None: all of them."""

    def beside(self, tensor: Tensor) -> Tensor:
        """The companion of a packed tensor."""
        n_inputs, n_outputs, *rest = tensor.shape
        columns = -(-n_outputs // (self.column_group or n_outputs))
        rows = -(-n_inputs // (self.row_group or n_inputs))
        return Tensor(f"{tensor.name.removesuffix('.weight')}.{self.part}", (columns, rows, *rest), self.type)


@record(frozen=True, slots=True, kw_only=True)
class Format:
    """How one named format stores a model."""

    name: str
    type: str
    """A key of ``estimator.quant.BLOCKS`` for what is packed."""
    companions: tuple[Companion, ...] = ()
    row_multiple: int = 1
    """A matrix whose rows are no multiple of it stays as it is."""
    plain_type: str = "BF16"
    """Of what is not packed."""
    packs_embedding: bool = False
    output_type: str | None = None
    """Of the output matrix; None: not packed."""
    router_bits: int | None = None
    """MLX packs routers, to more bits than the rest."""
    keeps_latent_attention: bool = False
    bits_in_hundredths: int | None = None
    """Per weight. A mean over matrices of whole numbers of bits each (EXL); None: ``type`` everywhere."""

    @property
    def files(self) -> str:
        """As ``Model.format``: which engines' files these are."""
        return {"MLX": "mlx", "EXL": "exl"}.get(self.name[:3], "safetensors")


def stored(tensors: Sequence[Tensor], stored_as: Format) -> tuple[Tensor, ...]:
    """The tensors as this format stores them, companions after what they belong to.

    Args:
        tensors: unquantised ones, under GGUF's names; what is packed already stays.
        stored_as: the format.
    """
    mean = _Mean(stored_as.bits_in_hundredths) if stored_as.bits_in_hundredths is not None else None
    made: list[Tensor] = []
    for tensor in tensors:
        type_name = _type_in(tensor, stored_as)
        if type_name is None:
            made.append(_plain(tensor, stored_as.plain_type))
            continue
        if mean is not None and tensor.name != "output.weight":
            type_name = mean.type_of(tensor)
        packed = Tensor(tensor.name, tensor.shape, type_name)
        made.append(packed)
        made.extend(companion.beside(packed) for companion in stored_as.companions)
    return tuple(made)


class _Mean:
    """Gives each matrix a whole number of bits so that the mean over all that came comes nearest to what is wanted.

    exllamav3's converter does so too (conversion/allocation.py, `create_q_strategy`): all matrices start at the whole
    number below, and what is left of the sum goes to some of them; which ones does not change the sum.
    """

    def __init__(self, hundredths: int) -> None:
        self._hundredths = hundredths
        self._owed = 0
        """Hundredths of a bit."""

    def type_of(self, tensor: Tensor) -> str:
        n_weights = prod(tensor.shape)
        self._owed += self._hundredths * n_weights
        bits = min(8, max(1, (self._owed + 50 * n_weights) // (100 * n_weights)))
        self._owed -= 100 * bits * n_weights
        return bits_type(bits)


def _type_in(tensor: Tensor, stored_as: Format) -> str | None:
    """What this tensor is packed into; None where it is not."""
    if len(tensor.shape) < 2 or tensor.type not in _FLOATS or tensor.shape[0] % stored_as.row_multiple:
        return None
    if any(tensor.shape[1] % BLOCKS[companion.type].n_weights for companion in stored_as.companions):
        return None  # zeros are packed along the columns: AutoAWQ and GPTQModel ask for a multiple of 32 bits too
    if tensor.name == "output.weight":
        return stored_as.output_type
    if tensor.name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return stored_as.type if stored_as.packs_embedding else None
    if stored_as.router_bits is not None and tensor.name.endswith("ffn_gate_inp.weight"):
        return bits_type(stored_as.router_bits)
    return stored_as.type if is_linear(tensor.name) and not _is_kept_latent(tensor.name, stored_as) else None


def stored_band(tensors: Sequence[Tensor], stored_as: Format) -> tuple[float, float]:
    """The least and the most of ``stored``'s bytes that files of this format have.

    Makers of AWQ, GPTQ and W4A16 files of hybrids disagree whether layers with a state are packed or left as they were:
    llm-compressor's examples leave them (examples/quantization_w4a4_fp4/qwen3_next_example.py and others: ``ignore``
    has ``re:.*linear_attn.*``), Qwen's own do not all. What NVFP4 leaves differs more, and engines say so themselves.
    """
    if stored_as.name.partition("-")[0] not in ("AWQ", "GPTQ", "W4A16"):
        return 1.0, 1.0
    stateful = {tensor.name.split(".")[1] for tensor in tensors if ".ssm_" in tensor.name}
    kept = frozenset(
        tensor.name
        for tensor in tensors
        if ".ssm_" in tensor.name or (tensor.name.endswith(_LINEAR_ATTENTION) and tensor.name.split(".")[1] in stateful)
    )
    if not kept:
        return 1.0, 1.0
    total = _n_bytes(stored(tensors, stored_as))
    rest = stored([tensor for tensor in tensors if tensor.name not in kept], stored_as)
    return 1.0, (_n_bytes(rest) + _n_bytes([tensor for tensor in tensors if tensor.name in kept])) / total


_LINEAR_ATTENTION = (".attn_qkv.weight", ".attn_gate.weight")


def _n_bytes(tensors: Sequence[Tensor]) -> int:
    return sum(stored_bytes(tensor.type, tensor.shape) for tensor in tensors)


def is_linear(name: str) -> bool:
    """Whether quantisers take it for one of a block's linear layers."""
    return name.startswith("blk.") and name.endswith(".weight") and not any(part in name for part in _KEPT)


def _is_kept_latent(name: str, stored_as: Format) -> bool:
    return stored_as.keeps_latent_attention and any(
        part in name for part in ("attn_kv_a", "attn_k_b", "attn_v_b", "attn_q_a", "attn_q_b")
    )


def _plain(tensor: Tensor, type_name: str) -> Tensor:
    """Servers load vectors in the model's own type; states and corrections of routers stay float32."""
    if tensor.type not in _FLOATS or ".ssm_" in tensor.name or "exp_probs" in tensor.name:
        return tensor
    return Tensor(tensor.name, tensor.shape, type_name)


def bits_type(bits: int) -> str:
    """The stored type of whole numbers of so many bits."""
    return "I8" if bits == 8 else f"INT{bits}"
