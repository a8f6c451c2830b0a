"""What a GGUF file has beside its tensors: the table of them, exactly, and the vocabulary, about.

Layout: docs/gguf.md of ggml. A file with its tensors is longer by this, 2 to 15 MB of most models.
"""

from typing import NamedTuple

from estimator.model import Model, Tensor

TOKEN_BYTES = (20, 40, 65)
"""(low, expected, high) of a header by token of the vocabulary: text with its length (8 bytes and some 7), a type (4)
or a score as well (4), and, with byte-pair encoding, merges (8 bytes and some 8; one a token, in Llama 3 two).
By the layout; the spread between vocabularies is our allowance."""
FURTHER_BYTES = 4096
"""Numbers of the model, its name and licence, a chat template."""
ALIGNMENT = 32
"""Of each tensor's data."""


class FileSize(NamedTuple):
    """Bytes of one file, or of its parts together."""

    low_bytes: int
    n_bytes: int
    high_bytes: int


def gguf_size(model: Model, tensor_bytes: int) -> FileSize:
    """Of the file that holds these tensors; ``tensor_bytes``: all of them as stored."""
    table = sum(map(_entry_bytes, model.tensors)) + FURTHER_BYTES
    padding = ALIGNMENT * len(model.tensors)
    low, expected, high = (table + n * model.vocabulary_size for n in TOKEN_BYTES)
    least, most = (int(ratio * tensor_bytes) for ratio in model.size_band_ratio)
    return FileSize(
        low_bytes=least + low, n_bytes=tensor_bytes + expected + padding // 2, high_bytes=most + high + padding
    )


def _entry_bytes(tensor: Tensor) -> int:
    """Name with its length, dimensions, type and offset."""
    return 8 + len(tensor.name.encode()) + 4 + 8 * len(tensor.shape) + 4 + 8
