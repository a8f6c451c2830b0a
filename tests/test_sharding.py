"""What each of several devices holds of a model."""

from dataclasses import replace

import pytest
from measured import measured_model

from estimator.model import Experts, Model, Tensor
from estimator.sharding import Role, Split, layer_of, n_rank_heads, role_of, stage_layers, stages


def llama() -> Model:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    return model


def model_of(*tensors: Tensor, n_layers: int = 1, n_kv_heads: int = 2) -> Model:
    """A model with these tensors only."""
    whole = llama()
    return replace(whole, tensors=tensors, layers=whole.layers[:n_layers], n_kv_heads=n_kv_heads)


def held(*tensors: Tensor, split: Split) -> int:
    return stages(model_of(*tensors), split, 2)[0].n_bytes


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("token_embd.weight", Role.EMBEDDING),
        ("model.embed_tokens.weight", Role.EMBEDDING),
        ("output.weight", Role.OUTPUT),
        ("lm_head.weight", Role.OUTPUT),
        ("output_norm.weight", Role.WHOLE),
        ("blk.0.attn_q.weight", Role.SLICED),
        ("blk.0.attn_output.weight", Role.SLICED),
        ("blk.0.attn_k.weight", Role.KEY_VALUE),
        ("model.layers.3.self_attn.v_proj.weight", Role.KEY_VALUE),
        ("blk.0.ffn_gate_exps.weight", Role.EXPERT),
        ("blk.0.ffn_gate_exps.scales", Role.EXPERT),
        ("model.layers.3.mlp.experts.7.down_proj.weight", Role.EXPERT),
        ("model.layers.3.mlp.shared_experts.down_proj.weight", Role.SLICED),
        ("blk.0.ffn_down_shexp.weight", Role.SLICED),
        ("blk.0.ffn_gate_inp.weight", Role.WHOLE),
        ("model.layers.3.mlp.gate.weight", Role.WHOLE),
        ("model.layers.3.mlp.gate_proj.weight", Role.SLICED),
        ("blk.0.attn_kv_a_mqa.weight", Role.WHOLE),
        ("model.layers.3.self_attn.kv_b_proj.weight", Role.SLICED),
        ("blk.0.attn_q_norm.weight", Role.WHOLE),
        ("visual.blocks.3.attn.qkv.weight", Role.SLICED),
    ],
)
def test_a_tensor_is_split_by_what_its_name_says(name: str, role: Role) -> None:
    assert role_of(name) is role


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("blk.17.attn_q.weight", 17),
        ("model.layers.5.mlp.up_proj.weight", 5),
        ("model.visual.blocks.5.mlp.up_proj.weight", None),
        ("v.blk.5.ffn_up.weight", None),
        ("output_norm.weight", None),
    ],
)
def test_a_tensor_is_in_the_layer_that_its_name_says(name: str, layer: int | None) -> None:
    assert layer_of(name) == layer


def test_all_devices_together_hold_the_whole_model() -> None:
    stage = stages(llama(), Split(), 2)[0]
    assert sum(part.n_bytes for part in stages(llama(), Split(pipeline=4), 2)) == stage.n_bytes


def test_two_devices_halve_a_matrix() -> None:
    matrix = Tensor("blk.0.attn_q.weight", (64, 64), "BF16")
    assert held(matrix, split=Split(tensor=2)) == 64 * 64


def test_keys_are_not_sliced_further_than_there_are_heads() -> None:
    matrix = Tensor("blk.0.attn_k.weight", (64, 64), "BF16")
    assert held(matrix, split=Split(tensor=8)) == 64 * 64 * 2 // 2


def test_a_norm_is_on_every_device() -> None:
    assert held(Tensor("blk.0.attn_norm.weight", (64,), "F32"), split=Split(tensor=8)) == 128


def test_the_vocabulary_is_padded_to_64_rows() -> None:
    assert held(Tensor("output.weight", (32, 100), "BF16"), split=Split()) == 32 * 128 * 2


def test_a_tied_embedding_is_on_the_last_stage_too() -> None:
    tied = model_of(Tensor("token_embd.weight", (32, 64), "BF16"), n_layers=2)
    assert [stage.n_bytes for stage in stages(tied, Split(pipeline=2), 2)] == [4096, 4096]


def test_experts_are_dealt_out_over_all_copies() -> None:
    experts = Tensor("blk.0.ffn_up_exps.weight", (32, 32, 8), "BF16")
    sliced = held(experts, split=Split(tensor=2, data=2))
    dealt = held(experts, split=Split(tensor=2, data=2, is_expert_parallel=True))
    assert (sliced, dealt) == (32 * 32 * 8, 32 * 32 * 4)


def test_a_token_reads_the_experts_it_uses_only() -> None:
    experts = Tensor("blk.0.ffn_up_exps.weight", (32, 32, 8), "BF16")
    model = replace(model_of(experts), experts=Experts(n_experts=8, n_used=2, feed_forward_width=32))
    assert stages(model, Split(), 2)[0].read_bytes == 32 * 32 * 2 * 2


def test_layers_that_only_predict_are_not_loaded() -> None:
    extra = Tensor("blk.1.attn_q.weight", (64, 64), "BF16")
    model = replace(model_of(extra, n_layers=2), n_predictor_layers=1)
    assert stages(model, Split(), 2)[0].n_bytes == 0


def test_gpt_oss_experts_are_padded_for_the_kernel() -> None:
    experts = Tensor("blk.0.ffn_up_exps.weight", (2880, 2880, 32), "MXFP4")
    model = replace(model_of(experts), embedding_width=2880)
    stage = stages(model, Split(), 2)[0]
    assert stage.n_bytes == pytest.approx(32 * 3072 * 2944 * 17 / 32, rel=1e-6)
    assert stage.padded_bytes == stage.n_bytes - 32 * 2880 * 2880 * 17 // 32


@pytest.mark.parametrize(("n_layers", "counts"), [(36, [9, 9, 9, 9]), (61, [15, 15, 16, 15]), (62, [15, 16, 16, 15])])
def test_a_rest_of_layers_goes_to_the_stages_before_the_last(n_layers: int, counts: list[int]) -> None:
    assert [len(part) for part in stage_layers(n_layers, 4)] == counts


@pytest.mark.parametrize(("n_kv_heads", "tensor", "n"), [(8, 1, 8), (8, 2, 4), (4, 8, 1), (1, 2, 1)])
def test_every_device_has_at_least_one_head(n_kv_heads: int, tensor: int, n: int) -> None:
    assert n_rank_heads(n_kv_heads, tensor) == n


def test_gemma_4_has_room_for_values_that_are_its_keys() -> None:
    keys = Tensor("blk.0.attn_k.weight", (64, 64), "BF16")
    model = replace(model_of(keys), architecture="gemma4")
    assert stages(model, Split(), 2)[0].n_bytes == 2 * 64 * 64 * 2
