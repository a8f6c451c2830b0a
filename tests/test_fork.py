"""ik_llama.cpp's own ways: latent attention, its options, and what it computes while loading."""

from dataclasses import replace

import pytest
from measured import measured_model

from estimator.builds import build_of
from estimator.engines import llamacpp
from estimator.errors import Unjudgeable
from estimator.fork_model import as_loaded, latent_of, settled
from estimator.graphs.fork_latent import heads_at_once
from estimator.ledger import Estimate, Kind, Place, Workload
from estimator.mixture import requantised
from estimator.model import Layer, Model, Tensor

MIB = 1 << 20
N_LAYERS, RANK, ROPE, N_HEADS = 27, 512, 64, 16
"""DeepSeek V2 Lite."""
PLACES = (
    Place(name="GPU", kind="cuda", total_bytes=1 << 40, free_bytes=1 << 40),
    Place(name="RAM", kind="host", total_bytes=1 << 40, free_bytes=1 << 40),
)


def lite() -> Model:
    model = measured_model("deepseek-v2-lite")
    assert model is not None
    return model


def with_whole_key_values(model: Model) -> Model:
    """As it was converted before latents were cached: one matrix for keys and values, and no word of latents."""
    latent = model.latent
    assert latent is not None
    width = N_HEADS * (latent.nope_width + latent.value_width)
    tensors = [tensor for tensor in model.tensors if "attn_k_b" not in tensor.name and "attn_v_b" not in tensor.name]
    tensors += [Tensor(f"blk.{layer}.attn_kv_b.weight", (RANK, width), "Q4_K") for layer in range(N_LAYERS)]
    kept = Layer(
        key_width=N_HEADS * (latent.nope_width + ROPE), value_width=N_HEADS * latent.value_width, n_kv_heads=N_HEADS
    )
    return replace(model, tensors=tuple(tensors), latent=None, layers=(kept,) * N_LAYERS)


def estimated(
    build: str, n_tokens: int = 512, *, is_flash: bool = True, on_gpu: bool = False, **options: object
) -> Estimate:
    asked = llamacpp.Options(build=build, is_flash_attention=is_flash, **options)  # type: ignore[arg-type]
    places = PLACES if on_gpu else PLACES[1:]
    return llamacpp.estimate(lite(), Workload(context_tokens=n_tokens), asked, places)


def test_whole_heads_of_deepseek_are_cached_and_computed_as_a_log_has_it() -> None:
    # DeepSeek-Coder-V2-Lite on a CPU: KV 135.00 MiB, compute 204.00 MiB (build 3571,
    # github.com/ikawrakow/ik_llama.cpp/issues/230).
    found = estimated("ik-3571", latent_way=0, is_flash=False)
    assert (found.n_bytes(["RAM"], Kind.KV_CACHE), found.n_bytes(["RAM"], Kind.COMPUTE)) == (135 * MIB, 204 * MIB)


@pytest.mark.parametrize(
    ("way", "is_flash", "width"),
    [(1, False, 2 * RANK + ROPE), (1, True, RANK + ROPE), (2, False, RANK + ROPE), (3, True, RANK + ROPE)],
)
def test_only_way_1_without_flash_attention_caches_values_beside_latents(way: int, is_flash: bool, width: int) -> None:
    found = estimated("ik-2025-06", latent_way=way, is_flash=is_flash)
    assert found.n_bytes(["RAM"], Kind.KV_CACHE) == N_LAYERS * 512 * width * 2


def test_fewer_heads_at_once_need_less_memory() -> None:
    whole, parts = (
        estimated("ik-2026-03", 32768, on_gpu=True, latent_way=3, attention_mib=mib).n_bytes(["GPU"], Kind.COMPUTE)
        for mib in (0, 64)
    )
    assert parts < whole


def test_attention_done_in_turn_needs_less_than_all_keys_first() -> None:
    before, after = (
        estimated(build, 32768, on_gpu=True, latent_way=3, attention_mib=256).n_bytes(["GPU"], Kind.COMPUTE)
        for build in ("ik-2026-01-30", "ik-2026-02-01")
    )
    assert after < before


def test_latents_expanded_as_float32_need_more_than_as_float16() -> None:
    before, after = (
        estimated(build, 32768, on_gpu=True, latent_way=2).n_bytes(["GPU"], Kind.COMPUTE)
        for build in ("ik-2025-03-15", "ik-2025-03-20")
    )
    assert before > after


def test_heads_are_halved_until_they_fit() -> None:
    assert heads_at_once(128, 4096, 512, halves=True) == 16


def test_later_builds_take_the_first_divisor_that_their_rule_accepts() -> None:
    assert heads_at_once(128, 1024, 512, halves=False) == 64


def test_all_heads_go_at_once_where_nothing_limits_them() -> None:
    assert heads_at_once(128, 4096, 0, halves=True) == 128


def test_latents_show_in_the_matrices_of_files_that_do_not_name_them() -> None:
    assert latent_of(with_whole_key_values(lite())) == lite().latent


def test_a_file_of_latents_alone_was_left_way_1_at_first() -> None:
    told = replace(build_of("ik-2025-05-10"), latent_way=3)
    assert settled(told, lite()).latent_way == 1


def test_a_file_with_whole_matrices_keeps_the_way_it_was_asked_for() -> None:
    told = replace(build_of("ik-2025-05-10"), latent_way=3)
    assert settled(told, with_whole_key_values(lite())).latent_way == 3


def test_a_model_without_latents_has_no_way() -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    assert settled(build_of("ik-2026-02"), model).latent_way == 0


def test_matrices_that_a_file_lacks_are_computed_and_counted() -> None:
    model = with_whole_key_values(lite())
    loaded = as_loaded(model, replace(build_of("ik-2025-06"), latent_way=3), is_flash_attention=True)
    assert len(loaded.tensors) - len(model.tensors) == 2 * N_LAYERS


def test_computed_matrices_are_a_term_of_their_own() -> None:
    found = estimated("ik-2025-06", latent_way=3, on_gpu=True)
    assert "weights, computed" in {term.label for term in found.terms if term.place == "GPU"}


def test_llama_cpp_computed_whole_heads_of_older_files_as_a_log_has_it() -> None:
    # Ollama 0.3.6, DeepSeek-Coder-V2-Lite Q4_0, 15 of 28 layers on the device: 483.38 MiB there, 30.01 MiB in RAM
    # (github.com/ishanExtreme/vox-bot, ollama_logs.txt).
    gpu, host = PLACES
    asked = llamacpp.Options(build="ollama-0.3.6", is_flash_attention=False, n_gpu_layers=15)
    model = requantised(with_whole_key_values(lite()), "Q4_0")
    found = llamacpp.estimate(model, Workload(context_tokens=10240), asked, PLACES)
    computed = [found.n_bytes([place.name], Kind.COMPUTE) / MIB for place in (gpu, host)]
    assert computed == pytest.approx([483.38, 30.01], abs=0.01)


def test_default_way_follows_the_build() -> None:
    assert [build_of(build).latent_way for build in ("ik-2025-11-01", "ik-2025-12")] == [0, 3]


def test_a_number_of_its_own_names_a_build() -> None:
    assert build_of("ik-3679") == build_of("ik-2025-05-09")


@pytest.mark.parametrize("options", [{"latent_way": 3}, {"attention_mib": 512}, {"is_moe_fused": True}])
def test_its_options_are_refused_for_other_builds(options: dict[str, object]) -> None:
    with pytest.raises(Unjudgeable, match="ik_llama"):
        estimated("", **options)


def test_a_way_that_it_has_not_is_refused() -> None:
    with pytest.raises(Unjudgeable, match="0 to 3"):
        estimated("ik-2025-06", latent_way=7)
