import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hub_files import LLAMA

from estimator.errors import UnreadableModel
from estimator.hub_config import MAX_NUMBERS, Fields, parse_hub_config
from estimator.hub_model import model_of_config
from estimator.hub_quant import MAX_PATTERNS, packing_of
from estimator.model import PROJECTOR_PREFIXES, Model
from estimator.quant import stored_bytes
from estimator.readers import hf_config


def described(**config: Any) -> Model:
    return model_of_config(parse_hub_config(config, "config.json"), name="test", source="test")


def n_text_parameters(model: Model) -> int:
    towers = [t for t in model.tensors if t.name.startswith(PROJECTOR_PREFIXES)]
    return model.n_parameters - sum(stored_bytes("I8", tensor.shape) for tensor in towers)


def cache_widths(model: Model) -> Counter[tuple[int, int | None]]:
    """Layers by (elements per token, window)."""
    return Counter((layer.key_width + layer.value_width, layer.window_tokens) for layer in model.layers)


QWEN3_NEXT = {
    "model_type": "qwen3_next", "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 16,
    "num_key_value_heads": 2, "head_dim": 256, "intermediate_size": 5120, "vocab_size": 151936,
    "tie_word_embeddings": False, "max_position_embeddings": 262144, "num_experts": 512, "num_experts_per_tok": 10,
    "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512, "full_attention_interval": 4,
    "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16,
    "linear_num_value_heads": 32, "decoder_sparse_step": 1, "mlp_only_layers": [],
}  # fmt: skip
DEEPSEEK_V3 = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
    "num_key_value_heads": 128, "intermediate_size": 18432, "moe_intermediate_size": 2048, "vocab_size": 129280,
    "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3,
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
    "num_nextn_predict_layers": 1, "topk_method": "noaux_tc", "tie_word_embeddings": False,
    "max_position_embeddings": 163840,
    "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096},
}  # fmt: skip
GRANITE_H_TINY = {
    "model_type": "granitemoehybrid", "hidden_size": 1536, "num_hidden_layers": 40, "num_attention_heads": 12,
    "num_key_value_heads": 4, "intermediate_size": 512, "shared_intermediate_size": 1024, "vocab_size": 100352,
    "num_local_experts": 64, "num_experts_per_tok": 6, "mamba_n_heads": 48, "mamba_d_head": 64, "mamba_d_state": 128,
    "mamba_n_groups": 1, "mamba_d_conv": 4, "mamba_expand": 2, "tie_word_embeddings": True,
    "max_position_embeddings": 131072,
    "layer_types": ["attention" if i in (5, 15, 25, 35) else "mamba" for i in range(40)],
}  # fmt: skip
NEMOTRON_NANO = {
    "model_type": "nemotron_h", "hidden_size": 2688, "num_hidden_layers": 52, "num_attention_heads": 32,
    "num_key_value_heads": 2, "head_dim": 128, "intermediate_size": 1856, "moe_intermediate_size": 1856,
    "moe_shared_expert_intermediate_size": 3712, "n_routed_experts": 128, "n_shared_experts": 1,
    "num_experts_per_tok": 6, "vocab_size": 131072, "mamba_num_heads": 64, "mamba_head_dim": 64, "n_groups": 8,
    "ssm_state_size": 128, "conv_kernel": 4, "tie_word_embeddings": False, "max_position_embeddings": 262144,
    "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
}  # fmt: skip
FALCON_H1 = {
    "model_type": "falcon_h1", "hidden_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 10,
    "num_key_value_heads": 2, "head_dim": 128, "intermediate_size": 6144, "vocab_size": 65537, "mamba_d_ssm": 4096,
    "mamba_n_heads": 32, "mamba_d_head": 128, "mamba_n_groups": 1, "mamba_d_state": 256, "mamba_d_conv": 4,
    "mamba_rms_norm": False, "tie_word_embeddings": False, "max_position_embeddings": 131072,
}  # fmt: skip
LFM2 = {
    "model_type": "lfm2", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 12288, "vocab_size": 65536, "conv_L_cache": 3,
    "block_auto_adjust_ff_dim": True, "block_multiple_of": 256, "block_ffn_dim_multiplier": 1.0,
    "full_attn_idxs": [2, 5, 8, 10, 12, 14], "tie_embedding": True, "max_position_embeddings": 128000,
}  # fmt: skip
JAMBA = {
    "model_type": "jamba", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 65536, "num_experts": 16,
    "num_experts_per_tok": 2, "expert_layer_period": 2, "expert_layer_offset": 1, "attn_layer_period": 8,
    "attn_layer_offset": 4, "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_dt_rank": 256,
    "tie_word_embeddings": False, "max_position_embeddings": 262144,
}  # fmt: skip
MAVERICK = {
    "model_type": "llama4",
    "text_config": {
        "model_type": "llama4_text", "hidden_size": 5120, "num_hidden_layers": 48, "num_attention_heads": 40,
        "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
        "vocab_size": 202048, "num_local_experts": 128, "num_experts_per_tok": 1, "interleave_moe_layer_step": 2,
        "attention_chunk_size": 8192, "no_rope_layers": [1, 1, 1, 0] * 12, "max_position_embeddings": 1048576,
        "tie_word_embeddings": False,
    },
}  # fmt: skip
GEMMA_3_4B = {
    "model_type": "gemma3",
    "text_config": {
        "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
        "sliding_window": 1024, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    },
    "vision_config": {
        "model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 896, "intermediate_size": 4304,
        "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14,
    },
}  # fmt: skip
GEMMA_4_26B = {
    "model_type": "gemma4",
    "text_config": {
        "model_type": "gemma4_text", "hidden_size": 2816, "intermediate_size": 2112, "moe_intermediate_size": 704,
        "num_hidden_layers": 30, "num_attention_heads": 16, "num_key_value_heads": 8,
        "num_global_key_value_heads": 2, "head_dim": 256, "global_head_dim": 512, "attention_k_eq_v": True,
        "enable_moe_block": True, "num_experts": 128, "top_k_experts": 8, "sliding_window": 1024,
        "vocab_size": 262144, "max_position_embeddings": 262144, "hidden_size_per_layer_input": 0,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 5,
    },
}  # fmt: skip
GPT_OSS = {
    "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24,
    "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "num_local_experts": 32,
    "num_experts_per_tok": 4, "sliding_window": 128, "vocab_size": 201088, "attention_bias": True,
    "layer_types": ["sliding_attention", "full_attention"] * 12, "tie_word_embeddings": False,
    "max_position_embeddings": 131072, "quantization_config": {"quant_method": "mxfp4"},
}  # fmt: skip
QWEN3_5_9B = {
    "model_type": "qwen3_5",
    "text_config": {
        "model_type": "qwen3_5_text", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 16,
        "num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 12288, "vocab_size": 248320,
        "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
        "linear_num_key_heads": 16, "linear_num_value_heads": 32, "tie_word_embeddings": False,
        "layer_types": (["linear_attention"] * 3 + ["full_attention"]) * 8,
    },
    "vision_config": {
        "model_type": "qwen3_5", "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "patch_size": 16,
        "temporal_patch_size": 2, "spatial_merge_size": 2, "num_position_embeddings": 2304, "out_hidden_size": 4096,
    },
}  # fmt: skip
KIMI_LINEAR = {
    "model_type": "kimi_linear", "hidden_size": 2304, "num_hidden_layers": 27, "num_attention_heads": 32,
    "num_key_value_heads": 32, "intermediate_size": 9216, "moe_intermediate_size": 1024, "num_experts": 256,
    "num_experts_per_token": 8, "num_shared_experts": 1, "first_k_dense_replace": 1, "kv_lora_rank": 512,
    "q_lora_rank": None, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128, "vocab_size": 163840,
    "linear_attn_config": {
        "full_attn_layers": [4, 8, 12, 16, 20, 24, 27], "head_dim": 128, "num_heads": 32, "short_conv_kernel_size": 4,
    },
    "tie_word_embeddings": False, "model_max_length": 1048576,
}  # fmt: skip

# Configurations as they were published, and the text model's parameters that transformers or the repository states.
PUBLISHED = [
    (QWEN3_NEXT, 79_674_391_296),
    (DEEPSEEK_V3, 671_026_419_200),
    (GRANITE_H_TINY, 6_939_037_248),
    (NEMOTRON_NANO, 31_577_940_288),
    (FALCON_H1, 3_149_261_312),
    (LFM2, 1_170_340_608),
    (JAMBA, 51_570_323_328),
    (MAVERICK, 400_711_848_960),
    (GEMMA_3_4B, 3_880_263_168),
    (GEMMA_4_26B, 25_233_141_790),
    (GPT_OSS, 20_914_757_184),
    (QWEN3_5_9B, 8_953_803_264),
    (KIMI_LINEAR, 49_122_681_728),
]


@pytest.mark.parametrize(("config", "n_parameters"), PUBLISHED, ids=[str(c["model_type"]) for c, _ in PUBLISHED])
def test_a_published_configuration_has_the_parameters_that_were_counted(
    config: dict[str, Any], n_parameters: int
) -> None:
    assert n_text_parameters(described(**config)) == pytest.approx(n_parameters, rel=2e-4)


# (elements of keys and values per token, window) by layer.
@pytest.mark.parametrize(
    ("config", "widths"),
    [
        (QWEN3_NEXT, {(0, None): 36, (1024, None): 12}),
        (DEEPSEEK_V3, {(576, None): 61}),
        (GRANITE_H_TINY, {(0, None): 36, (1024, None): 4}),
        (NEMOTRON_NANO, {(0, None): 46, (512, None): 6}),
        (FALCON_H1, {(512, None): 32}),
        (LFM2, {(0, None): 10, (1024, None): 6}),
        (JAMBA, {(0, None): 28, (2048, None): 4}),
        (MAVERICK, {(2048, 8192): 36, (2048, None): 12}),
        (GEMMA_3_4B, {(2048, 1024): 29, (2048, None): 5}),
        (GEMMA_4_26B, {(4096, 1024): 25, (2048, None): 5}),
        (GPT_OSS, {(1024, 128): 12, (1024, None): 12}),
        (KIMI_LINEAR, {(0, None): 20, (576, None): 7}),
    ],
    ids=lambda value: value.get("model_type", "") if isinstance(value, dict) else "",
)
def test_layers_keep_what_the_configuration_says(
    config: dict[str, Any], widths: dict[tuple[int, int | None], int]
) -> None:
    assert cache_widths(described(**config)) == widths


# float32 elements per sequence and layer, convolution and recurrence together.
@pytest.mark.parametrize(
    ("config", "n_elements"),
    [(QWEN3_NEXT, 548_864), (GRANITE_H_TINY, 403_200), (NEMOTRON_NANO, 542_720), (FALCON_H1, 1_062_400), (LFM2, 4096)],
    ids=["qwen3_next", "granitemoehybrid", "nemotron_h", "falcon_h1", "lfm2"],
)
def test_layers_without_attention_keep_a_state(config: dict[str, Any], n_elements: int) -> None:
    states = {layer.conv_state_width + layer.recurrent_state_width for layer in described(**config).layers}

    assert states - {0} == {n_elements}


def test_tensor_parallelism_divides_by_the_kv_heads_and_not_a_latent() -> None:
    assert {layer.n_kv_heads for layer in described(**LLAMA).layers} == {2}
    assert {layer.n_kv_heads for layer in described(**DEEPSEEK_V3).layers} == {0}


def test_a_part_of_a_file_leaves_out_what_its_class_knows() -> None:
    model = described(**GEMMA_3_4B)

    assert (model.n_heads, model.n_kv_heads, model.is_tied) == (8, 4, True)


def test_an_image_encoder_is_reckoned_and_said_to_be() -> None:
    model = described(**GEMMA_3_4B)

    assert model.kind == "vision"
    assert model.n_parameters - n_text_parameters(model) == pytest.approx(419_816_304, rel=0.05)
    assert any("image encoder" in doubt for doubt in model.doubts)


@pytest.mark.parametrize(
    ("scaling", "stated", "n_tokens"),
    [
        ({"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}, 163840, 163840),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}, 40960, 131072),
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192}, 131072, 131072),
        ({"rope_type": "linear", "factor": 4.0}, 4096, 16384),
        (None, 4096, 4096),
    ],
)
def test_scaled_positions_lengthen_the_context_where_the_file_states_the_shorter(
    scaling: dict[str, object] | None, stated: int, n_tokens: int
) -> None:
    model = described(**LLAMA | {"max_position_embeddings": stated, "rope_scaling": scaling})

    assert model.native_context_tokens == n_tokens


def test_gemma_3_states_the_longer_context_beside_its_factor() -> None:
    assert described(**GEMMA_3_4B).native_context_tokens == 131072


def test_an_unknown_family_is_an_upper_bound_and_says_so() -> None:
    model = described(**LLAMA | {"model_type": "novel", "sliding_window": 512, "layer_types": ["linear_attention"] * 2})

    assert cache_widths(model) == {(256, None): 2}
    assert sum("not known" in doubt for doubt in model.doubts) == 2


def test_a_window_counts_where_servers_heed_it_and_llama_cpp_does_not() -> None:
    model = described(**LLAMA | {"model_type": "mistral", "sliding_window": 1024})

    assert {layer.window_tokens for layer in model.layers} == {1024}


def test_a_window_that_is_switched_off_is_none() -> None:
    model = described(**LLAMA | {"model_type": "qwen2", "sliding_window": 1024, "use_sliding_window": False})

    assert {layer.window_tokens for layer in model.layers} == {None}


# config.json's quantization_config, as each packer writes it.
@pytest.mark.parametrize(
    ("packed", "quant"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}, "AWQ"),
        ({"quant_method": "gptq", "bits": 8, "group_size": 128, "desc_act": False}, "GPTQ-Int8"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": True}, "GPTQ-Int4-g32-actorder"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}, "FP8"),
        ({"quant_method": "fbgemm_fp8"}, "FP8-dynamic"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True}, "bnb-4bit"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bnb-nf4"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bnb-8bit"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}, "NVFP4"),
        ({"quant_method": "exl3", "bits": 4.0, "head_bits": 6}, "EXL3-4.0bpw"),
        ({"group_size": 64, "bits": 4}, "MLX-4bit"),
        ({"group_size": 32, "bits": 4, "mode": "mxfp4"}, "MLX-mxfp4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_packing_is_called_as_people_call_it(packed: dict[str, object], quant: str) -> None:
    assert described(**LLAMA, quantization_config=packed).quant == quant


@pytest.mark.parametrize(
    ("weights", "activations", "quant"),
    [
        ({"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}, None, "W4A16"),
        ({"num_bits": 8, "type": "int", "strategy": "channel"}, {"num_bits": 8}, "W8A8"),
        ({"num_bits": 8, "type": "float", "strategy": "channel"}, {"num_bits": 8}, "FP8-dynamic"),
        ({"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]}, {"num_bits": 8}, "FP8"),
        ({"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}, {"num_bits": 4}, "NVFP4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_compressed_tensors_say_their_scheme_by_bits_and_type(
    weights: dict[str, object], activations: dict[str, object] | None, quant: str
) -> None:
    groups = {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": activations}}
    packed = {"quant_method": "compressed-tensors", "config_groups": groups, "ignore": ["lm_head"]}

    assert described(**LLAMA, quantization_config=packed).quant == quant


@pytest.mark.parametrize(
    "ignored", ["model.layers.0.self_attn.q_proj", "model.layers.0", "re:.*layers\\.0\\.self_attn.*", "*.0.self_attn*"]
)
def test_what_a_packing_leaves_out_stays_as_it_was(ignored: str) -> None:
    packed = {"quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": [ignored]}
    types = {tensor.name: tensor.type for tensor in described(**LLAMA, quantization_config=packed).tensors}

    assert (types["blk.0.attn_q.weight"], types["blk.1.attn_q.weight"]) == ("BF16", "F8_E4M3")


def test_compressed_tensors_leave_out_a_module_and_not_what_is_in_it() -> None:
    weights = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128, "symmetric": False}
    packed = {
        "quant_method": "compressed-tensors",
        "config_groups": {"group_0": {"weights": weights}},
        "ignore": ["model.layers.0.self_attn", "model.layers.0.mlp.down_proj"],
    }
    model = described(**LLAMA, quantization_config=packed)
    types = {tensor.name: tensor.type for tensor in model.tensors}

    assert model.quant == "W4A16-asym"
    assert (types["blk.0.attn_q.weight"], types["blk.0.ffn_down.weight"]) == ("INT4", "F16")


# metadata.total_size of model.safetensors.index.json, image encoder included: github.com/leo-kreisman/
# Qwen3.5-9B-MLX-8bit, bryce-hoehn/Qwen3.5-18B-REAP-A3B-Coding and Ibtasam-98/medgemma-27b-it, read 2026-11-25.
@pytest.mark.parametrize(
    ("config", "changes", "n_bytes"),
    [
        (QWEN3_5_9B | {"quantization": {"group_size": 64, "bits": 8, "mode": "affine"}}, {}, 10_426_433_504),
        (
            QWEN3_NEXT | {"model_type": "qwen3_5_moe_text", "dtype": "float16"},
            {"num_hidden_layers": 40, "num_experts": 128, "vocab_size": 248320},
            37_087_995_136,
        ),
        (
            GEMMA_3_4B | {"torch_dtype": "bfloat16"},
            {"hidden_size": 5376, "intermediate_size": 21504, "num_hidden_layers": 62, "num_attention_heads": 32,
             "num_key_value_heads": 16, "head_dim": 128},
            54_864_813_280,
        ),
    ],
    ids=["MLX", "pruned experts", "vision"],
)  # fmt: skip
def test_a_published_checkpoint_has_the_bytes_that_its_index_states(
    config: dict[str, Any], changes: dict[str, object], n_bytes: int
) -> None:
    text = config.get("text_config", config) | changes
    model = described(**(config | {"text_config": text} if "text_config" in config else text))

    assert sum(stored_bytes(tensor.type, tensor.shape) for tensor in model.tensors) == pytest.approx(n_bytes, rel=1e-3)


def test_a_packing_of_unknown_size_is_an_upper_bound_and_says_so() -> None:
    model = described(**LLAMA, quantization_config={"quant_method": "aqlm", "nbits_per_codebook": 16})

    assert model.quant == "AQLM"
    assert "upper bound" in model.doubts[-1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_hidden_layers", 10**9),
        ("num_hidden_layers", -1),
        ("num_hidden_layers", "many"),
        ("hidden_size", "wide"),
        ("hidden_size", True),
        ("hidden_size", 1e300),
        ("vocab_size", 0),
        ("vocab_size", 10**60),
        ("num_attention_heads", 1 << 50),
        ("head_dim", [1]),
        ("intermediate_size", 0),
    ],
)
def test_absurd_numbers_are_refused_in_one_sentence(tmp_path: Path, field: str, value: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA | {field: value}))

    with pytest.raises(UnreadableModel, match=r"config\.json"):
        hf_config.read(str(tmp_path))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"model_type": 3}', "[" * 100_000, '{"a": ' * 5000])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)

    with pytest.raises(UnreadableModel):
        hf_config.read(str(tmp_path / "config.json"))


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(1 << 30)

    with pytest.raises(UnreadableModel, match="longer than"):
        hf_config.read(str(tmp_path))


@pytest.mark.parametrize(
    "value", [0, 1, -1, 1 << 33, None, "x", [], [1], [0] * 200, {}, True, 1.5, float("nan")], ids=repr
)
@pytest.mark.parametrize("config", [NEMOTRON_NANO, GEMMA_4_26B, QWEN3_NEXT, JAMBA], ids=lambda c: str(c["model_type"]))
def test_any_field_may_be_anything_and_nothing_breaks(config: dict[str, Any], value: object) -> None:
    text = config.get("text_config", config)
    for field in text:
        changed = text | {field: value}
        try:
            described(
                **({"model_type": config["model_type"], "text_config": changed} if text is not config else changed)
            )
        except UnreadableModel as refused:
            assert "config.json" in str(refused) or "architecture" in str(refused) or "number" in str(refused)  # noqa: PT017


def test_wild_cards_keep_what_they_match_and_only_so_many_of_them_count() -> None:
    ignored = [f"x{number}.*" for number in range(MAX_PATTERNS - 1)]
    values = {"quant_method": "modelopt", "quant_algo": "NVFP4"}
    counted, beyond = "model.layers.1.self_attn*", "model.layers.2.self_attn*"
    packing = packing_of(Fields(values | {"ignore": [*ignored, counted, beyond]}))
    assert packing is not None

    keeps = packing.keeps()

    assert [keeps(f"blk.{layer}.attn_q") for layer in range(3)] == [False, True, False]


@pytest.mark.parametrize(("n_numbers", "is_taken"), [(MAX_NUMBERS, True), (MAX_NUMBERS + 1, False)])
def test_a_list_of_more_numbers_than_any_model_has_layers_is_none(n_numbers: int, is_taken: bool) -> None:
    assert (Fields({"full_attn_idxs": [1] * n_numbers}).numbers("full_attn_idxs") is not None) is is_taken
