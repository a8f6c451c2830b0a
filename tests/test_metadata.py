import pytest

from estimator.errors import UnreadableModel
from estimator.metadata import describe
from estimator.model import Model, Tensor

TENSORS = (Tensor("token_embd.weight", (512, 1000), "F16"),)


def described(architecture: str = "llama", **keys: object) -> Model:
    metadata: dict[str, object] = {"general.architecture": architecture}
    defaults: dict[str, object] = {
        "block_count": 12,
        "embedding_length": 512,
        "context_length": 4096,
        "feed_forward_length": 2048,
        "attention.head_count": 8,
        "attention.head_count_kv": 2,
    }
    for key, value in (defaults | {name.replace("__", "."): value for name, value in keys.items()}).items():
        metadata[f"{architecture}.{key}"] = value
    return describe(metadata, TENSORS, name="test", source="test", quant="F16")


def test_grouped_heads_share_keys_and_values() -> None:
    layer = described().layers[0]
    assert (layer.key_width, layer.value_width) == (2 * 64, 2 * 64)


def test_heads_without_a_number_of_kv_heads_are_not_grouped() -> None:
    metadata = {
        "general.architecture": "llama",
        "llama.block_count": 2,
        "llama.embedding_length": 512,
        "llama.attention.head_count": 8,
    }
    assert describe(metadata, TENSORS, name="t", source="t", quant="F16").layers[0].key_width == 512


def test_stated_head_widths_win_over_division() -> None:
    assert described(attention__key_length=128, attention__value_length=96).layers[0].value_width == 2 * 96


def test_kv_heads_may_differ_by_layer_and_be_none() -> None:
    model = described("granitehybrid", attention__head_count_kv=[2, 0] * 6, ssm__inner_size=1024, ssm__state_size=16,
                      ssm__group_count=1, ssm__conv_kernel=4)  # fmt: skip
    assert [layer.key_width for layer in model.layers[:2]] == [128, 0]
    assert [layer.recurrent_state_width for layer in model.layers[:2]] == [0, 16 * 1024]
    assert model.layers[1].conv_state_width == 3 * (1024 + 2 * 16)


def test_gemma_3_has_five_windows_to_one_full_layer() -> None:
    windows = [layer.window_tokens for layer in described("gemma3", attention__sliding_window=1024).layers]
    assert windows == [1024] * 5 + [None] + [1024] * 5 + [None]


def test_a_listed_pattern_wins_over_the_period() -> None:
    pattern = [False, True] * 6
    model = described("gemma3", attention__sliding_window=1024, attention__sliding_window_pattern=pattern)
    assert [layer.window_tokens is not None for layer in model.layers] == pattern


def test_phi_3_ignores_its_window_as_llama_cpp_does() -> None:
    assert all(layer.window_tokens is None for layer in described("phi3", attention__sliding_window=2048).layers)


def test_latent_attention_keeps_one_compressed_key() -> None:
    model = described(
        "deepseek2", attention__head_count_kv=1, attention__key_length=576, attention__value_length=512,
        attention__key_length_mla=192, attention__value_length_mla=128, attention__kv_lora_rank=512,
        rope__dimension_count=64,
    )  # fmt: skip
    assert (model.layers[0].key_width, model.layers[0].value_width) == (576, 0)


def test_an_old_conversion_without_latent_widths_keeps_full_keys_and_values() -> None:
    model = described(
        "deepseek2", attention__head_count_kv=8, attention__key_length=192, attention__value_length=128,
        attention__kv_lora_rank=512,
    )  # fmt: skip
    assert (model.layers[0].key_width, model.layers[0].value_width) == (8 * 192, 8 * 128)


def test_gemma_3n_keeps_caches_in_its_first_twenty_layers_only() -> None:
    model = described("gemma3n", block_count=35, attention__sliding_window=512)
    assert [bool(layer.key_width) for layer in model.layers] == [True] * 20 + [False] * 15


def test_layers_that_predict_further_tokens_keep_nothing() -> None:
    model = described("glm4moe", nextn_predict_layers=1)
    assert [bool(layer.key_width) for layer in model.layers] == [True] * 11 + [False]


def test_qwen3_next_attends_in_every_fourth_layer() -> None:
    model = described("qwen3next", ssm__inner_size=1024, ssm__state_size=16, ssm__group_count=2, ssm__conv_kernel=4)
    assert [bool(layer.key_width) for layer in model.layers[:4]] == [False, False, False, True]
    assert [bool(layer.recurrent_state_width) for layer in model.layers[:4]] == [True, True, True, False]


def test_an_unknown_architecture_is_an_upper_bound_and_says_so() -> None:
    model = described("novel", attention__sliding_window=512)
    assert all(layer.window_tokens is None for layer in model.layers)
    assert "not known" in model.doubts[0]


def test_the_vocabulary_is_as_wide_as_the_embedding() -> None:
    assert described(vocab_size=7).vocabulary_size == 1000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("block_count", 0),
        ("block_count", 10**9),
        ("block_count", "many"),
        ("embedding_length", -1),
        ("embedding_length", True),
        ("attention__head_count", 1 << 60),
        ("attention__head_count_kv", [1, 2]),
        ("attention__head_count_kv", ["a"] * 12),
    ],
)
def test_absurd_numbers_are_refused_with_their_key(key: str, value: object) -> None:
    with pytest.raises(UnreadableModel, match=key.rpartition("__")[2]):
        described(**{key: value})


def test_no_architecture_is_no_model() -> None:
    with pytest.raises(UnreadableModel, match="architecture"):
        describe({}, TENSORS, name="t", source="t", quant="F16")
