"""Whether llama.cpp asks cuBLAS for anything, whose kernels and workspace are loaded at the first such product.

From Turing on, CUDA's backend computes products with quantised weights itself, whatever the batch
(`ggml_cuda_should_use_mmq`, ggml-cuda/mmq.cu), and so attention with `ggml_cuda_flash_attn_ext`. It leaves to cuBLAS
those with weights of 16 or 32 bits and more than 16 columns (`ggml_cuda_should_use_mmf`, mmf.cu), as a router has, and
what recurrent layers compute in chunks (ssm-scan.cu, solve_tri.cu). Seen so on an H100: of 13 models, the MoE and the
recurrent ones took 98 to 122 MiB more than the dense ones (bench/real_gpu.py, 2026-11-26).
"""

from estimator.derived import of_model
from estimator.model import Model, Tensor

UNQUANTISED = frozenset({"F32", "F16", "BF16"})
NO_PRODUCTS = ("token_embd.weight", "output.weight", "position_embd.weight", "token_types.weight")
"""Rows are looked up, or multiplied for the last token alone."""


@of_model
def uses_blas(model: Model) -> bool:
    """Of a prompt of many tokens; remembered, since it looks at every tensor."""
    return recurs_or_routes(model) or any(map(_is_left_to_blas, model.tensors))


def recurs_or_routes(model: Model) -> bool:
    """Whether its kind alone says so; at once, and true of a file too that has no other such matrix."""
    return model.experts is not None or any(layer.recurrent_state_width for layer in model.layers)


def _is_left_to_blas(tensor: Tensor) -> bool:
    name = tensor.name
    return (
        tensor.type in UNQUANTISED
        and len(tensor.shape) > 1
        and tensor.shape[1] > 1
        and name.endswith(".weight")
        and name not in NO_PRODUCTS
        and "norm" not in name
        and "conv" not in name
    )
