"""MLX: peaks against what mlx-lm printed, its caches, and what it refuses."""

from dataclasses import replace

import pytest

from estimator.engines import mlx
from estimator.errors import Unjudgeable
from estimator.ledger import Estimate, Kind, Place, Workload
from estimator.mlx_cache import MlxRun
from estimator.model import Layer
from estimator.reader import read_model
from estimator.verdict import Level, judge

GIB, GB = 1 << 30, 10**9
RAM = Place(name="RAM", kind="host", total_bytes=128 * GIB, free_bytes=110 * GIB)
GPU = Place(name="GPU 0", kind="metal", total_bytes=96 * GIB, free_bytes=96 * GIB, draws_on="RAM")
FULL = Layer(key_width=1024, value_width=1024)
RUN = MlxRun(n_sequences=1, n_prompt_tokens=5000, n_new_tokens=100, chunk_tokens=2048)


def made(name: str, quant: str, tokens: int, gpu: Place = GPU, *, kv_type: str = "f16", **options: object) -> Estimate:
    given = mlx.Options(**options)  # type: ignore[arg-type]
    return mlx.estimate(read_model(name, quant), Workload(context_tokens=tokens, kv_type=kv_type), given, [gpu, RAM])


@pytest.mark.parametrize(
    ("name", "quant", "prompt", "new", "peak_gb"),
    [
        # github.com/defai-digital/ax-engine, M5 Max, 2026-06
        ("Gemma 4 31B", "MLX-4bit", 2048, 128, 20.168),
        ("Gemma 4 E2B", "MLX-6bit", 128, 128, 3.997),
        ("Qwen3.6 27B", "MLX-8bit", 2048, 128, 31.652),
        ("Qwen3.6 35B-A3B", "MLX-6bit", 128, 128, 28.405),
        # M3 Ultra, mlx-lm 0.31.2
        ("Qwen3 0.6B", "BF16", 1500, 1500, 2.017),
        ("Qwen3 4B", "MLX-8bit", 1500, 1500, 5.278),
        # github.com/ml-explore/mlx-lm/issues/1480, M5 Max
        ("Qwen3.6 35B-A3B", "MLX-4bit", 100000, 8, 29.8),
    ],
)
def test_peaks_are_those_that_were_printed(name: str, quant: str, prompt: int, new: int, peak_gb: float) -> None:
    estimate = made(name, quant, prompt + new, max_tokens=new)
    terms = [term for term in estimate.terms if term.kind is not Kind.RUNTIME]
    assert sum(term.n_bytes for term in terms) / GB == pytest.approx(peak_gb, rel=0.05)
    assert sum(term.low_bytes for term in terms) / GB <= peak_gb <= sum(term.high_bytes for term in terms) / GB


def test_a_cache_grows_by_256_tokens() -> None:
    assert RUN.final_bytes(FULL) == 5120 * 2048 * 2


def test_a_window_holds_the_chunk_beside_itself_and_then_only_itself() -> None:
    window = replace(FULL, window_tokens=1024)
    assert RUN.prompt_bytes(window) == (1023 + 2048) * 2048 * 2
    assert RUN.final_bytes(window) == 1024 * 2048 * 2


def test_a_largest_size_makes_a_window_of_every_layer() -> None:
    assert replace(RUN, most_tokens=512).final_bytes(FULL) == 512 * 2048 * 2


def test_quantised_keys_carry_a_scale_and_a_bias_for_each_64() -> None:
    assert replace(RUN, kv_bits=8).final_bytes(FULL) == 5120 * 2048 * 17 // 16


def test_short_caches_are_not_quantised() -> None:
    assert replace(RUN, kv_bits=4, quantised_from_tokens=5200).final_bytes(FULL) == RUN.final_bytes(FULL)


def test_scores_are_held_where_heads_have_no_kernel() -> None:
    # 24 heads of 256 (Qwen3.6 27B) against 32 of 128 (Qwen3 8B).
    wide, narrow = (made(name, "MLX-4bit", 65536).n_bytes(kind=Kind.COMPUTE) for name in ("Qwen3.6 27B", "Qwen3 8B"))
    assert wide > 6 * GB > 2 * GB > narrow


def test_a_quantised_cache_of_a_window_is_refused() -> None:
    estimate = made("Gemma 3 27B", "MLX-4bit", 8192, kv_type="int8")
    assert "sliding window" in estimate.refusal
    assert judge(estimate, [GPU, RAM]).level is Level.FAILS


def test_the_gpu_shares_the_machines_memory() -> None:
    estimate = made("Qwen3 32B", "MLX-8bit", 8192)
    small = replace(RAM, total_bytes=32 * GIB, free_bytes=28 * GIB)
    assert judge(estimate, [GPU, small]).level is Level.FAILS
    assert judge(estimate, [GPU, RAM]).level is Level.FITS


def test_weights_near_the_wired_limit_are_doubted() -> None:
    tight = replace(GPU, total_bytes=17 * GIB, free_bytes=17 * GIB)
    assert any("wire" in doubt for doubt in made("Qwen3 32B", "MLX-4bit", 2048, tight).doubts)
    assert not any("wire" in doubt for doubt in made("Qwen3 32B", "MLX-4bit", 2048).doubts)


def test_an_unknown_cache_type_is_refused() -> None:
    with pytest.raises(Unjudgeable, match="q8_0"):
        made("Qwen3 8B", "MLX-4bit", 2048, kv_type="q8_0")


def test_the_server_has_no_largest_cache_and_generate_does() -> None:
    model, work = read_model("Qwen3 8B", "MLX-4bit"), Workload(context_tokens=8192)
    for options, program in ((mlx.Options(), "mlx_lm.server"), (mlx.Options(max_kv_size=4096), "mlx_lm.generate")):
        line = mlx.command(model, mlx.flags(model, work, options, mlx.estimate(model, work, options, [GPU, RAM])))
        assert line.startswith(program)


def test_other_hardware_than_apples_is_doubted() -> None:
    cuda = replace(GPU, kind="cuda", draws_on=None)
    assert any("assumed alike" in doubt for doubt in made("Qwen3 8B", "MLX-4bit", 2048, cuda).doubts)
    assert not any("assumed alike" in doubt for doubt in made("Qwen3 8B", "MLX-4bit", 2048).doubts)
