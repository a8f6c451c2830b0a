"""vLLM: its share of the card, its cache, what it refuses, and the answers people ask it for."""

from dataclasses import replace

import pytest
from measured import measured_model

from estimator.engines import vllm
from estimator.errors import Unjudgeable
from estimator.ledger import Answer, Estimate, Kind, Place, Workload
from estimator.model import Model
from estimator.ranks import offered_bytes
from estimator.reader import read_model
from estimator.verdict import Level, judge

GIB = 1 << 30
RAM = Place(name="RAM", kind="host", total_bytes=256 * GIB, free_bytes=200 * GIB)


def card(gib: float, number: int = 0, *, free_gib: float | None = None, product: str = "") -> Place:
    free = gib - 0.1 if free_gib is None else free_gib
    return Place(
        name=f"GPU {number}",
        kind="cuda",
        total_bytes=int(gib * GIB),
        usable_bytes=int(gib * GIB),
        free_bytes=int(free * GIB),
        product=product,
    )


def llama() -> Model:
    """Llama 3.1 8B, unquantised."""
    return read_model("Llama 3.1 8B", "BF16")


def made(*cards: Place, tokens: int = 8192, kv_type: str = "auto", options: vllm.Options = vllm.DEFAULTS) -> Estimate:
    return vllm.estimate(llama(), Workload(context_tokens=tokens, kv_type=kv_type), options, [*cards, RAM])


def answer(estimate: Estimate, key: str) -> Answer:
    return next(found for found in estimate.answers if found.key == key)


def test_llama_loads_as_many_bytes_as_its_log_prints() -> None:
    assert made(card(79.25)).n_bytes(["GPU 0"], Kind.WEIGHTS) / GIB == pytest.approx(14.9889, abs=0.001)


def test_it_takes_its_share_whatever_the_model_needs() -> None:
    estimate = made(card(79.25))
    held = sum(term.n_bytes for term in estimate.select(["GPU 0"]) if term.label != "CUDA context")
    assert held == pytest.approx(0.92 * 79.25 * GIB, rel=0.001)


def test_the_share_is_of_what_the_driver_offers() -> None:
    offered = replace(card(80), usable_bytes=int(79.15 * GIB))
    assert answer(made(offered), "share_bytes").value == pytest.approx(0.92 * 79.15 * GIB, rel=1e-6)


def test_an_h100_keeps_the_tokens_that_its_log_prints() -> None:
    tokens = answer(made(card(79.25), tokens=131072), "kv_tokens")
    assert tokens.value == pytest.approx(460496, rel=0.02)
    assert tokens.low is not None
    assert tokens.high is not None
    assert tokens.low < 460496 < tokens.high


def test_before_v1_a_prompt_was_computed_in_one_go() -> None:
    old = vllm.Options(version="0.6.3", gpu_memory_utilization=0.9)
    estimate = made(card(23.58), tokens=29000, options=old)
    activations = sum(term.n_bytes for term in estimate.terms if term.label == "activations")
    assert activations / GIB == pytest.approx(2.99, rel=0.01)


def test_a_doubt_about_activations_is_counted_once() -> None:
    estimate = made(card(79.25))
    assert estimate.high_bytes(["GPU 0"]) < estimate.n_bytes(["GPU 0"]) + GIB


def test_a_length_that_its_cache_does_not_hold_is_refused_with_one_that_it_does() -> None:
    estimate = made(card(23.58), tokens=131072)
    assert "one sequence of 131072 tokens needs 16.00 GiB" in estimate.refusal
    longest = int(estimate.refusal.split("--max-model-len ")[1].split()[0])
    assert not made(card(23.58), tokens=longest).refusal


def longest(key: str) -> int:
    """Of one sequence on a card of 24 GB, at this end of the band."""
    return int(getattr(answer(made(card(23.58), tokens=131072), "longest_context_tokens"), key))


def test_a_length_beyond_the_expected_cache_is_refused_though_the_best_end_would_hold_it() -> None:
    tokens = longest("value") + 64
    assert tokens < longest("high")
    assert f"one sequence of {tokens} tokens" in made(card(23.58), tokens=tokens).refusal


def test_a_length_that_only_the_worst_end_does_not_hold_is_a_risk() -> None:
    estimate = made(card(23.58), tokens=longest("value") - 64)
    assert estimate.refusal == ""
    assert "at worst" in estimate.risk


@pytest.mark.parametrize("key", ["value", "high"])
def test_the_length_that_is_named_instead_fits_at_the_worst_end_too(key: str) -> None:
    told = made(card(23.58), tokens=longest(key) + 64).refusal
    named = int(told.split("--max-model-len ")[1].split()[0])
    places = [card(23.58), RAM]
    workload = Workload(context_tokens=named, kv_type="auto")
    assert judge(vllm.estimate(llama(), workload, vllm.DEFAULTS, places), places).level is Level.FITS


def test_a_cache_that_is_not_modelled_is_refused_only_where_its_whole_band_falls_short() -> None:
    cards = [card(139.8, number) for number in range(2)]
    model, workload = read_model("DeepSeek V4 Flash", "FP8"), Workload(context_tokens=1 << 20)
    options = vllm.Options(kv_cache_memory_bytes=4 * GIB)
    found = vllm.estimate(model, workload, options, [*cards, RAM])
    tokens = answer(found, "longest_context_tokens")
    assert tokens.high is not None
    assert tokens.value < 1 << 20 <= tokens.high
    assert (found.refusal, bool(found.risk)) == ("", True)


def test_a_share_that_is_free_but_for_the_worst_end_of_the_context_is_a_risk() -> None:
    context = next(term for term in made(card(79.25)).terms if term.label == "CUDA context")
    wanted = 0.92 * 79.25 + (context.n_bytes + context.high_bytes) / 2 / GIB
    estimate = made(card(79.25, free_gib=wanted))
    assert estimate.refusal == ""
    assert "at worst" in estimate.risk


def test_a_card_that_others_use_is_refused_though_the_model_would_fit() -> None:
    refusal = made(card(79.25, free_gib=60)).refusal
    assert "is less than --gpu-memory-utilization 0.92 takes" in refusal


def test_a_smaller_share_than_it_needs_leaves_no_cache() -> None:
    assert "no memory is left" in made(card(23.58), options=vllm.Options(gpu_memory_utilization=0.6)).refusal


def test_a_refusal_fails_and_a_risk_is_tight() -> None:
    share = answer(made(card(23.58)), "smallest_utilization_ratio")
    places = [card(23.58), RAM]
    assert share.high is not None
    for ratio, level in ((share.high + 0.001, Level.FITS), (float(share.value), Level.TIGHT), (0.64, Level.FAILS)):
        estimate = made(card(23.58), options=vllm.Options(gpu_memory_utilization=ratio))
        assert judge(estimate, places).level is level


def test_two_cards_slice_the_weights_and_the_cache() -> None:
    one, two = made(card(79.25)), made(card(79.25), card(79.25, 1))
    assert two.n_bytes(["GPU 1"], Kind.WEIGHTS) / one.n_bytes(["GPU 0"], Kind.WEIGHTS) == pytest.approx(0.5, rel=0.01)
    assert answer(two, "kv_tokens").value > 2 * float(answer(one, "kv_tokens").value)


def test_a_free_length_is_the_longest_that_starts() -> None:
    places = [card(23.58), RAM]
    asked = Workload(context_tokens=131072, kv_type="auto")
    found = vllm.free_context(llama(), asked, vllm.DEFAULTS, places)
    assert 0 < found < 131072
    assert not vllm.estimate(llama(), replace(asked, context_tokens=found), vllm.DEFAULTS, places).refusal
    assert vllm.free_context(llama(), asked, vllm.DEFAULTS, [card(79.25), RAM]) == 131072


AUTO = vllm.Options(is_length_free=True)


def test_a_free_length_fits_though_the_worst_end_has_room_for_a_shorter_one_only() -> None:
    places = [card(23.58), RAM]
    estimate = made(card(23.58), tokens=131072, options=AUTO)
    assert (estimate.refusal, estimate.risk) == ("", "")
    assert judge(estimate, places).level is Level.FITS
    assert any(f"{longest('value')} tokens, {longest('low')} at worst" in doubt for doubt in estimate.doubts)


def test_a_free_length_fails_where_not_one_token_has_room() -> None:
    crowded = replace(AUTO, gpu_memory_utilization=0.6)
    assert "no memory is left for the cache" in made(card(23.58), tokens=131072, options=crowded).refusal


def test_a_free_length_may_fail_where_the_worst_end_leaves_nothing() -> None:
    share = answer(made(card(23.58), tokens=16), "smallest_utilization_ratio")
    assert share.high is not None
    between = replace(AUTO, gpu_memory_utilization=(float(share.value) + share.high) / 2)
    estimate = made(card(23.58), tokens=131072, options=between)
    assert (estimate.refusal, estimate.risk[:8]) == ("", "at worst")


def test_a_free_length_is_asked_for_as_one() -> None:
    flags = vllm.flags(llama(), Workload(context_tokens=4096), AUTO, made(card(79.25)))
    assert flags.startswith("--max-model-len auto ")


def test_more_cards_than_there_are_is_refused() -> None:
    assert made(card(79.25), options=vllm.Options(tensor_parallel_size=2)).refusal == ("2 devices asked for, 1 there")


def test_heads_have_to_go_round_evenly() -> None:
    cards = [card(79.25, number) for number in range(3)]
    assert "can't be shared evenly" in made(*cards, options=vllm.Options(tensor_parallel_size=3)).refusal


def test_an_8_bit_cache_holds_twice_as_many_tokens() -> None:
    full, half = (answer(made(card(79.25), kv_type=kind), "gpu_blocks").value for kind in ("auto", "fp8"))
    assert int(half) in (2 * int(full), 2 * int(full) + 1)


def test_an_unknown_cache_type_can_not_be_judged() -> None:
    with pytest.raises(Unjudgeable, match="stores no KV cache as 'q4_0'"):
        made(card(79.25), kv_type="q4_0")


def test_without_a_gpu_it_can_not_be_judged() -> None:
    with pytest.raises(Unjudgeable, match="needs a GPU"):
        made()


def test_what_is_no_version_can_not_be_judged() -> None:
    with pytest.raises(Unjudgeable, match="no version of vLLM"):
        made(card(79.25), options=vllm.Options(version="newest"))


def test_eager_has_no_graphs() -> None:
    estimate = made(card(79.25), options=vllm.Options(is_eager=True))
    assert not [term for term in estimate.terms if "graphs" in term.label]


def test_offloaded_weights_are_in_ram() -> None:
    estimate = made(card(23.58), options=vllm.Options(cpu_offload_gb=4))
    assert estimate.n_bytes(["RAM"], Kind.WEIGHTS) == 4 * GIB


def test_what_is_relieved_starts() -> None:
    places = [card(23.58), RAM]
    workload = Workload(context_tokens=45000)
    found = vllm.relieved(llama(), workload, vllm.DEFAULTS, places)
    assert found is not None
    assert judge(vllm.estimate(llama(), workload, found, places), places).level <= Level.TIGHT


def test_what_starts_is_not_relieved() -> None:
    assert vllm.relieved(llama(), Workload(context_tokens=8192), vllm.DEFAULTS, [card(79.25), RAM]) is None


def test_flags_spell_out_the_share_and_the_split() -> None:
    estimate = made(card(79.25), card(79.25, 1))
    assert vllm.flags(llama(), Workload(context_tokens=16384, n_sequences=2), vllm.DEFAULTS, estimate) == (
        "--max-model-len 8192 --gpu-memory-utilization 0.92 --tensor-parallel-size 2"
    )


def test_a_file_of_llama_cpp_is_an_experiment() -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    found = vllm.estimate(model, Workload(context_tokens=8192), vllm.DEFAULTS, [card(79.25), RAM])
    assert any("GGUF" in doubt for doubt in found.doubts)


def test_a_driver_keeps_a_part_of_a_card_to_itself() -> None:
    plain = Place(name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=24 * GIB)
    assert offered_bytes(plain) / GIB == pytest.approx(23.57, abs=0.01)


def test_a_server_loads_the_image_encoder_too() -> None:
    model = read_model("Qwen3.5 27B", "BF16")
    with_tower, without = (
        vllm.estimate(one, Workload(context_tokens=8192), vllm.DEFAULTS, [card(139.8), RAM]).n_bytes(kind=Kind.WEIGHTS)
        for one in (model, replace(model, n_projector_parameters=0))
    )
    assert with_tower - without == 2 * model.n_projector_parameters > GIB // 2


def test_gpt_oss_is_loaded_as_its_checkpoint_has_it() -> None:
    model = read_model("gpt-oss 20B", "MXFP4")
    loaded = vllm.estimate(model, Workload(context_tokens=8192), vllm.DEFAULTS, [card(79.15), RAM])
    assert loaded.n_bytes(kind=Kind.WEIGHTS) / GIB == pytest.approx(13.72, rel=0.01)


def test_nvfp4_by_name_may_leave_attention_unpacked() -> None:
    model = read_model("Gemma 4 31B", "NVFP4")
    loaded = vllm.estimate(model, Workload(context_tokens=8192), vllm.DEFAULTS, [card(139.8), RAM])
    assert loaded.high_bytes(["GPU 0"], Kind.WEIGHTS) / GIB == pytest.approx(31.04, rel=0.01)


def test_a_table_that_is_only_looked_up_lies_in_ram() -> None:
    model = read_model("Qwen3.8 Flash Next", "NVFP4")
    loaded = vllm.estimate(model, Workload(context_tokens=8192), vllm.DEFAULTS, [card(121.7), RAM])
    assert loaded.n_bytes(["RAM"], Kind.WEIGHTS) / GIB == pytest.approx(95.4, abs=0.1)
    assert loaded.n_bytes(["GPU 0"], Kind.WEIGHTS) / GIB == pytest.approx(68.7, rel=0.02)


def test_a_cache_whose_layout_is_not_modelled_has_tokens_far_to_both_sides() -> None:
    model = read_model("DeepSeek V4 Flash", "FP8")
    loaded = vllm.estimate(
        model, Workload(context_tokens=8192), vllm.DEFAULTS, [card(139.8, n) for n in range(4)] + [RAM]
    )
    tokens = answer(loaded, "kv_tokens")
    assert tokens.low is not None
    assert tokens.high is not None
    assert tokens.low * 6 < float(tokens.value) < tokens.high / 2


def test_flash_next_keeps_the_tokens_that_its_log_prints_within_the_band() -> None:
    model = read_model("Qwen3.8 Flash Next", "NVFP4")
    options = vllm.Options(kv_cache_memory_bytes=int(8.64 * GIB), max_num_seqs=1, version="0.30.0")
    loaded = vllm.estimate(model, Workload(context_tokens=262144), options, [card(94.97), RAM])
    tokens = answer(loaded, "kv_tokens")
    assert tokens.low is not None
    assert tokens.high is not None
    assert tokens.low < 315039 < tokens.high


@pytest.mark.parametrize(("name", "quant", "gib"), [("Qwen2-VL 2B", "BF16", 4.03), ("Qwen2.5-VL 7B", "AWQ", 6.59)])
def test_an_encoder_known_by_its_size_alone_is_loaded_within_the_band(name: str, quant: str, gib: float) -> None:
    model = read_model(name, quant)
    loaded = vllm.estimate(model, Workload(context_tokens=4096), vllm.DEFAULTS, [card(31.4), RAM])
    weights = next(term for term in loaded.terms if term.kind is Kind.WEIGHTS and term.place == "GPU 0")
    assert weights.low_bytes < gib * GIB < weights.high_bytes


def test_what_takes_less_than_expected_comes_together() -> None:
    tokens = answer(made(card(79.25)), "kv_tokens")
    parts = [term for term in made(card(79.25)).terms if term.place == "GPU 0" and term.is_in_share]
    less = sum(term.n_bytes - term.low_bytes for term in parts if term.kind is not Kind.KV_CACHE)
    assert tokens.high is not None
    assert (tokens.high - float(tokens.value)) * 131072 == pytest.approx(less, rel=0.01)
