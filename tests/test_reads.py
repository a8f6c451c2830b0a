"""What one generated token reads, of the terms that llama.cpp's ledger holds."""

from estimator.engines.llamacpp import Options, estimate
from estimator.ledger import Estimate, Kind, Place, Workload
from estimator.reader import read_model

GIB = 1 << 30
PLACES = (
    Place(name="GPU 0", kind="cuda", total_bytes=80 * GIB, free_bytes=80 * GIB),
    Place(name="RAM", kind="host", total_bytes=256 * GIB, free_bytes=256 * GIB),
)


def made(
    name: str, *, context_tokens: int = 8192, n_sequences: int = 1, n_gpu_layers: int = 999, n_cpu_moe_layers: int = 0
) -> Estimate:
    return estimate(
        read_model(name, "Q4_K_M"),
        Workload(context_tokens=context_tokens, n_sequences=n_sequences),
        Options(n_gpu_layers=n_gpu_layers, n_cpu_moe_layers=n_cpu_moe_layers),
        PLACES,
    )


def read_bytes(estimate: Estimate, place: str, kind: Kind) -> int:
    return sum(term.read_bytes for term in estimate.select([place], kind))


def test_a_dense_model_reads_all_its_weights_but_the_embedding() -> None:
    dense = made("Llama 3.1 8B")
    assert read_bytes(dense, "GPU 0", Kind.WEIGHTS) == dense.n_bytes(["GPU 0"], Kind.WEIGHTS)
    assert read_bytes(dense, "RAM", Kind.WEIGHTS) == 0


def test_experts_that_are_not_used_are_not_read() -> None:
    mixture = made("Qwen3 30B-A3B")
    ratio = read_bytes(mixture, "GPU 0", Kind.WEIGHTS) / mixture.n_bytes(["GPU 0"], Kind.WEIGHTS)
    assert 8 / 128 < ratio < 0.15


def test_a_tied_embedding_is_read_where_the_output_layer_lies() -> None:
    on_device, on_host = made("Llama 3.2 1B"), made("Llama 3.2 1B", n_gpu_layers=0)
    head_bytes = 128256 * 2048 // 256 * 210  # Q6_K
    assert read_bytes(on_device, "RAM", Kind.WEIGHTS) == 0
    assert read_bytes(on_host, "RAM", Kind.WEIGHTS) > head_bytes


def test_experts_in_ram_are_read_there() -> None:
    whole, split = made("Qwen3 30B-A3B"), made("Qwen3 30B-A3B", n_cpu_moe_layers=48)
    there = read_bytes(split, "GPU 0", Kind.WEIGHTS) + read_bytes(split, "RAM", Kind.WEIGHTS)
    padding_bytes = 48 * 1024  # of a CUDA device, per layer
    assert abs(there - read_bytes(whole, "GPU 0", Kind.WEIGHTS)) < padding_bytes
    assert read_bytes(split, "RAM", Kind.WEIGHTS) > 0


def test_a_window_is_read_no_further_than_it_reaches() -> None:
    windowed = made("Gemma 3 4B", context_tokens=32768)
    cache = read_bytes(windowed, "GPU 0", Kind.KV_CACHE)
    n_full, n_windowed, cell = 5, 29, 2 * 4 * 256 * 2
    assert cache == (n_full * 32768 + n_windowed * 1024) * cell


def test_one_sequence_reads_its_own_share_of_the_cache() -> None:
    one, four = made("Llama 3.1 8B", context_tokens=8192), made("Llama 3.1 8B", context_tokens=32768, n_sequences=4)
    assert read_bytes(one, "GPU 0", Kind.KV_CACHE) == read_bytes(four, "GPU 0", Kind.KV_CACHE)


def test_a_state_is_read_and_written_whatever_the_context() -> None:
    short, long = made("Mamba2 2.7B", context_tokens=4096), made("Mamba2 2.7B", context_tokens=65536)
    state = read_bytes(short, "GPU 0", Kind.STATE)
    assert state == 2 * short.n_bytes(["GPU 0"], Kind.STATE)
    assert state == read_bytes(long, "GPU 0", Kind.STATE)
