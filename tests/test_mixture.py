import pytest

from estimator.errors import UnknownQuant
from estimator.mixture import DEFAULT_TYPES, QUANTS, MixtureShape, mixture, mixture_shape, parse_quant, requantised
from estimator.model import Model, Tensor
from estimator.quant import stored_bytes
from estimator.readers import catalogue

# `llama-quantize --dry-run` of llama.cpp 0c1e57098 (2026-10-01) on header-true files, no importance matrix.
DRY_RUNS = [
    ("Llama 3.1 8B", "Q4_K_M", 4_912_898_304),
    ("Llama 3.1 8B", "IQ2_M", 2_940_444_928),
    ("Llama 3.3 70B", "Q3_K_M", 34_259_632_384),
    ("Mixtral 8x7B", "Q4_K_M", 28_447_727_616),
    ("Mixtral 8x7B", "IQ3_XS", 19_349_651_456),
    ("Gemma 3 12B", "Q2_K", 4_761_467_904),
    ("Qwen3 30B-A3B", "Q5_K_M", 21_719_611_392),
    ("Mistral 7B v0.3", "TQ1_0", 1_658_863_616),
    ("Phi-4", "Q4_K_S", 8_456_867_840),
    ("DeepSeek V2 Lite", "Q4_0", 8_901_113_856),
    ("Mamba2 2.7B", "Q3_K_L", 1_219_522_240),
    ("Qwen3 Next", "MXFP4_MOE", 43_735_641_088),
]

# The same, as it prints them: MiB, of architectures that no other measurement here has.
DRY_RUNS_MIB = [
    ("Qwen3.5 0.8B", "Q2_K", 392.31),
    ("Gemma 4 E2B", "Q2_K", 2835.53),
    ("Falcon 7B", "Q2_K", 3759.71),
    ("BLOOM 7.1B", "Q2_K", 3090.06),
    ("Phi-3.5 MoE 42B-A6.6B", "Q2_K", 14557.25),
    ("DeepSeek V4 Flash 284B-A13B", "Q2_K", 98361.49),
    ("Kimi Linear 48B-A3B", "Q2_K", 17186.72),
    ("GLM-5.3 Flash 314B", "Q2_K", 109872.18),
    ("Hunyuan 3 295B", "Q2_K", 102406.92),
    ("MiMo V2 Flash 309B-A15B", "Q2_K", 107071.06),
    ("Step 3.5 Flash 197B-A11B", "Q2_K", 68474.37),
    ("Trinity Mini 26B-A3B", "Q2_K", 9217.81),
    ("MiniMax M1 456B-A46B", "Q2_K", 160165.65),
    ("Jamba v0.1 52B-A12B", "Q2_K", 17841.84),
    ("Llama 3.3 Nemotron Super 49B v1.5", "Q2_K", 17864.17),
    ("Muse Glimmer 30B", "Q2_K", 10179.12),
    ("BGE small en v1.5", "Q2_K", 23.35),
]


def total_bytes(tensors: tuple[Tensor, ...]) -> int:
    return sum(stored_bytes(tensor.type, tensor.shape) for tensor in tensors)


def types_of(model: Model) -> dict[str, str]:
    return {tensor.name: tensor.type for tensor in model.tensors}


LLAMA = MixtureShape(architecture="llama", n_layers=32, n_heads=32, n_kv_heads=8)


@pytest.mark.parametrize(("name", "quant", "n_bytes"), DRY_RUNS)
def test_every_mixture_takes_the_bytes_that_the_quantizer_states(name: str, quant: str, n_bytes: int) -> None:
    plain = catalogue.read(name, "BF16")

    assert total_bytes(mixture(quant, plain.tensors, mixture_shape(plain))) == n_bytes


@pytest.mark.parametrize(("name", "quant", "mib"), DRY_RUNS_MIB)
def test_every_mixture_takes_the_mebibytes_that_the_quantizer_prints(name: str, quant: str, mib: float) -> None:
    plain = catalogue.plain_model(catalogue.find(name))

    n_bytes = total_bytes(mixture(quant, plain.tensors, mixture_shape(plain)))

    assert n_bytes / (1 << 20) == pytest.approx(mib, abs=0.006)


def test_norms_and_routers_stay_as_they_are() -> None:
    types = types_of(catalogue.read("Qwen3 30B-A3B", "Q4_K_M"))

    assert types["blk.0.attn_norm.weight"] == types["blk.0.ffn_gate_inp.weight"] == "F32"


def test_a_tied_embedding_is_quantised_as_the_output_it_serves_as() -> None:
    assert types_of(catalogue.read("Llama 3.2 1B", "Q4_K_M"))["token_embd.weight"] == "Q6_K"
    assert types_of(catalogue.read("Llama 3.1 8B", "Q4_K_M"))["token_embd.weight"] == "Q4_K"


def test_the_first_and_last_eighth_of_the_layers_get_more_bits() -> None:
    types = types_of(catalogue.read("Llama 3.1 8B", "Q4_K_M"))

    assert [types[f"blk.{i}.attn_v.weight"] for i in (0, 3, 4, 5, 6, 27, 28, 31)] == (
        ["Q6_K", "Q6_K", "Q4_K", "Q4_K", "Q6_K", "Q6_K", "Q6_K", "Q6_K"]
    )


def test_a_row_that_is_no_whole_number_of_blocks_gets_a_type_that_fits() -> None:
    tensors = (
        Tensor("blk.0.attn_q.weight", (2880, 64), "BF16"),
        Tensor("blk.0.attn_k.weight", (100, 64), "BF16"),
        Tensor("output.weight", (2880, 64), "BF16"),
    )

    assert [tensor.type for tensor in mixture("Q4_K_M", tensors, LLAMA)] == ["Q5_0", "F16", "Q8_0"]


def test_an_importance_matrix_spares_the_first_layers_of_iq4_xs() -> None:
    tensors = (Tensor("blk.0.ffn_down.weight", (256, 64), "BF16"), Tensor("output.weight", (256, 64), "BF16"))

    assert mixture("IQ4_XS", tensors, LLAMA)[0].type == "Q5_K"
    assert mixture("IQ4_XS", tensors, LLAMA, has_imatrix=True)[0].type == "IQ4_XS"


def test_a_name_that_no_converter_writes_is_taken_for_no_layers() -> None:
    names = ("blk.", "blk.0", "blk.x.attn_q.weight", "blk.-1.attn_q.weight", "blk.99999999999.attn_q.weight", "")
    tensors = tuple(Tensor(name, (256, 64), "BF16") for name in names)

    assert {tensor.type for tensor in mixture("Q4_K_M", tensors, LLAMA)} == {"BF16", "Q4_K"}


def test_falcon_keeps_its_output_in_eight_bits() -> None:
    falcon = MixtureShape(architecture="falcon", n_layers=32, n_heads=71, n_kv_heads=1)

    assert mixture("Q4_K_M", (Tensor("output.weight", (256, 64), "BF16"),), falcon)[0].type == "Q8_0"


def test_seventy_billion_llamas_lift_their_value_tensors() -> None:
    assert types_of(catalogue.read("Llama 3.1 70B", "Q4_K_M"))["blk.11.attn_v.weight"] == "Q5_K"


def test_quants_are_offered_best_first() -> None:
    plain = catalogue.read("Llama 3.1 8B", "BF16")
    sizes = [total_bytes(mixture(quant, plain.tensors, mixture_shape(plain))) for quant in QUANTS]

    assert sizes == sorted(sizes, reverse=True)
    assert set(QUANTS) <= set(DEFAULT_TYPES)


@pytest.mark.parametrize(
    ("text", "quant"),
    [
        ("q4_k_m", "Q4_K_M"),
        ("Q4KM", "Q4_K_M"),
        ("q4-k-m", "Q4_K_M"),
        ("Q4_K - Medium", "Q4_K_M"),
        ("q4_k", "Q4_K_M"),
        ("Q5_K - Small", "Q5_K_S"),
        ("fp16", "F16"),
        ("iq4xs", "IQ4_XS"),
        ("mxfp4", "MXFP4_MOE"),
        ("q8", "Q8_0"),
    ],
)
def test_any_usual_spelling_of_a_quant_is_understood(text: str, quant: str) -> None:
    assert parse_quant(text) == quant


@pytest.mark.parametrize("quant", DEFAULT_TYPES)
def test_every_mixture_is_found_under_its_own_name(quant: str) -> None:
    assert parse_quant(quant.lower()) == quant


@pytest.mark.parametrize(("text", "near"), [("q4_k_x", "Q4_K_M"), ("q5", "Q5_K_M"), ("nonsense", "Q8_0"), ("", "Q8_0")])
def test_an_unknown_quant_names_near_ones(text: str, near: str) -> None:
    with pytest.raises(UnknownQuant, match=near):
        parse_quant(text)


@pytest.mark.parametrize(("first", "second"), [("Q4_K_M", "Q8_0"), ("Q2_K", "BF16"), ("F16", "Q6_K")])
def test_requantising_forgets_the_quant_before(first: str, second: str) -> None:
    once = catalogue.read("Qwen3 8B", first)

    again = requantised(once, second)

    assert again.tensors == catalogue.read("Qwen3 8B", second).tensors
    assert (again.quant, again.name, again.file_bytes) == (second, once.name, None)


def test_the_experts_of_gpt_oss_stay_mxfp4_under_any_quant() -> None:
    types = types_of(requantised(catalogue.read("gpt-oss 20B"), "Q4_K_M"))

    assert types["blk.0.ffn_up_exps.weight"] == "MXFP4"
    assert types["blk.0.attn_q.weight"] == "Q5_0"


def test_a_hybrid_whose_first_layer_has_no_attention_counts_as_not_grouped() -> None:
    assert not mixture_shape(catalogue.read("LFM2 1.2B")).is_grouped
    assert mixture_shape(catalogue.read("Qwen3 Next")).is_grouped
    assert mixture_shape(catalogue.read("DeepSeek V2 Lite")).is_grouped
