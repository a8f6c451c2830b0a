"""Words become flags as each kind of parser has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launches.words import ARGPARSE, LLAMA_CPP, Manner, table, take_apart

FLAGS = table("""
    -c --ctx-size N $LLAMA_ARG_CTX_SIZE
    -fa --flash-attn [N]
    --no-mmap
    -ts --tensor-split N
    --device-ids N...
    --max-model-len N
    --max-num-seqs N
    --eager !--no-eager $EAGER
    --stop [N...]
""")


def taken(*words, manner=LLAMA_CPP, **environment):
    return take_apart(words, FLAGS, manner, offset=1, environment=environment)


def test_every_name_of_a_flag_stands_for_the_first():
    assert taken("--ctx-size", "4096").last("-c") == "4096"


def test_the_last_value_counts():
    assert taken("-c", "1", "-c", "2").last("-c") == "2"


def test_every_value_is_kept():
    assert taken("-ts", "1", "-ts", "2").every("-ts") == ("1", "2")


def test_underscores_are_dashes_where_the_parser_has_it_so():
    assert taken("--ctx_size", "7").last("-c") == "7"
    assert taken("--ctx_size", "7", manner=ARGPARSE).unknown == ("--ctx_size 7",)


def test_a_value_behind_an_equals_sign_counts_where_the_parser_has_it_so():
    assert taken("--max-model-len=5", manner=ARGPARSE).last("--max-model-len") == "5"
    assert taken("--max-model-len=5").unknown == ("--max-model-len=5",)


def test_an_abbreviation_counts_where_only_one_flag_begins_so():
    assert taken("--max-mod", "5", manner=ARGPARSE).last("--max-model-len") == "5"
    assert taken("--max", "5", manner=ARGPARSE).unknown == ("--max 5",)


def test_a_value_may_be_attached_to_a_short_flag():
    assert take_apart(("-c4096",), FLAGS, ARGPARSE).last("-c") == "4096"


def test_a_negative_number_is_a_value():
    assert taken("-c", "-1").last("-c") == "-1"


def test_an_optional_value_may_be_missing():
    given_ = taken("-fa", "-c", "5")
    assert (given_.has("-fa"), given_.last("-fa"), given_.last("-c")) == (True, None, "5")


def test_many_values_end_at_the_next_flag():
    assert taken("--device-ids", "0", "1", "--no-mmap").every("--device-ids") == ("0", "1")


def test_a_flag_without_its_value_is_refused():
    assert taken("-c").refusals == ("-c needs a value",)


def test_argparse_takes_no_flag_for_a_value():
    assert taken("--max-model-len", "--no-mmap", manner=ARGPARSE).refusals == ("--max-model-len needs a value",)
    assert taken("-c", "--no-mmap").last("-c") == "--no-mmap"


def test_any_number_of_values_may_be_none():
    assert taken("--stop", "--no-mmap").has("--stop")
    assert taken("--stop", "a", "b").every("--stop") == ("a", "b")


def test_the_last_of_a_switch_and_its_contrary_counts():
    assert taken("--eager", "--no-eager").is_on("--eager") is False
    assert taken("--no-eager", "--eager").is_on("--eager") is True
    assert taken().is_on("--eager") is None


def test_a_variable_may_turn_a_switch_off():
    assert taken(EAGER="false").is_on("--eager") is False
    assert taken(EAGER="1").is_on("--eager") is True


def test_words_count_before_a_file_of_settings_and_that_before_the_environment():
    file = take_apart(("-c", "1", "--max-num-seqs", "4", "m"), FLAGS, LLAMA_CPP)
    both = taken("-c", "2", LLAMA_ARG_CTX_SIZE="9").over(file)
    assert (both.last("-c"), both.last("--max-num-seqs"), both.positionals) == ("2", "4", ("m",))
    assert taken(LLAMA_ARG_CTX_SIZE="9").over(file).last("-c") == "1"
    assert taken(LLAMA_ARG_CTX_SIZE="9").over(take_apart((), FLAGS, LLAMA_CPP)).last("-c") == "9"


def test_what_is_not_known_is_named_with_its_value():
    assert taken("--new-thing", "3", "--other", "--no-mmap").unknown == ("--new-thing 3", "--other")


def test_the_environment_counts_where_no_word_does():
    assert taken(LLAMA_ARG_CTX_SIZE="9").last("-c") == "9"
    assert taken("-c", "8", LLAMA_ARG_CTX_SIZE="9").last("-c") == "8"


def test_a_span_says_where_a_setting_stands_in_the_command():
    spans = {span.flag: (span.first, span.n_words) for span in taken("--no-mmap", "-c", "5", "x").spans}
    assert spans == {"--no-mmap": (1, 1), "-c": (2, 2)}


def test_behind_two_dashes_nothing_is_a_flag():
    assert taken("--", "-c", "5").positionals == ("-c", "5")


@pytest.mark.parametrize("manner", [LLAMA_CPP, ARGPARSE, Manner()])
@given(
    words=st.lists(
        st.sampled_from(["-c", "--ctx-size", "--max", "-", "--", "-fa=", "=", "", "5", "--device-ids", "-c="]),
        max_size=8,
    )
)
def test_any_words_are_taken_without_a_crash(manner, words):
    assert take_apart(tuple(words), FLAGS, manner) is not None
