"""vLLM's cache: pages, blocks and groups, held against what its logs print."""

import pytest

from estimator.paged_cache import LayerCache, PagedCache, grouped

GIB = 1 << 30
FULL = LayerCache(4096)
WINDOWED = LayerCache(4096, window_tokens=1024)


def cache_of(*layers: LayerCache, block_tokens: int = 16, n_state_blocks: int = 1) -> PagedCache:
    return grouped(list(enumerate(layers)), block_tokens, n_flying_tokens=2048, n_state_blocks=n_state_blocks)


def qwen3_next_on_two() -> PagedCache:
    """12 layers of attention with one head of 256 each, 36 with a convolution and 16 heads' states of 128 x 128."""
    state = LayerCache(0, state_bytes=2 * (3 * 4096 + 16 * 128 * 128))
    return cache_of(*(LayerCache(1024) if i % 4 == 3 else state for i in range(48)))


def test_layers_that_are_alike_share_one_group() -> None:
    assert len(cache_of(*[FULL] * 36).groups) == 1


def test_a_block_holds_a_page_of_every_layer_of_a_group() -> None:
    assert cache_of(*[FULL] * 36).block_bytes() == 36 * 16 * 4096


def test_a_length_that_is_no_multiple_takes_one_more_block() -> None:
    assert cache_of(FULL).blocks_for(33) == 3


def test_qwen3_8b_needs_what_its_refusal_says_for_40960_tokens() -> None:
    cache = cache_of(*[FULL] * 36)
    assert round(cache.blocks_for(40960) * cache.block_bytes() / GIB, 2) == 5.62


def test_qwen3_8b_is_told_the_longest_length_that_its_refusal_named() -> None:
    cache = cache_of(*[FULL] * 36)
    assert cache.longest(int(4.5 * GIB) // cache.block_bytes(), 40960) == 32768


def test_attention_pages_grow_until_a_state_fits() -> None:
    assert qwen3_next_on_two().block_tokens == 544


def test_states_are_padded_to_the_page_of_attention() -> None:
    assert {group.page_bytes for group in qwen3_next_on_two().groups} == {557056}


def test_qwen3_next_has_the_blocks_that_its_log_prints() -> None:
    assert 47878721024 // qwen3_next_on_two().block_bytes() == 7162


def test_qwen3_next_serves_as_many_at_once_as_its_log_prints() -> None:
    assert round(7162 / qwen3_next_on_two().blocks_for(262144), 2) == 14.77


def test_a_remembered_prefix_keeps_a_second_state() -> None:
    state = LayerCache(0, state_bytes=1 << 20)
    once, twice = (cache_of(FULL, state, n_state_blocks=n).blocks_for(1) for n in (1, 2))
    assert twice - once == 1


def test_gemma_3_27b_has_seven_groups_of_ten_layers() -> None:
    cache = cache_of(*(FULL if i % 6 == 5 else WINDOWED for i in range(62)))
    assert [len(group.layers) for group in cache.groups] == [9, 9, 9, 9, 8, 8, 10]
    assert cache.block_bytes() == 10 * 16 * 4096


def test_kinds_that_are_nearly_as_frequent_are_not_split() -> None:
    assert len(cache_of(*[FULL] * 13, *[WINDOWED] * 12).groups) == 2


def test_a_window_keeps_what_is_in_flight_and_a_block_for_its_ragged_edge() -> None:
    assert cache_of(WINDOWED).blocks_for(131072) == (1023 + 2048) // 16 + 1 + 1


def test_a_window_keeps_no_more_than_the_sequence_has() -> None:
    assert cache_of(WINDOWED).blocks_for(160) == 11


def test_a_narrow_layer_puts_more_tokens_into_a_page() -> None:
    cache = cache_of(LayerCache(4096), LayerCache(1024, window_tokens=512))
    assert {group.block_tokens for group in cache.groups} == {16, 64}


def test_a_layer_that_fills_no_page_evenly_is_padded() -> None:
    cache = cache_of(LayerCache(4096), LayerCache(3000, window_tokens=512))
    assert {(group.block_tokens, group.page_bytes) for group in cache.groups} == {(16, 65536)}


def test_layers_of_other_widths_that_all_reach_back_share_a_group() -> None:
    cache = cache_of(LayerCache(4096), LayerCache(3072))
    assert (len(cache.groups), cache.block_bytes()) == (1, 16 * 7168)


def test_a_stage_holds_its_own_layers_only() -> None:
    assert cache_of(*[FULL] * 36).block_bytes(range(18)) == 18 * 16 * 4096


@pytest.mark.parametrize("n_blocks", [0, 1])
def test_nothing_fits_where_there_is_no_block(n_blocks: int) -> None:
    assert cache_of(*[FULL, WINDOWED] * 8).longest(n_blocks, 4096) == 0


def test_layers_that_keep_nothing_are_in_no_group() -> None:
    assert cache_of(LayerCache(0)).groups == ()
