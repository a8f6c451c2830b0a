"""Options of llama.cpp that move memory, one by one."""

from dataclasses import replace

import pytest
from measured import measured_model

from estimator.engines.llamacpp import Options, estimate, flags, free_context, quick_estimate
from estimator.errors import Unjudgeable
from estimator.ledger import Basis, Estimate, Kind, Place, Workload
from estimator.llama_load import Load
from estimator.model import Model
from estimator.placement import HOST
from estimator.weights import held_weights

GIB = 1 << 30
RAM = Place(name="RAM", kind="host", total_bytes=512 * GIB, free_bytes=512 * GIB)


def gpus(n: int, free_gib: float = 24) -> list[Place]:
    free = int(free_gib * GIB)
    return [Place(name=f"GPU {i}", kind="cuda", total_bytes=free, free_bytes=free) for i in range(n)]


def model_of(name: str) -> Model:
    model = measured_model(name)
    assert model is not None
    return model


def made(name: str, options: Options, n_devices: int = 1, n_sequences: int = 1) -> Estimate:
    workload = Workload(context_tokens=8192, n_sequences=n_sequences)
    return estimate(model_of(name), workload, options, [*gpus(n_devices), RAM])


def weights(estimated: Estimate, place: str) -> int:
    return estimated.n_bytes([place], Kind.WEIGHTS)


def test_all_experts_in_ram_are_those_of_every_layer() -> None:
    assert made("qwen3-30b-a3b", Options(is_cpu_moe=True)).terms == made(
        "qwen3-30b-a3b", Options(n_cpu_moe_layers=48)
    ).terms  # fmt: skip


def test_a_pattern_for_the_experts_is_the_same_as_the_flag_for_them() -> None:
    by_pattern = made("qwen3-30b-a3b", Options(tensor_overrides=r"\.ffn_(up|down|gate)_exps=CPU"))
    by_flag = made("qwen3-30b-a3b", Options(is_cpu_moe=True))
    assert [t.n_bytes for t in by_pattern.terms] == [t.n_bytes for t in by_flag.terms]


def test_overridden_tensors_are_only_moved() -> None:
    plain, moved = (
        made("llama-3.1-8b", Options(tensor_overrides=text), n_devices=2)
        for text in (None, "blk.1[0-9].ffn_up=CUDA1,attn_k=CPU")
    )
    assert weights(moved, "GPU 0") < weights(plain, "GPU 0")
    assert weights(moved, "RAM") > weights(plain, "RAM")
    assert moved.n_bytes(kind=Kind.WEIGHTS) == pytest.approx(plain.n_bytes(kind=Kind.WEIGHTS), rel=1e-3)


def test_a_pattern_of_two_blocks_is_about_both() -> None:
    one, two = (
        weights(made("llama-3.1-8b", Options(tensor_overrides=text)), "RAM")
        for text in (r"blk\.7\.ffn=CPU", r"blk\.7\.ffn|blk\.8\.ffn=CPU")
    )
    assert two > one


def test_the_first_pattern_that_matches_decides() -> None:
    load = Load(
        model_of("llama-3.1-8b"),
        Workload(context_tokens=8192),
        Options(tensor_overrides="ffn_up=CUDA0,ffn=CPU"),
        [*gpus(1), RAM],
    )
    kinds = {0: "cuda", HOST: "host"}
    held = held_weights(load.model, load.default_layout(33, 0), kinds)
    n_up = sum(1 for tensor in load.model.tensors if "ffn_up" in tensor.name)
    one_up = 4096 * 14336 // 256 * 144
    assert n_up * one_up < held[0].n_bytes
    assert held[HOST].n_bytes > 2 * n_up * one_up


def test_a_pattern_that_no_tensor_has_is_said_to_move_nothing() -> None:
    doubts = made("llama-3.1-8b", Options(tensor_overrides="ffn_down=CPU,_exps=CPU")).doubts
    assert [doubt for doubt in doubts if "moves nothing" in doubt] == [
        "no tensor matches '_exps' of --override-tensor: it moves nothing"
    ]


def test_the_context_is_found_on_the_main_device_where_it_is_the_only_one() -> None:
    small, large = gpus(1, 2)[0], gpus(2, 16)[1]
    workload, usual = Workload(context_tokens=131072), Options()
    asked = replace(usual, split_mode="none", main_device=1)
    found = free_context(model_of("llama-3.1-8b"), workload, asked, [small, large, RAM])
    assert found == free_context(model_of("llama-3.1-8b"), workload, usual, [large, RAM])
    assert 4096 <= found < 131072


def test_split_mode_none_puts_all_on_the_main_device() -> None:
    alone = made("llama-3.1-8b", Options(split_mode="none", main_device=1), n_devices=2)
    assert {term.place for term in alone.terms} == {"GPU 1", "RAM"}
    assert weights(alone, "GPU 1") == weights(made("llama-3.1-8b", Options()), "GPU 0")


def test_a_main_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(Unjudgeable, match="main-gpu"):
        made("llama-3.1-8b", Options(split_mode="none", main_device=2), n_devices=2)


def test_a_split_by_rows_is_said_to_be_unsure() -> None:
    cut = made("llama-3.1-8b", Options(split_mode="row"), n_devices=2)
    on_devices = [term for term in cut.terms if term.kind is Kind.WEIGHTS and term.place != "RAM"]
    assert all(term.basis is Basis.ASSUMED and term.low_bytes < term.high_bytes for term in on_devices)
    assert any("row" in doubt for doubt in cut.doubts)


def test_without_offloaded_operations_a_gpu_with_no_layer_holds_nothing() -> None:
    idle = made("llama-3.1-8b", Options(n_gpu_layers=0, offloads_operations=False))
    assert idle.n_bytes(["GPU 0"], Kind.COMPUTE) == 0
    assert made("llama-3.1-8b", Options(n_gpu_layers=0)).n_bytes(["GPU 0"], Kind.COMPUTE) > 0


def test_values_may_be_stored_otherwise_than_keys() -> None:
    keys_only, values_only = (
        estimate(
            model_of("llama-3.1-8b"),
            Workload(context_tokens=8192, kv_type=kv_type),
            Options(value_type=value_type),
            [*gpus(1), RAM],
        ).n_bytes(kind=Kind.KV_CACHE)
        for kv_type, value_type in (("q8_0", "f16"), ("f16", "q8_0"))
    )
    assert keys_only == values_only == 32 * 8192 * 1024 * (34 / 32 + 2)


def test_what_a_server_keeps_of_past_prompts_grows_from_nothing() -> None:
    terms = made("gemma-3-12b", Options(prompt_cache_mib=8192, n_checkpoints=32)).terms
    growing = [term for term in terms if term.label in ("prompt cache", "checkpoints")]
    assert [(term.low_bytes, term.n_bytes, term.basis) for term in growing] == [(0, 0, Basis.ASSUMED)] * 2
    assert growing[0].high_bytes == 8 * GIB


def test_checkpoints_are_kept_of_windows_and_states_only() -> None:
    labels = {term.label for term in made("llama-3.1-8b", Options(n_checkpoints=32)).terms}
    assert "checkpoints" not in labels


def test_every_option_that_is_set_is_among_the_flags() -> None:
    options = Options(
        split_mode="none", main_device=1, tensor_overrides="ffn=CPU", offloads_operations=False, is_mapped=False,
        is_repacked=False, value_type="q8_0", is_cpu_moe=True, prompt_cache_mib=0, n_checkpoints=4,
    )  # fmt: skip
    model, workload = model_of("qwen3-30b-a3b"), Workload(context_tokens=8192)
    text = flags(model, workload, options, estimate(model, workload, options, [*gpus(2), RAM]))
    assert text.endswith(
        "-sm none -mg 1 -ctk f16 -ctv q8_0 --cpu-moe -ot ffn=CPU --no-op-offload --load-mode none --no-repack "
        "--cache-ram 0 --ctx-checkpoints 4"
    )


def test_a_quick_estimate_is_the_exact_one_where_all_layers_are_on_devices() -> None:
    model, workload, places = model_of("llama-3.1-8b"), Workload(context_tokens=8192), [*gpus(1), RAM]
    assert quick_estimate(model, workload, Options(), places) == estimate(model, workload, Options(), places)


def test_the_band_of_what_was_simulated_leaves_room_for_later_builds_only() -> None:
    term = next(
        t for t in made("llama-3.1-8b", Options()).terms if t.kind is Kind.COMPUTE and t.place == "GPU 0"
    )  # fmt: skip
    assert term.low_bytes == term.n_bytes
    assert term.high_bytes - term.n_bytes == 4 * 512 * 4096


def rearranged(name: str, options: Options, n_devices: int = 0) -> int:
    return sum(term.n_bytes for term in made(name, options, n_devices).terms if term.label == "weights, rearranged")


@pytest.mark.parametrize(
    ("name", "n_bytes"),
    [("llama-3.1-8b", 3359637504), ("gemma-3-12b", 5149163520), ("gpt-oss-20b", 10152345600),
     ("qwen3-30b-a3b", 14084997120), ("deepseek-v2-lite", 5814558720), ("falcon-h1-7b", 3339933696)],
)  # fmt: skip
def test_what_is_rearranged_for_the_cpu_is_what_was_measured(name: str, n_bytes: int) -> None:
    assert rearranged(name, Options()) == n_bytes


def test_nothing_is_rearranged_beside_a_device_or_where_it_was_switched_off() -> None:
    assert rearranged("llama-3.1-8b", Options(is_repacked=False)) == 0
    assert rearranged("llama-3.1-8b", Options(n_gpu_layers=0), n_devices=1) == 0


def test_rearranging_moves_bytes_and_adds_none() -> None:
    with_it, without = (
        made("llama-3.1-8b", Options(is_repacked=on), n_devices=0).n_bytes(kind=Kind.WEIGHTS) for on in (True, False)
    )
    assert with_it == without


def test_metal_may_hold_a_page_more_than_the_weights() -> None:
    apple = Place(name="GPU", kind="metal", total_bytes=64 * GIB, free_bytes=64 * GIB)
    made = estimate(model_of("llama-3.1-8b"), Workload(context_tokens=512), Options(n_gpu_layers=99), (apple, RAM))
    (term,) = made.select(["GPU"], Kind.WEIGHTS)
    assert term.high_bytes - term.n_bytes == 16 << 10
