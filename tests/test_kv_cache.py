from estimator.kv_cache import CacheShape, cache_shape, cell_bytes, state_bytes
from estimator.ledger import Workload
from estimator.model import Compression, Layer
from estimator.rounding import ROUNDINGS

CUDA = ROUNDINGS["cuda"]


def shape_of(
    tokens: int, n_sequences: int = 1, *, is_unified: bool = False, is_full_window: bool = False
) -> CacheShape:
    return cache_shape(
        Workload(context_tokens=tokens, n_sequences=n_sequences),
        n_batch_tokens=2048,
        n_ubatch_tokens=512,
        is_unified=is_unified,
        is_full_window=is_full_window,
    )


def test_cells_come_in_multiples_of_256() -> None:
    assert shape_of(8000).n_cells == 8192


def test_sequences_of_their_own_divide_the_context() -> None:
    shape = shape_of(8192, 4)
    assert (shape.n_cells, shape.n_streams, shape.n_context_tokens) == (2048, 4, 8192)


def test_unified_sequences_share_all_cells() -> None:
    shape = shape_of(8192, 4, is_unified=True)
    assert (shape.n_cells, shape.n_streams) == (8192, 1)


def test_the_batch_is_cut_to_the_context_before_this_is_rounded() -> None:
    shape = shape_of(300)
    assert (shape.n_batch_tokens, shape.n_step_tokens, shape.n_cells) == (300, 300, 512)


def test_a_window_keeps_itself_and_one_step() -> None:
    assert shape_of(131072).layer_cells(1024) == 1536


def test_unified_sequences_keep_a_window_each() -> None:
    assert shape_of(131072, 4, is_unified=True).layer_cells(1024) == 4 * 1024 + 512


def test_a_window_is_never_larger_than_the_context() -> None:
    assert shape_of(1024).layer_cells(4096) == 1024


def test_swa_full_keeps_every_cell() -> None:
    assert shape_of(131072, is_full_window=True).layer_cells(1024) == 131072


def test_grouped_attention_at_8k_is_one_gibibyte_for_llama_8b() -> None:
    layer = Layer(key_width=1024, value_width=1024)
    assert 32 * cell_bytes(layer, shape_of(8192), "F16", "F16", CUDA) == 1 << 30


def test_q8_0_takes_34_bytes_for_32_elements() -> None:
    layer = Layer(key_width=1024, value_width=1024)
    f16 = cell_bytes(layer, shape_of(8192), "F16", "F16", CUDA)
    assert cell_bytes(layer, shape_of(8192), "Q8_0", "Q8_0", CUDA) * 64 == f16 * 34


def test_latent_attention_keeps_no_value() -> None:
    layer = Layer(key_width=576)
    assert cell_bytes(layer, shape_of(8192), "F16", "F16", CUDA) == 576 * 8192 * 2


def test_a_state_does_not_depend_on_the_context_but_on_the_sequences() -> None:
    layer = Layer(conv_state_width=768, recurrent_state_width=4096)
    assert state_bytes(layer, 4, CUDA) == 4 * state_bytes(layer, 1, CUDA) == 4 * 4 * (768 + 4096)


def test_an_indexers_cache_is_a_tensor_of_its_own() -> None:
    # GLM-5's, 8 192 cells of q8_0 on a device with CUDA's rules (llama.cpp 0c1e57098): 49 029 120 bytes in 8 layers.
    layer = Layer(key_width=704, index_key_width=128)

    assert cell_bytes(layer, shape_of(8192), "Q8_0", "Q8_0", CUDA) == 6128640


def test_compressed_keys_are_kept_once_for_several_tokens_in_cells_of_256() -> None:
    # DeepSeek V4 Flash, 131 072 tokens, float16: 768 latest keys, 1 024 of 128 tokens each (llama.cpp 0c1e57098).
    layer = Layer(compression=Compression(width=512, window_tokens=128, ratio=128))

    assert cell_bytes(layer, shape_of(131072), "F16", "F16", CUDA) == (768 + 1024) * 512 * 2


def test_tokens_that_wait_to_be_compressed_are_a_state_with_their_scores() -> None:
    layer = Layer(compression=Compression(width=512, window_tokens=128, ratio=4, index_width=128))

    assert state_bytes(layer, 2, CUDA) == 2 * 4 * (2 * 512 + 2 * 128) * 8 * 2
