"""Bytes per token and per sequence, as servers store them."""

from dataclasses import replace

import pytest

from estimator.activations import Span, layer_bytes, peak, sampler_bytes, total, workspace_bytes
from estimator.cache_rows import layer_caches, row_type, state_bytes, token_bytes
from estimator.errors import Unjudgeable
from estimator.model import Model
from estimator.reader import read_model

GIB = 1 << 30


def per_token(model: Model, tensor: int = 1, kv_type: str = "auto") -> int:
    return sum(token_bytes(layer, model, tensor, row_type(kv_type, "vLLM"), 2) for layer in model.layers)


@pytest.mark.parametrize(
    ("name", "tensor", "kv_type", "n_bytes"),
    [
        ("Llama 3.1 8B", 1, "auto", 131072),
        ("Qwen3 235B-A22B", 4, "auto", 48128),
        ("Qwen3 235B-A22B", 8, "auto", 48128),
        ("Qwen3 30B-A3B", 4, "auto", 24576),
        ("Qwen2.5 7B", 1, "auto", 57344),
        ("Llama 3.1 70B", 8, "auto", 40960),
        ("GLM-4.5 355B-A32B", 4, "fp8", 47104),
        ("DeepSeek V3", 8, "auto", 70272),
        ("Kimi K2", 1, "fp8", 35136),
        ("GLM-5", 8, "auto", 100152),
    ],
)
def test_a_token_takes_what_logs_show(name: str, tensor: int, kv_type: str, n_bytes: int) -> None:
    assert per_token(read_model(name, "BF16"), tensor, kv_type) == n_bytes


@pytest.mark.parametrize(("kv_type", "row"), [("auto", 1152), ("fp8", 576), ("fp8_ds_mla", 656), ("nvfp4_ds_mla", 352)])
def test_a_row_of_latents_has_formats_of_its_own(kv_type: str, row: int) -> None:
    assert per_token(read_model("DeepSeek V3", "BF16"), kv_type=kv_type) == 61 * row


def test_a_scale_stands_beside_every_head() -> None:
    assert per_token(read_model("Llama 3.1 8B", "BF16"), kv_type="int8_per_token_head") == 32 * 8 * 2 * (128 + 4)


def test_half_bytes_keep_a_scale_for_sixteen() -> None:
    assert per_token(read_model("Llama 3.1 8B", "BF16"), kv_type="nvfp4") == 131072 * 9 // 32


def test_a_state_of_qwen3_5_is_as_large_as_its_block_of_784_tokens_says() -> None:
    model = read_model("Qwen3.5 27B", "BF16")
    layer = next(layer for layer in model.layers if layer.recurrent_state_width)
    assert 768 * 4096 < state_bytes(layer, model, 1, 2) <= 784 * 4096


def test_a_state_may_be_asked_for_in_half_the_width() -> None:
    model = read_model("Qwen3.5 27B", "BF16")
    layer = next(layer for layer in model.layers if layer.recurrent_state_width)
    assert state_bytes(layer, model, 1, 2) - state_bytes(layer, model, 1, 2, 2) == 2 * layer.recurrent_state_width


def test_layers_without_windows_keep_everything() -> None:
    model = read_model("Gemma 3 27B", "BF16")
    stored = row_type("auto", "vLLM")
    windowed = [cache for _, cache in layer_caches(model, 1, stored, 2) if cache.window_tokens]
    whole = [cache for _, cache in layer_caches(model, 1, stored, 2, has_windows=False) if cache.window_tokens]
    assert (len(windowed), len(whole)) == (52, 0)


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(Unjudgeable, match="SGLang stores no KV cache as 'q8_0'"):
        row_type("q8_0", "SGLang")


def test_the_sampler_takes_what_the_log_of_qwen3_next_shows() -> None:
    assert sampler_bytes(read_model("Qwen3-Next 80B-A3B", "BF16"), 1024, 38.6) / GIB == pytest.approx(5.58, abs=0.02)


def test_slices_of_a_layer_halve_its_products_but_not_its_inputs() -> None:
    model = read_model("Llama 3.1 8B", "BF16")
    assert [layer_bytes(model, 1, tensor) for tensor in (1, 2)] == [
        2 * (3 * 14336 + 4 * 4096),
        2 * (3 * 7168 + 4 * 4096),
    ]


def test_experts_need_a_copy_of_every_token_for_each_that_is_used() -> None:
    model = read_model("Qwen3 235B-A22B", "BF16")
    assert workspace_bytes(model, 1, 4) == 2 * 8 * (4096 + 384)


def test_a_dense_model_needs_no_workspace() -> None:
    assert workspace_bytes(read_model("Llama 3.1 8B", "BF16"), 8192, 1) == 0


def test_doubts_that_have_nothing_to_do_with_each_other_add_up_by_squares() -> None:
    parts = [Span(n_bytes=10, low_bytes=7, high_bytes=13), Span(n_bytes=20, low_bytes=16, high_bytes=24)]
    assert total(parts) == Span(n_bytes=30, low_bytes=25, high_bytes=35)


def test_heads_are_those_of_each_layer() -> None:
    model = read_model("Llama 3.1 8B", "BF16")
    fewer = replace(model.layers[0], n_kv_heads=4)
    assert token_bytes(fewer, model, 8, row_type("auto", "vLLM"), 2) == 2 * 2 * 256


def test_the_largest_image_widens_the_peak_of_a_model_that_sees() -> None:
    blind = peak(replace(read_model("Qwen3.5 27B", "BF16"), kind="text"), GIB, GIB)
    seeing = peak(read_model("Qwen3.5 27B", "BF16"), GIB, GIB)
    assert (seeing.n_bytes - blind.n_bytes, seeing.high_bytes - blind.high_bytes) == (GIB // 2, 3 * GIB // 2)
