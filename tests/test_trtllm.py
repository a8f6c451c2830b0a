"""TensorRT-LLM: a fraction of what is free after loading."""

from dataclasses import replace

import pytest

from estimator.engines import trtllm
from estimator.ledger import Estimate, Kind, Place, Workload
from estimator.reader import read_model

GIB = 1 << 30
RAM = Place(name="RAM", kind="host", total_bytes=256 * GIB, free_bytes=200 * GIB)
CARD = Place(name="GPU 0", kind="cuda", total_bytes=93 * GIB, free_bytes=93 * GIB)


def made(options: trtllm.Options, kv_type: str = "auto", model: str = "Llama 3.1 8B") -> Estimate:
    workload = Workload(context_tokens=8192, kv_type=kv_type)
    return trtllm.estimate(read_model(model, "BF16"), workload, options, [CARD, RAM])


def test_the_cache_takes_the_fraction_of_what_the_rest_leaves() -> None:
    estimate = made(trtllm.Options())
    cache = estimate.n_bytes(["GPU 0"], Kind.KV_CACHE)
    free = CARD.free_bytes - (estimate.n_bytes(["GPU 0"]) - cache)
    assert cache / free == pytest.approx(0.9, rel=0.001)


def test_a_token_of_latent_attention_takes_what_its_log_prints() -> None:
    term = next(term for term in made(trtllm.Options(), "fp8", "Kimi K2").terms if term.kind is Kind.KV_CACHE)
    assert term.formula.endswith("x 35136 bytes")


def test_a_model_that_leaves_nothing_is_refused() -> None:
    assert made(trtllm.Options(), model="Llama 3.1 70B").refusal == "no memory is left for the cache"


def test_what_is_expected_to_leave_nothing_is_refused_though_the_best_end_leaves_something() -> None:
    others = [term for term in made(trtllm.Options()).select(["GPU 0"]) if term.kind is not Kind.KV_CACHE]
    full = replace(CARD, free_bytes=sum(term.n_bytes for term in others))
    assert sum(term.low_bytes for term in others) < full.free_bytes - GIB // 2
    model, workload = read_model("Llama 3.1 8B", "BF16"), Workload(context_tokens=8192, kv_type="auto")
    found = trtllm.estimate(model, workload, trtllm.Options(), [full, RAM])
    assert found.refusal == "no memory is left for the cache"


def test_a_cache_shorter_than_a_sequence_is_relieved_by_smaller_steps_or_not_at_all() -> None:
    model, places = read_model("Llama 3.1 8B", "BF16"), [CARD, RAM]
    assert trtllm.relieved(model, Workload(context_tokens=8192, kv_type="auto"), trtllm.Options(), places) is None


def test_flags_spell_out_the_fraction() -> None:
    model = read_model("Llama 3.1 8B", "BF16")
    options = trtllm.Options(kv_cache_free_gpu_memory_fraction=0.8)
    assert trtllm.flags(model, Workload(context_tokens=8192, kv_type="fp8"), options, made(options)) == (
        "--max_seq_len 8192 --kv_cache_free_gpu_memory_fraction 0.8 --max_batch_size 2048 --max_num_tokens 8192 "
        "--kv_cache_dtype fp8"
    )


def test_a_cache_is_as_small_as_it_is_asked_for() -> None:
    whole = made(trtllm.Options())
    least = [
        made(trtllm.Options(kv_cache_max_tokens=10_000)).n_bytes(["GPU 0"], Kind.KV_CACHE),
        made(trtllm.Options(kv_cache_max_bytes=GIB)).n_bytes(["GPU 0"], Kind.KV_CACHE),
    ]
    token_bytes = 2 * 32 * 8 * 128 * 2
    assert least == [10_016 * token_bytes, GIB // (32 * token_bytes) * 32 * token_bytes]
    assert whole.n_bytes(["GPU 0"], Kind.KV_CACHE) > GIB
