"""Weights that llama.cpp copies into another order for the CPU's kernels: which, and with how many bytes.

The buffers are called CPU_REPACK and AMX in its log. What is copied depends on the processor's instructions
(`ggml_repack_get_optimal_repack_type`, ggml/src/ggml-cpu/repack.cpp; `qtype_has_amx_kernels`, ggml-cpu/amx/common.h;
build of 2026-10). The sums for AVX2 are what llama.cpp measured for nine models, to the byte; for ARM what the logs of
a phone list (SmolLM2 1.7B as Q4_0 and Q8_0, llama.rn 0.12.0, 2026-05), for AMX that of TinyLlama as Q4_K_M (b5939).
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import NamedTuple

from estimator.derived import of_model_by
from estimator.model import Model, Tensor
from estimator.quant import stored_bytes
from estimator.rounding import ROUNDINGS

INSTRUCTION_SETS = ("avx2", "avx512", "amx", "dotprod")
"""What a processor may have that decides; ARM's is the last one."""

_ROW_MULTIPLES = MappingProxyType(
    {
        "avx2": {"Q4_0": 8, "Q4_K": 8, "IQ4_NL": 8, "MXFP4": 8},
        "avx512": {"Q2_K": 8},
        "dotprod": {"Q4_0": 4, "Q4_K": 8, "Q5_K": 8, "Q6_K": 8, "Q8_0": 4, "IQ4_NL": 4, "MXFP4": 4},
    }
)
"""By instruction set, the types that are copied, where a matrix has a multiple of so many rows."""

_AMX_EXTRA_BYTES = MappingProxyType(
    {"Q4_0": 0, "Q4_1": 0, "Q8_0": 4, "Q4_K": 4, "Q5_K": 4, "Q6_K": 0, "IQ4_XS": 2, "F16": 0}
)
"""Types that AMX multiplies, and how many bytes a block grows by (`get_row_size`, ggml-cpu/amx/mmq.cpp)."""
_AMX_ROW_MULTIPLE = 32
_AMX_BLOCKS = MappingProxyType({"Q4_0": 32, "Q4_1": 32, "Q8_0": 32, "F16": 16})
"""Rows are a multiple of so many weights; 256 for the other types."""
_UNKNOWN = ("avx2",)
"""Taken where nobody says what the processor has: nearly every one of the last ten years with x86."""


class Repacked(NamedTuple):
    """Copies for the CPU's kernels."""

    n_bytes: int = 0
    replaced_bytes: int = 0
    """Of the weights as they are stored, what is not held beside its copy."""
    read_bytes: int = 0
    """What one token reads of the copies."""


def copied_bytes(tensor: Tensor, instruction_sets: Iterable[str]) -> int | None:
    """The size of the copy of a matrix; None where it stays as it is stored."""
    is_experts = "_exps" in tensor.name
    if len(tensor.shape) != (3 if is_experts else 2):
        return None
    width, n_rows = tensor.shape[:2]
    known = tuple(instruction_sets) or _UNKNOWN
    grows = _AMX_EXTRA_BYTES.get(tensor.type) if "amx" in known and not is_experts else None
    n_bytes = stored_bytes(tensor.type, tensor.shape)
    block = _AMX_BLOCKS.get(tensor.type, 256)
    if grows is not None and n_rows % _AMX_ROW_MULTIPLE == 0 and width % block == 0:
        return ROUNDINGS["cpu"].pad(n_bytes + grows * n_rows * (width // block))
    for name in known:
        multiple = _ROW_MULTIPLES.get(name, {}).get(tensor.type)
        if multiple and n_rows % multiple == 0:
            return ROUNDINGS["cpu"].pad(n_bytes)
    return None


def is_copied(type_name: str | None, instruction_sets: Iterable[str]) -> bool:
    """Whether matrices of that type are copied, as most shapes are."""
    square = Tensor("", (256, 256), type_name or "F32")
    return copied_bytes(square, instruction_sets) is not None


@of_model_by(64)
def repacked(
    model: Model, blocks: tuple[int, ...], instruction_sets: tuple[str, ...], *, has_output: bool, is_head_apart: bool
) -> Repacked:
    """What a load rearranges on the host: matrices that are multiplied with, experts among them.

    A head that is the embedding too is copied, and stays for the rows that are looked up: `create_tensor` in
    src/llama-model-loader.cpp makes it a second time where the two are in buffers of different types.

    Args:
        model: whose.
        blocks: those on the host.
        instruction_sets: of the processor, some of ``INSTRUCTION_SETS``; none where that is not known.
        has_output: the output layer is on the host too.
        is_head_apart: a tied head is held twice in any case.
    """
    experts = model.experts
    used_ratio = min(1.0, experts.n_used / max(1, experts.n_experts)) if experts else 1.0
    wanted = {f"blk.{number}" for number in blocks}
    head = {"output.weight"} if has_output else set()
    is_tied = all(tensor.name != "output.weight" for tensor in model.tensors)
    n_bytes = replaced_bytes = read_bytes = 0
    for tensor in model.tensors:
        prefix = ".".join(tensor.name.split(".", 2)[:2])
        is_tied_head = has_output and is_tied and tensor.name == "token_embd.weight"
        if prefix not in wanted and tensor.name not in head and not is_tied_head:
            continue
        n_copied = copied_bytes(tensor, instruction_sets)
        if n_copied is None:
            continue
        n_bytes += n_copied
        read_bytes += round(n_copied * used_ratio) if "_exps" in tensor.name else n_copied
        if not is_tied_head or is_head_apart:
            replaced_bytes += ROUNDINGS["cpu"].tensor_bytes(tensor.type, tensor.shape)
    return Repacked(n_bytes=n_bytes, replaced_bytes=replaced_bytes, read_bytes=read_bytes)
