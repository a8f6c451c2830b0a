"""llamafile's second server is read by its own parser, apart from llama.cpp's."""

import pytest
from command_lines import launches_of


def read(text):
    (launch,) = launches_of(text)
    return launch


@pytest.mark.parametrize("line", ["llamafiler -m a.gguf", "llamafile --server --v2 -m a.gguf"])
def test_without_flags_it_takes_its_own_defaults(line):
    launch = read(line)
    assert (launch.context_tokens, launch.n_sequences, launch.options.n_batch_tokens) == (8192, 1, 256)
    assert (launch.options.is_flash_attention, launch.options.n_gpu_layers) == (False, 0)


def test_every_slot_has_a_context_of_its_own():
    launch = read("llamafiler -m a.gguf -s 3 -c 2048")
    assert (launch.context_tokens, launch.n_sequences) == (6144, 3)


def test_a_kind_of_gpu_takes_all_layers():
    assert read("llamafiler -m a.gguf --gpu nvidia").options.n_gpu_layers == 999
    assert read("llamafiler -m a.gguf --gpu disable").devices == ()


def test_it_listens_where_it_is_told():
    assert read("llamafiler -m a.gguf -l 0.0.0.0:9000").address == ("0.0.0.0", 9000)
