"""What PyTorch holds at once while one pass reads a prompt: the widest moment of a block, in elements per token.

Counted on Transformers 5.24.0 with PyTorch 2.13.0, by following every storage that is alive in a forward pass of real
model classes without weights (bench/torch_storages.py); the counts below follow from its code, and hold for other
widths: three matrices of the feed-forward width and four of the model's for Llama, Qwen and Mistral.
"""

from collections.abc import Mapping
from math import prod
from types import MappingProxyType

from estimator.derived import of_model
from estimator.model import Model, Tensor
from records.record import record

CARRIED_WIDTHS = 4
"""Of the model's width: the embedded prompt, the block's input, the sum after attention, and its norm."""
CARRIED_IN_ATTENTION_WIDTHS = 3
ROTATED_QUERY_WIDTHS = 4
"""Queries, their product with the cosine, their rotated halves, and the product of these: `apply_rotary_pos_emb`."""
FAST_STATE_WIDTHS = 8
"""Of a recurrent layer's inner width, where kernels compute it in place: projections in and out, and the gate."""
DELTA_STATE_WIDTHS = 28
"""By `torch_chunk_gated_delta_rule` in float32, which runs where flash-linear-attention is not installed: 27.4 counted
for Qwen3-Next at 32 and at 64 value heads."""
SCAN_STATE_WIDTHS = 73
"""By the `torch_forward` of Mamba 2, which runs where mamba-ssm is not installed: 57 counted for Mamba 2, 73 for Bamba
and Granite 4."""
_DELTA_NETS = frozenset({"qwen3next", "qwen35", "qwen35moe"})


@record(frozen=True, slots=True, kw_only=True)
class PromptPass:
    """Elements per token at the widest moment, in the type that the model computes in."""

    attention: int
    feed_forward: int
    recurrence: int
    """By plain PyTorch; 0 without recurrent layers."""
    fast_recurrence: int
    """By kernels that have to be installed."""
    formula: str
    """How ``expected`` comes about, in widths."""

    @property
    def expected(self) -> int:
        """The widest of all."""
        return max(self.attention, self.feed_forward, self.recurrence)

    @property
    def low(self) -> int:
        """Where every recurrent layer has its kernels."""
        return max(self.attention, self.feed_forward, self.fast_recurrence)


@of_model
def prompt_pass(model: Model) -> PromptPass:
    """Of this model's widest block."""
    shapes: Mapping[str, tuple[int, ...]] = MappingProxyType(_widest_by_part(model.tensors))
    rotary = 2 * model.head_width
    attention, attended = _attention(model)
    feed_forward, fed = _feed_forward(model, shapes)
    recurrence = fast = 0
    inner = shapes.get("ssm_out.weight", (0,))[0]
    if inner:
        widths = DELTA_STATE_WIDTHS if model.architecture in _DELTA_NETS else SCAN_STATE_WIDTHS
        recurrence = CARRIED_WIDTHS * model.embedding_width + widths * inner
        fast = CARRIED_WIDTHS * model.embedding_width + FAST_STATE_WIDTHS * inner
    widest = max(attention, feed_forward, recurrence)
    formula = fed if widest == feed_forward else attended if widest == attention else f"recurrence of width {inner}"
    per_layer_rows = shapes.get("inp_gate.weight", (0, 0))[-1] * model.n_layers  # Gemma 3n's and 4's, looked up at once
    always = rotary + per_layer_rows
    return PromptPass(
        attention=attention + always,
        feed_forward=feed_forward + always,
        recurrence=recurrence + always if recurrence else 0,
        fast_recurrence=fast + always if fast else 0,
        formula=formula,
    )


def score_elements(model: Model) -> int:
    """Per pair of tokens, where attention is computed step by step (``eager``).

    The scores as they are, in float32 (twice as wide), their softmax in float32, and the mask.
    """
    return 5 * model.n_heads + 1


def _widest_by_part(tensors: tuple[Tensor, ...]) -> dict[str, tuple[int, ...]]:
    """The largest shape of each of a block's tensors, by the name without the block."""
    found: dict[str, tuple[int, ...]] = {}
    for tensor in tensors:
        if tensor.name.startswith("blk."):
            part = tensor.name.partition(".")[2].partition(".")[2]
            if part not in found or prod(tensor.shape) > prod(found[part]):
                found[part] = tensor.shape
    return found


def _attention(model: Model) -> tuple[int, str]:
    width = model.embedding_width
    if model.latent:
        latent = model.latent
        query = latent.nope_width + latent.rope_width
        expanded = model.n_heads * (4 * query + latent.nope_width + latent.value_width)
        return CARRIED_WIDTHS * width + expanded, f"{CARRIED_WIDTHS} x {width} + {expanded} of latent attention"
    queries = model.n_heads * model.head_width
    return (
        CARRIED_IN_ATTENTION_WIDTHS * width + ROTATED_QUERY_WIDTHS * queries,
        f"{CARRIED_IN_ATTENTION_WIDTHS} x {width} + {ROTATED_QUERY_WIDTHS} x {queries} of attention",
    )


def _feed_forward(model: Model, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, str]:
    width = model.embedding_width
    carried = CARRIED_WIDTHS * width
    dense, said = _dense(model, shapes)
    routed = 0
    if model.experts:
        n_used, inner = model.experts.n_used, model.experts.feed_forward_width
        # `grouped_mm_experts_forward`: each token once for every expert that it is sent to.
        gathered = n_used * width
        is_biased = "ffn_gate_exps.bias" in shapes or "ffn_up_exps.bias" in shapes
        # Gate and up, the gate's activation, and the product; biases are gathered like the tokens.
        within = gathered + n_used * inner * (9 if is_biased else 4)
        # Outputs, these times the router's weights, and both in the order of the tokens again; a router with a
        # correction (DeepSeek, GLM) has its weights in float32, and so have the last two.
        is_corrected = any("exp_probs_b" in part for part in shapes)
        after = gathered * (6 if is_corrected else 4)
        routed = max(within, after)
    if routed > dense:
        return carried + routed, f"{CARRIED_WIDTHS} x {width} + {routed} of experts"
    return carried + dense, f"{CARRIED_WIDTHS} x {width} + {said}"


def _dense(model: Model, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, str]:
    """Gate, up and their product; one matrix for both holds its output and two halves more; without a gate, two."""
    up = shapes.get("ffn_up.weight")
    inner = up[1] if up is not None and len(up) > 1 else 0
    if "ffn_gate.weight" in shapes:
        return 3 * inner, f"3 x {inner} of feed-forward"
    if inner and model.feed_forward_width and inner == 2 * model.feed_forward_width:
        return 2 * inner, f"4 x {inner // 2} of feed-forward"
    return 2 * inner, f"2 x {inner} of feed-forward"


_UNPACKED_FORMATS = ("AWQ", "GPTQ", "bnb-4bit", "bnb-nf4")


@of_model
def unpacked_bytes(model: Model) -> int:
    """The largest matrix in 16 bits, which kernels for few bits unpack to multiply more than one token by it.

    AutoAWQ's GEMM from 1024 tokens on (`dequantize_gemm`), GPTQ's ExLlama kernels (their buffer is as large as the
    largest matrix), bitsandbytes for all but single tokens (`dequantize_4bit`).
    """
    if not model.quant.startswith(_UNPACKED_FORMATS):
        return 0
    blocks = (tensor for tensor in model.tensors if tensor.name.startswith("blk."))
    return 2 * max((prod(tensor.shape[:2]) for tensor in blocks), default=0)
