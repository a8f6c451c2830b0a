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


@pytest.mark.parametrize("line", ["llamafile-0.9.3 -m a.gguf --server", "llamafile -m a.gguf --server --nobrowser"])
def test_a_llamafile_before_0_10_has_defaults_of_its_own_by_its_name_or_by_flags_that_are_gone(line):
    launch = read(line)
    assert (launch.context_tokens, launch.n_sequences, launch.is_context_free) == (8192, 1, False)
    assert (launch.options.is_flash_attention, launch.options.n_gpu_layers) == (False, 0)


def test_a_llamafile_of_today_has_those_of_llama_cpp():
    launch = read("llamafile-0.10.3 -m a.gguf --server")
    assert (launch.is_context_free, launch.n_sequences, launch.options.is_flash_attention) == (True, 4, True)


def test_a_kind_of_gpu_takes_all_layers_before_0_10_as_well():
    assert read("llamafile-0.9.3 -m a.gguf --gpu nvidia").options.n_gpu_layers == 999


def test_a_llamafile_is_known_in_a_container_by_its_name_outside():
    launch = read("podman run -v /srv/x.llamafile:/llamafile:ro box /bin/sh /llamafile --server")
    assert launch.source == "/srv/x.llamafile"


def test_what_lies_in_an_image_of_a_llamafile_is_not_known():
    launch = read("docker run --gpus all my/llamafile-gemma:1 --server --port 80")
    assert (launch.source, launch.refusal) == (None, "")
    assert any("image" in doubt for doubt in launch.doubts)
