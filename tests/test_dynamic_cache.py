"""What Transformers' caches hold, in both phases."""

from dataclasses import replace

from estimator.dynamic_cache import CacheRun, state_bytes
from estimator.model import Layer

FULL = Layer(key_width=1024, value_width=1024, n_kv_heads=8)
SLIDING = replace(FULL, window_tokens=512)
RUN = CacheRun(n_sequences=1, n_prompt_tokens=4096, n_new_tokens=256, element_bytes=2.0)


def test_the_cache_has_as_many_tokens_as_there_are() -> None:
    assert RUN.prompt_bytes(FULL) == 4096 * 2048 * 2
    assert RUN.final_bytes(FULL) == (4096 + 256) * 2048 * 2


def test_a_sliding_layer_keeps_the_whole_prompt_until_the_next_token() -> None:
    # Counted: 4,096 bytes a token and layer for Gemma 2 and 3 with a window of 512 and a prompt of 4,096.
    assert RUN.prompt_bytes(SLIDING) == 4096 * 4096
    assert RUN.final_bytes(SLIDING) == 512 * 4096


def test_a_static_cache_is_there_from_the_beginning() -> None:
    static = replace(RUN, is_static=True)
    assert static.prompt_bytes(FULL) == static.final_bytes(FULL)
    assert static.growing_bytes([(FULL, 1)]) == 0


def test_a_growing_cache_holds_the_keys_of_one_layer_twice() -> None:
    assert RUN.growing_bytes([(FULL, 2)]) == 4352 * 1024 * 2


def test_keys_are_repeated_only_where_heads_share_them() -> None:
    assert RUN.repeated_bytes([(FULL, 1)], n_heads=32, head_width=128) == 2 * 4352 * 4096 * 2
    assert RUN.repeated_bytes([(FULL, 1)], n_heads=8, head_width=128) == 0


def test_every_sequence_has_a_cache_and_a_state_of_its_own() -> None:
    assert replace(RUN, n_sequences=3).final_bytes(FULL) == 3 * RUN.final_bytes(FULL)
    recurrent = Layer(conv_state_width=10, recurrent_state_width=100)
    assert state_bytes(recurrent, 3) == 3 * (2 * 10 + 4 * 100)


def test_a_cache_that_grows_past_2_mib_leaves_a_segment_behind() -> None:
    # 4,352 tokens of 2 KiB: too small for a segment of its own; 16 times as many are not.
    large = replace(RUN, n_prompt_tokens=16 * 4096, n_new_tokens=1024)
    assert large.left_bytes([(FULL, 1)]) == large.final_bytes(FULL)
    assert replace(large, is_static=True).left_bytes([(FULL, 1)]) == 0


def test_short_caches_leave_several_times_their_size_behind() -> None:
    short = replace(RUN, n_prompt_tokens=30, n_new_tokens=512)
    assert short.left_bytes([(FULL, 1)]) == 9 * short.final_bytes(FULL)
