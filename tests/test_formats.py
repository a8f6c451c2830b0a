from math import prod

import pytest

from estimator.errors import UnknownQuant
from estimator.formats import format_named, parse_format
from estimator.mixture import parse_quant, requantised
from estimator.model import Model, Tensor
from estimator.packed_tensors import is_linear, stored
from estimator.quant import stored_bytes
from estimator.readers import catalogue

MATRIX = Tensor("blk.0.attn_q.weight", (4096, 1024), "BF16")


def n_bytes(tensors: tuple[Tensor, ...]) -> int:
    return sum(stored_bytes(tensor.type, tensor.shape) for tensor in tensors)


def bits_per_weight(name: str, matrix: Tensor = MATRIX) -> float:
    return n_bytes(stored((matrix,), format_named(name))) * 8 / prod(matrix.shape)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fp8", "FP8"),
        ("FP8-Dynamic", "FP8-dynamic"),
        ("w8a8", "W8A8"),
        ("int8", "W8A8"),
        ("awq", "AWQ"),
        ("AWQ-INT4", "AWQ"),
        ("awq-g64", "AWQ-g64"),
        ("gptq", "GPTQ-Int4"),
        ("GPTQ-Int8", "GPTQ-Int8"),
        ("gptq-4bit-32g", "GPTQ-Int4-g32"),
        ("w4a16", "W4A16"),
        ("nvfp4", "NVFP4"),
        ("bnb-4bit", "bnb-4bit"),
        ("nf4", "bnb-nf4"),
        ("MLX-4bit", "MLX-4bit"),
        ("mlx 8 bit", "MLX-8bit"),
        ("mlx-4bit-g32", "MLX-4bit-g32"),
        ("4.0bpw", "EXL3-4.0bpw"),
        ("exl2-4.65bpw-h8", "EXL2-4.65bpw-h8"),
    ],
)
def test_a_servers_format_is_understood_as_people_write_it(text: str, name: str) -> None:
    assert parse_quant(text) == name


@pytest.mark.parametrize(
    "name",
    "FP8 W8A8 AWQ GPTQ-Int4 GPTQ-Int8 W4A16 NVFP4 bnb-4bit bnb-8bit MLX-8bit MLX-6bit MLX-4bit EXL3-4.0bpw".split(),
)
def test_a_formats_own_name_means_itself(name: str) -> None:
    assert format_named(name).name == name


@pytest.mark.parametrize("text", ["", "q4_k_m", "awq-3bit", "gptq-int7", "mlx-7bit", "bpw", "99bpw", "w4a8"])
def test_what_no_format_is_called_is_none(text: str) -> None:
    assert parse_format(text) is None


def test_an_unknown_quant_is_still_refused() -> None:
    with pytest.raises(UnknownQuant):
        parse_quant("awq-3bit")


# Scales are halves for AWQ, GPTQ, W4A16 and MLX, floats for a channel (FP8, W8A8) and for bitsandbytes' blocks.
@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("AWQ", 4 + (16 + 4) / 128),
        ("GPTQ-Int8", 8 + (16 + 8) / 128),
        ("GPTQ-Int4-g32", 4 + (16 + 4) / 32),
        ("GPTQ-Int4-actorder", 4 + (16 + 4) / 128 + 32 / 1024),
        ("W4A16", 4 + 16 / 128),
        ("FP8", 8 + 32 / 128**2),
        ("FP8-dynamic", 8 + 32 / 4096),
        ("W8A8", 8 + 32 / 4096),
        ("bnb-nf4", 4 + 32 / 64),
        ("bnb-4bit", 4 + 8 / 64 + 32 / 64 / 256),
        ("MLX-4bit", 4 + 32 / 64),
        ("MLX-3bit", 3 + 32 / 64),
        ("MLX-6bit-g32", 6 + 32 / 32),
        ("MLX-mxfp4", 4 + 8 / 32),
        ("MXFP8", 8 + 8 / 32),
    ],
)
def test_weights_and_scales_take_the_bits_that_the_quantiser_writes(name: str, bits: float) -> None:
    assert bits_per_weight(name) == bits


def test_nvfp4_has_one_scale_for_sixteen_weights_and_one_for_the_matrix() -> None:
    assert n_bytes(stored((MATRIX,), format_named("NVFP4"))) == 4096 * 1024 * 9 // 16 + 4


def test_embedding_output_norms_and_routers_stay_unpacked() -> None:
    names = ("token_embd.weight", "output.weight", "blk.0.ffn_norm.weight", "blk.0.ffn_gate_inp.weight")
    tensors = tuple(Tensor(name, (1024, 1024), "BF16") for name in names)

    assert {tensor.type for tensor in stored(tensors, format_named("GPTQ-Int4"))} == {"F16"}


def test_mlx_packs_the_embedding_too_and_routers_to_eight_bits() -> None:
    names = ("token_embd.weight", "output.weight", "blk.0.ffn_gate_inp.weight")
    types = {t.name: t.type for t in stored([Tensor(n, (1024, 64), "F32") for n in names], format_named("MLX-4bit"))}

    assert [types[name] for name in names] == ["INT4", "INT4", "I8"]


def test_the_vision_tower_stays_unpacked() -> None:
    assert not is_linear("v.blk.0.attn_q.weight")


def test_a_row_that_is_no_multiple_of_the_group_stays_unpacked() -> None:
    assert stored((Tensor("blk.0.attn_q.weight", (96, 64), "BF16"),), format_named("AWQ"))[0].type == "F16"


def test_experts_have_scales_of_their_own() -> None:
    packed = stored((Tensor("blk.0.ffn_up_exps.weight", (1024, 512, 8), "BF16"),), format_named("W4A16"))

    assert packed[1] == Tensor("blk.0.ffn_up_exps.scales", (512, 8, 8), "F16")


def test_a_mean_of_bits_is_made_of_whole_ones() -> None:
    matrices = tuple(Tensor(f"blk.{i}.attn_q.weight", (1024, 1024), "BF16") for i in range(8))
    packed = [t for t in stored(matrices, format_named("4.25bpw")) if t.name.endswith("weight")]

    assert sorted(t.type for t in packed) == ["INT4"] * 6 + ["INT5"] * 2


@pytest.fixture(scope="module")
def qwen() -> Model:
    return catalogue.read("Qwen3 8B", "BF16")


def test_scales_are_no_parameters(qwen: Model) -> None:
    assert requantised(qwen, "AWQ").n_parameters == qwen.n_parameters


@pytest.mark.parametrize("name", ["FP8", "GPTQ-Int8", "AWQ", "bnb-4bit", "MLX-4bit", "W8A8", "4.5bpw"])
def test_a_format_is_forgotten_under_the_next(qwen: Model, name: str) -> None:
    again = requantised(requantised(qwen, parse_quant(name)), "Q4_K_M")

    assert n_bytes(again.tensors) == n_bytes(requantised(qwen, "Q4_K_M").tensors)


# What vLLM logged as loaded, in GiB: github.com/vllm-project/vllm/pull/12569, and two start-up logs of 2025 and 2026.
@pytest.mark.parametrize(
    ("model", "quant", "gib"),
    [
        ("Llama 3.1 70B", "W8A8", 67.72),
        ("Qwen3 235B-A22B", "FP8", 4 * 55.19),
        ("Qwen3 8B", "BF16", 15.27),
    ],
)
def test_what_vllm_logged_is_met_within_half_a_per_cent(model: str, quant: str, gib: float) -> None:
    assert n_bytes(catalogue.read(model, parse_quant(quant)).tensors) / (1 << 30) == pytest.approx(gib, rel=0.005)


def test_gpt_oss_keeps_its_experts_as_they_were_published() -> None:
    types = {t.name: t.type for t in requantised(catalogue.read("gpt-oss 20B"), "FP8").tensors}

    assert types["blk.0.ffn_up_exps.weight"] == "MXFP4"


def test_layers_with_a_state_may_be_left_as_they_were_at_four_bits() -> None:
    hybrid, dense = catalogue.read("Qwen3.6 27B", "AWQ"), catalogue.read("Qwen3 8B", "AWQ")

    assert hybrid.size_band_ratio[0] == 1
    assert 1.3 < hybrid.size_band_ratio[1] < 1.6
    assert dense.size_band_ratio == (1, 1)


def test_columns_that_zeros_can_not_be_packed_along_stay_unpacked() -> None:
    assert stored((Tensor("blk.0.attn_q.weight", (128, 4), "BF16"),), format_named("AWQ"))[0].type == "F16"


def test_a_compressors_table_of_positions_stays_unpacked() -> None:
    assert not is_linear("blk.0.attn_compressor_ape.weight")


def test_a_hybrid_with_compressors_can_be_thought_of_as_awq() -> None:
    assert catalogue.read("Qwen3.8 Flash Next", "AWQ").quant == "AWQ"
