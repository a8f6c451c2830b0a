"""SGLang: a fraction of the free memory, the pools in it, and what has to have room beside them."""

from dataclasses import replace

import pytest

from estimator.engines import sglang
from estimator.errors import Unjudgeable
from estimator.ledger import Answer, Estimate, Kind, Place, Workload
from estimator.model import Model
from estimator.paged_cache import LayerCache
from estimator.reader import read_model
from estimator.sglang_load import Load
from estimator.static_pool import defaults, defaults_of_0_4, n_prompt_graphs, pool_token_bytes, table_bytes
from estimator.verdict import Level, judge

GIB = 1 << 30
RAM = Place(name="RAM", kind="host", total_bytes=256 * GIB, free_bytes=200 * GIB)


def card(gib: float, number: int = 0, *, free_gib: float | None = None) -> Place:
    return Place(
        name=f"GPU {number}",
        kind="cuda",
        total_bytes=int(gib * GIB),
        usable_bytes=int(gib * GIB),
        free_bytes=int((gib if free_gib is None else free_gib) * GIB),
    )


def made(
    *cards: Place, model: str = "Llama 3.1 8B", tokens: int = 8192, options: sglang.Options = sglang.DEFAULTS
) -> Estimate:
    return sglang.estimate(named(model), Workload(context_tokens=tokens, kv_type="auto"), options, [*cards, RAM])


def named(model: str) -> Model:
    return read_model(model, "BF16")


def answer(estimate: Estimate, key: str) -> Answer:
    return next(found for found in estimate.answers if found.key == key)


def default_fraction(gib: float, tensor: int = 1) -> float:
    return defaults(card(gib), tensor, tensor, prefill_tokens=None, graph_sequences=None, is_latent=False).fraction


def test_a_7b_on_24_gb_has_the_tokens_that_its_log_prints() -> None:
    old = sglang.Options(version="0.4.2")
    estimate = made(card(23.6, free_gib=22.87), model="Qwen2.5 7B", tokens=131072, options=old)
    assert answer(estimate, "kv_tokens").value == pytest.approx(105531, rel=0.03)


def test_four_cards_of_24_gb_have_the_tokens_that_their_log_prints() -> None:
    options = sglang.Options(mem_fraction_static=0.8, chunked_prefill_size=2048)
    cards = [card(23.6, number) for number in range(4)]
    estimate = made(*cards, model="Qwen3 14B", tokens=40960, options=options)
    assert answer(estimate, "kv_tokens").value == pytest.approx(298447, rel=0.02)


def test_weights_and_cache_take_the_fraction_of_what_is_free() -> None:
    estimate = made(card(79.2), options=sglang.Options(mem_fraction_static=0.8))
    held = estimate.n_bytes(["GPU 0"], Kind.WEIGHTS) + estimate.n_bytes(["GPU 0"], Kind.KV_CACHE)
    assert held == pytest.approx(0.8 * 79.2 * GIB, rel=0.005)


@pytest.mark.parametrize(("tensor", "fraction"), [(1, 0.88), (2, 0.87), (4, 0.85), (8, 0.81), (16, 0.79)])
def test_before_0_5_the_fraction_went_by_the_number_of_devices(tensor: int, fraction: float) -> None:
    assert defaults_of_0_4(card(79.6), tensor).fraction == fraction


def test_since_0_5_large_cards_keep_10_gib_at_least() -> None:
    found = defaults(card(79.65), 1, 1, prefill_tokens=2048, graph_sequences=0, is_latent=False)
    assert found.fraction == pytest.approx((79.65 - 10) / 79.65, abs=0.001)


def test_since_0_5_small_cards_keep_what_pieces_and_graphs_take() -> None:
    reserved_mib = 512 + 1.5 * 4096 + 1024 / 8 + 2 * 48 + 8 * n_prompt_graphs(4096)
    assert default_fraction(24) == pytest.approx(1 - reserved_mib / (24 * 1024), abs=0.001)


@pytest.mark.parametrize(("tokens", "n"), [(32, 8), (256, 22), (2048, 42), (8192, 58)])
def test_prompts_are_captured_in_so_many_sizes(tokens: int, n: int) -> None:
    assert n_prompt_graphs(tokens) == n


def test_a_long_context_takes_a_table_of_a_gib() -> None:
    assert table_bytes(38141, 131072, None) / GIB == pytest.approx(1.0, abs=0.001)


def test_a_window_has_a_smaller_pool_of_its_own() -> None:
    layers = [LayerCache(1000), LayerCache(1000, window_tokens=128)]
    assert (pool_token_bytes(layers, has_window_pool=True), pool_token_bytes(layers, has_window_pool=False)) == (
        1800,
        2000,
    )


def test_a_hybrid_gives_states_nine_parts_for_ten_of_cache() -> None:
    estimate = made(card(39.5), model="Granite 4.0 H Tiny")
    state, cache = (estimate.n_bytes(["GPU 0"], kind) for kind in (Kind.STATE, Kind.KV_CACHE))
    assert state / cache == pytest.approx(0.9, rel=0.01)


def test_weights_beyond_the_fraction_are_refused_with_one_that_would_do() -> None:
    refusal = made(card(23.6), options=sglang.Options(mem_fraction_static=0.5)).refusal
    assert "leave no memory for the cache under --mem-fraction-static 0.5" in refusal
    smallest = float(refusal.split("more than ")[1].split()[0])
    assert not made(card(23.6), options=sglang.Options(mem_fraction_static=smallest + 0.01)).refusal


def test_a_fraction_that_leaves_no_cache_is_relieved_by_the_usual_one() -> None:
    places, workload = [card(23.6), RAM], Workload(context_tokens=131072, kv_type="auto")
    model, small = named("Llama 3.1 8B"), sglang.Options(mem_fraction_static=0.5)
    found = sglang.relieved(model, workload, small, places)
    assert found is not None
    assert not sglang.estimate(model, workload, found, places).refusal
    spelled = sglang.flags(model, workload, found, sglang.estimate(model, workload, found, places))
    assert f"--mem-fraction-static {found.mem_fraction_static}" in spelled


def test_weights_that_only_the_worst_end_does_not_hold_are_a_risk() -> None:
    load = Load(named("Llama 3.1 8B"), Workload(context_tokens=256), sglang.DEFAULTS, [card(23.6), RAM])
    (pool,) = load.pools
    smallest = pool.smallest_fraction(0)
    between = (smallest.n_bytes + smallest.high_bytes) / 2e6
    below = (smallest.low_bytes + smallest.n_bytes) / 2e6
    risky, refused = (made(card(23.6), options=sglang.Options(mem_fraction_static=share)) for share in (between, below))
    assert (risky.refusal, "at worst the weights leave no memory" in risky.risk) == ("", True)
    assert "leave no memory" in refused.refusal


def test_a_sequence_longer_than_the_cache_is_a_risk() -> None:
    places = [card(23.6), RAM]
    estimate = made(card(23.6), tokens=131072)
    assert "would be turned away" in estimate.risk
    assert judge(estimate, places).level >= Level.TIGHT


def test_what_is_relieved_starts() -> None:
    places, workload = [card(23.6), RAM], Workload(context_tokens=4096, kv_type="auto")
    found = sglang.relieved(named("Llama 3.1 8B"), workload, sglang.Options(mem_fraction_static=0.5), places)
    assert found is not None
    assert not sglang.estimate(named("Llama 3.1 8B"), workload, found, places).refusal


def test_flags_spell_out_the_split() -> None:
    estimate = made(card(79.2), card(79.2, 1))
    workload = Workload(context_tokens=8192, kv_type="fp8_e5m2")
    assert sglang.flags(named("Llama 3.1 8B"), workload, sglang.Options(mem_fraction_static=0.85), estimate) == (
        "--context-length 8192 --mem-fraction-static 0.85 --tp-size 2 --kv-cache-dtype fp8_e5m2"
    )


def test_a_cap_of_tokens_is_kept() -> None:
    capped = made(card(79.2), options=replace(sglang.DEFAULTS, max_total_tokens=10000))
    assert answer(capped, "kv_tokens").value == 10000


def test_what_is_no_version_can_not_be_judged() -> None:
    with pytest.raises(Unjudgeable, match="no version of SGLang"):
        made(card(79.2), options=sglang.Options(version="main"))


def test_a_workspace_of_amds_kernels_is_said_to_be_left_out() -> None:
    amd = replace(card(288), kind="rocm")
    assert any("aiter" in doubt for doubt in made(amd).doubts)
