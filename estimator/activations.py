"""What one step of a server computes beside weights and cache: its widest layer, its sampler, its CUDA graphs."""

from collections.abc import Iterable
from math import sqrt

from estimator.model import Model
from estimator.sharding import VOCABULARY_MULTIPLE, padded
from records.record import record

MIB = 1 << 20
GIB = 1 << 30

DENSE_WIDTHS = (3, 4)
"""Of one token while a feed-forward network is computed: gate, up and their product; input, residual, norm and output.
Held against logs of vLLM in `reference`: 16384 tokens of Mistral 7B 1.81 GiB (logged 1.97 with the image's part)."""
EAGER_DENSE_WIDTHS = (3, 3)
"""Where nothing is compiled: Llama 3.1 8B took 2.07 GiB with 20000 tokens and 2.99 GiB with 29000
(github.com/vllm-project/vllm, issue of 2024-12-02), which is 3 x 14336 + 3 x 4096 values per token, 0.5 % off."""


IMAGE_BYTES = (0, GIB // 2, 3 * GIB // 2)
"""(low, expected, high) of encoding the largest image: 0.9 GiB for Qwen3.5 27B, by two logs of which one had
--language-model-only. Others need far more (36.6 GiB in a log of Llama 3.2 11B Vision)."""


@record(frozen=True, slots=True, kw_only=True)
class Span:
    """Bytes with a band."""

    n_bytes: int
    low_bytes: int
    high_bytes: int
    formula: str = ""


def total(parts: Iterable[Span]) -> Span:
    """The sum; the doubts to either side as if they had nothing to do with each other."""
    listed = list(parts)
    expected = sum(part.n_bytes for part in listed)
    return Span(
        n_bytes=expected,
        low_bytes=expected - int(sqrt(sum((part.n_bytes - part.low_bytes) ** 2 for part in listed))),
        high_bytes=expected + int(sqrt(sum((part.high_bytes - part.n_bytes) ** 2 for part in listed))),
    )


def layer_bytes(model: Model, n_tokens: int, tensor: int, *, is_compiled: bool = True, element_bytes: int = 2) -> int:
    """The widest dense layer of a step of so many tokens, on one of ``tensor`` devices that slice it."""
    inner, outer = DENSE_WIDTHS if is_compiled else EAGER_DENSE_WIDTHS
    is_dense = model.experts is None or model.experts.n_leading_dense_layers
    width = model.feed_forward_width // tensor if is_dense else 0
    return element_bytes * n_tokens * (inner * width + outer * model.embedding_width)


def workspace_bytes(model: Model, n_tokens: int, tensor: int, element_bytes: int = 2) -> int:
    """What experts compute in: a copy of every token for each expert that it uses, and their products.

    The first and the last of three buffers share one (fused_moe/fused_moe.py: cache13, vLLM 0.33.0).
    """
    experts = model.experts
    if experts is None:
        return 0
    sliced = experts.feed_forward_width // tensor
    widest = max(2 * sliced, model.embedding_width)
    return element_bytes * n_tokens * experts.n_used * (widest + sliced)


def sampler_bytes(model: Model, n_sequences: int, bytes_per_logit: float) -> int:
    """Logits of so many sequences and what sampling makes of them; every device gathers all of them."""
    return int(n_sequences * padded(model.vocabulary_size, VOCABULARY_MULTIPLE) * bytes_per_logit)


def peak(model: Model, layer: int, sampler: int, *, share: float = 0.15, allowance: int = 96 * MIB) -> Span:
    """The larger of both, for the sampler runs after the layers, and an allowance for the largest image.

    Args:
        model: one that sees images gets a wider band.
        layer: bytes of the widest layer.
        sampler: bytes of the sampler.
        share: of the peak, to both sides.
        allowance: beside that, upwards.
    """
    n_bytes = max(layer, sampler)
    image = IMAGE_BYTES if model.kind == "vision" else (0, 0, 0)
    return Span(
        n_bytes=n_bytes + image[1],
        low_bytes=int(n_bytes * (1 - share)) + image[0],
        high_bytes=int(n_bytes * (1 + share)) + allowance + image[2],
        formula=f"the larger of the widest layer ({layer / MIB:.0f} MiB) and the sampler ({sampler / MIB:.0f} MiB)",
    )
