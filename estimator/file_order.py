"""In which order a GGUF file that is not at hand holds its tensors: what Metal maps of it depends on that."""

from collections.abc import Sequence
from math import prod

from estimator.model import Tensor

SORTED_SINCE = "2024-11"
"""llama.cpp's quantizer writes what belongs to no block first, by name, and then block after block, since
github.com/ggml-org/llama.cpp/pull/9935 (2024-10-31); before, tensors stayed as the checkpoint had them (issue 9005)."""
SORTED_FOR_SURE = "2025-03"
"""Whoever quantises has a build of some weeks or months ago: our allowance."""
SHARD_BYTES = 5_000_000_000
"""Checkpoints above this have several files (`save_pretrained`, max_shard_size "5GB", transformers), the embedding in
the first, the head in the last one. Within a file names are sorted: ``lm_head`` comes before ``model.embed_tokens``."""
EMBEDDING = "token_embd.weight"


def is_order_known(released: str) -> bool:
    """Whether the age of a model's files tells how their tensors lie."""
    return not SORTED_SINCE <= released < SORTED_FOR_SURE


def as_written(tensors: Sequence[Tensor], released: str) -> tuple[Tensor, ...]:
    """The tensors in the order of the files that most people have of a model.

    Args:
        tensors: all of them, blocks in order.
        released: year and month of the checkpoint; files are about as old.
    """
    loose = sorted((tensor for tensor in tensors if not tensor.name.startswith("blk.")), key=lambda tensor: tensor.name)
    blocks = [tensor for tensor in tensors if tensor.name.startswith("blk.")]
    if released >= SORTED_SINCE or 2 * sum(prod(tensor.shape) for tensor in tensors) <= SHARD_BYTES:
        return (*loose, *blocks)
    first = [tensor for tensor in loose if tensor.name == EMBEDDING]
    return (*first, *blocks, *(tensor for tensor in loose if tensor.name != EMBEDDING))
