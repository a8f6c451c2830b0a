"""How a kind of device rounds what is put into its buffers."""

from collections.abc import Sequence
from typing import NamedTuple

from estimator.quant import BLOCKS, row_bytes, stored_bytes


class Rounding(NamedTuple):
    """The buffer type's rules."""

    alignment_bytes: int
    """Each tensor starts at a multiple of it."""
    row_multiple: int | None = None
    """Quantised matrices get the bytes of one last row filled up to a multiple of so many elements."""

    def pad(self, n_bytes: int) -> int:
        """Up to the next multiple of the alignment."""
        return -(-n_bytes // self.alignment_bytes) * self.alignment_bytes

    def tensor_bytes(self, type_name: str, shape: Sequence[int]) -> int:
        """What one tensor takes in the buffer."""
        n_bytes = stored_bytes(type_name, shape)
        if self.row_multiple and shape[0] % self.row_multiple and BLOCKS[type_name].n_weights > 1:
            n_bytes += row_bytes(type_name, self.row_multiple - shape[0] % self.row_multiple)
        return self.pad(n_bytes)


# CUDA: alignment 128, MATRIX_ROW_PADDING 512 (ggml/src/ggml-cuda/ggml-cuda.cu and common.cuh, 2026-10).
# ROCm is built from the same files; any other device ("gpu") is taken as the one that rounds most.
# Metal and the CPU: TENSOR_ALIGNMENT 32 (ggml/src/ggml-impl.h). Pinned host memory beside a device was measured with
# 64, at most 32 bytes a tensor more.
ROUNDINGS = {
    "cuda": Rounding(alignment_bytes=128, row_multiple=512),
    "rocm": Rounding(alignment_bytes=128, row_multiple=512),
    "gpu": Rounding(alignment_bytes=128, row_multiple=512),
    "metal": Rounding(alignment_bytes=32),
    "host": Rounding(alignment_bytes=64),
    "cpu": Rounding(alignment_bytes=32),
}
