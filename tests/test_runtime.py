"""What driver, libraries and process take beside what an engine asks for."""

from dataclasses import replace

import pytest

from estimator.blas import uses_blas
from estimator.engines import llamacpp
from estimator.ledger import Kind, Place, Workload
from estimator.model import Layer, Tensor
from estimator.reader import read_model
from estimator.runtime import blas_bytes, host_runtime, runtime_term, told_free_bytes

MIB, GIB = 1 << 20, 1 << 30
H100 = Place(
    name="GPU 0", kind="cuda", total_bytes=80 * GIB, free_bytes=79 * GIB, n_multiprocessors=132,
    compute_capability=(9, 0),
)  # fmt: skip
HOST = Place(name="RAM", kind="host", total_bytes=126 * GIB, free_bytes=120 * GIB)
HELD_BESIDE_MIB = {
    "Qwen3 0.6B": 599, "Qwen3 8B": 601, "Gemma 3 12B": 607, "Qwen3 32B": 616, "gpt-oss 20B": 697,
    "Qwen3 30B-A3B": 700, "DeepSeek V2 Lite": 705, "Falcon-H1 7B": 706, "Qwen3-Next 80B-A3B": 709,
}  # fmt: skip
"""What a llama-server held by NVML beside the buffers of its log, after a prompt of 600 tokens: Q4_K_M (gpt-oss as
published), llama.cpp 0c1e57098 on an H100 80GB HBM3 under driver 580.159.04, 2026-11-26 (bench/real_gpu.py)."""


def context(place: Place) -> int:
    term = runtime_term(place, 0)
    assert term is not None
    return term.low_bytes


@pytest.mark.parametrize(
    ("capability", "n_multiprocessors", "measured_mib"),
    [((9, 0), 132, 518), ((12, 0), 188, 555), ((8, 9), 34, 107)],
    ids=["H100", "RTX PRO 6000", "RTX 4060 Ti"],
)
def test_a_context_grows_with_the_threads_that_may_be_resident(
    capability: tuple[int, int], n_multiprocessors: int, measured_mib: int
) -> None:
    place = replace(H100, compute_capability=capability, n_multiprocessors=n_multiprocessors)
    assert context(place) / MIB == pytest.approx(measured_mib, abs=3)


@pytest.mark.parametrize("name", HELD_BESIDE_MIB)
def test_what_llama_cpp_holds_beside_its_buffers_is_what_was_measured(name: str) -> None:
    model = read_model(name, None if name.startswith("gpt-oss") else "Q4_K_M")
    workload, options = Workload(context_tokens=4096, n_sequences=1), llamacpp.Options(n_gpu_layers=99)
    made = llamacpp.estimate(model, workload, options, (H100, HOST))
    term = next(term for term in made.terms if term.kind is Kind.RUNTIME and term.place == H100.name)
    assert term.n_bytes / MIB == pytest.approx(HELD_BESIDE_MIB[name], abs=15)
    assert term.low_bytes < HELD_BESIDE_MIB[name] * MIB < term.high_bytes


@pytest.mark.parametrize(
    ("name", "quant", "uses"),
    [
        ("Llama 3.1 8B", "Q4_K_M", False),
        ("Llama 3.1 8B", "F16", True),
        ("Mixtral 8x7B", "Q4_K_M", True),
        ("Falcon-H1 7B", "Q4_K_M", True),
    ],
    ids=["quantised", "16 bits", "a router of 32 bits", "recurrent"],
)
def test_cublas_is_asked_for_what_is_not_quantised(name: str, quant: str, uses: bool) -> None:
    assert uses_blas(read_model(name, quant)) == uses


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("token_embd.weight", (64, 100), "F16"),
        Tensor("blk.0.attn_norm.weight", (64,), "F32"),
        Tensor("blk.0.ssm_conv1d.weight", (4, 64), "F32"),
        Tensor("blk.0.attn_q.weight", (64, 64), "Q8_0"),
    ],
    ids=["looked up", "a norm", "a convolution", "quantised"],
)
def test_a_tensor_that_no_product_of_cublas_needs_does_not_count(tensor: Tensor) -> None:
    model = read_model("Llama 3.1 8B", "Q4_K_M")
    assert not uses_blas(replace(model, tensors=(tensor,), layers=(Layer(key_width=8, value_width=8),)))


def test_without_flash_attention_scores_are_left_to_cublas() -> None:
    model, workload = read_model("Llama 3.1 8B", "Q4_K_M"), Workload(context_tokens=4096, n_sequences=1)
    plain, flash = (
        llamacpp.estimate(
            model, workload, llamacpp.Options(n_gpu_layers=99, is_flash_attention=is_flash), (H100, HOST)
        ).n_bytes([H100.name], Kind.RUNTIME)
        for is_flash in (False, True)
    )
    assert plain - flash == blas_bytes(H100)


def test_a_card_of_unknown_size_gets_the_span_of_the_known_ones() -> None:
    known, unknown = runtime_term(H100), runtime_term(replace(H100, n_multiprocessors=None))
    assert known is not None
    assert unknown is not None
    assert unknown.low_bytes < known.low_bytes
    assert known.n_bytes < unknown.high_bytes


def test_cudas_libraries_are_in_the_process_too() -> None:
    plain, on_cuda = host_runtime(HOST), host_runtime(HOST, is_on_cuda=True)
    assert plain.n_bytes < on_cuda.n_bytes < host_runtime(HOST, is_on_cuda=True, has_blas=True).n_bytes


@pytest.mark.parametrize(
    ("name", "free_mib", "n_layers", "buffers_mib"),
    [("Qwen3 8B", 4096, 14, 2472.0), ("Qwen3 32B", 4096, 6, 2450.5), ("Qwen3 30B-A3B", 10240, 49, 8637.7)],
)
def test_what_fit_left_on_an_h100_is_what_is_foreseen(
    name: str, free_mib: int, n_layers: int, buffers_mib: float
) -> None:
    # llama-server with its defaults, all but so much held by another process (bench/real_gpu.py --leave).
    model, workload = read_model(name, "Q4_K_M"), Workload(context_tokens=8192, n_sequences=1)
    made = llamacpp.fallback(model, workload, llamacpp.Options(), (replace(H100, free_bytes=free_mib * MIB), HOST))
    assert made is not None
    terms = [term for term in made.select([H100.name]) if term.kind is not Kind.RUNTIME]
    assert made.n_gpu_layers == n_layers
    assert sum(term.n_bytes for term in terms) / MIB == pytest.approx(buffers_mib, abs=0.1)


def test_a_program_is_told_what_its_own_context_leaves() -> None:
    assert told_free_bytes(H100) == H100.free_bytes - context(H100)
    assert told_free_bytes(replace(H100, n_multiprocessors=None)) == H100.free_bytes
    assert told_free_bytes(HOST) == HOST.free_bytes
