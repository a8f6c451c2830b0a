"""What one pass over a prompt holds: widths against counts of storages in Transformers 5.24.0's own model classes."""

from dataclasses import replace

import pytest

from estimator.model import Experts, Latent, Layer, Model, Tensor
from estimator.prompt_pass import prompt_pass, unpacked_bytes

WIDTH, HEADS, HEAD_WIDTH = 2048, 32, 128


def model_of(
    tensors: tuple[tuple[str, tuple[int, ...]], ...], *, width: int = WIDTH, n_heads: int = HEADS, quant: str = "BF16"
) -> Model:
    return Model(
        name="counted",
        architecture="llama",
        source="counted",
        quant=quant,
        native_context_tokens=4096,
        embedding_width=width,
        feed_forward_width=tensors[0][1][1] if len(tensors[0][1]) > 1 else 0,
        n_heads=n_heads,
        n_kv_heads=8,
        head_width=HEAD_WIDTH,
        value_head_width=HEAD_WIDTH,
        vocabulary_size=32000,
        layers=(Layer(key_width=1024, value_width=1024),),
        tensors=tuple(Tensor(f"blk.0.{name}.weight", shape, "BF16") for name, shape in tensors),
    )


def dense(inner: int) -> Model:
    return model_of((("ffn_up", (WIDTH, inner)), ("ffn_gate", (WIDTH, inner)), ("ffn_down", (inner, WIDTH))))


def mixture(n_used: int, inner: int, *more: str, width: int = WIDTH) -> Model:
    plain = model_of((("ffn_gate_exps", (width, inner, 8)), *((name, (8,)) for name in more)), width=width)
    return replace(plain, experts=Experts(n_experts=8, n_used=n_used, feed_forward_width=inner))


@pytest.mark.parametrize(("inner", "counted"), [(64, 22792), (16384, 57608)])
def test_a_dense_block_holds_what_was_counted_for_llama(inner: int, counted: int) -> None:
    assert prompt_pass(dense(inner)).expected == pytest.approx(counted, rel=0.001)


def test_a_block_without_a_gate_holds_what_was_counted_for_starcoder2() -> None:
    plain = model_of((("ffn_up", (WIDTH, 16384)), ("ffn_down", (16384, WIDTH))))
    assert prompt_pass(plain).expected == pytest.approx(41224, rel=0.001)


def test_gate_and_up_in_one_matrix_hold_what_was_counted_for_phi3() -> None:
    fused = replace(model_of((("ffn_up", (WIDTH, 2 * 16384)),)), feed_forward_width=16384)
    assert prompt_pass(fused).expected == pytest.approx(73992, rel=0.001)


@pytest.mark.parametrize(
    ("model", "counted"),
    [
        (mixture(8, 768), 74280),  # Qwen3 MoE
        (mixture(4, 768), 41432),
        (mixture(2, 14336), 127284),  # Mixtral
        (mixture(8, 1408, "exp_probs_b"), 107064),  # GLM-4 MoE, its router's weights in float32
    ],
)
def test_experts_hold_what_was_counted(model: Model, counted: int) -> None:
    assert prompt_pass(model).expected == pytest.approx(counted, rel=0.01)


@pytest.mark.parametrize(("n_heads", "counted"), [(32, 41672), (64, 74440)])
def test_latent_attention_holds_what_was_counted_for_deepseek(n_heads: int, counted: int) -> None:
    latent = Latent(query_rank=1536, key_value_rank=512, rope_width=64, nope_width=128, value_width=128)
    plain = replace(dense(64), n_heads=n_heads, latent=latent)
    assert prompt_pass(plain).expected == pytest.approx(counted, rel=0.02)


def test_a_recurrent_layer_without_its_kernels_holds_more_than_with_them() -> None:
    hybrid = model_of((("ffn_up", (WIDTH, 64)), ("ssm_out", (4096, WIDTH))))
    passed = prompt_pass(replace(hybrid, architecture="qwen35"))
    assert passed.low < passed.expected == pytest.approx(124418, rel=0.02)


def test_only_formats_of_few_bits_unpack_a_matrix() -> None:
    assert unpacked_bytes(dense(16384)) == 0
    assert unpacked_bytes(replace(dense(16384), quant="AWQ")) == 2 * WIDTH * 16384
