"""A line as it is posted becomes the words that the program would get."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launches.errors import UnreadableLine
from launches.line import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("llama-server -m 'my model.gguf' -c 4096", ["llama-server", "-m", "my model.gguf", "-c", "4096"]),
        ("llama-server \\\n  -m a.gguf \\\n  -ngl 99", ["llama-server", "-m", "a.gguf", "-ngl", "99"]),
        ("$ ./main -m a.gguf", ["./main", "-m", "a.gguf"]),
        ("llama-server.exe ^\r\n -m C:\\models\\a.gguf", ["llama-server.exe", "-m", "C:\\models\\a.gguf"]),
        ("PS C:\\llama> .\\llama-cli.exe `\n -m a.gguf", [".\\llama-cli.exe", "-m", "a.gguf"]),
        ('koboldcpp.exe --model "D:\\My Models\\a.gguf"', ["koboldcpp.exe", "--model", "D:\\My Models\\a.gguf"]),
        ("export CUDA_VISIBLE_DEVICES=1 && vllm serve x", ["CUDA_VISIBLE_DEVICES=1", "vllm", "serve", "x"]),
        ("cd /opt/llama && ./llama-server -m a.gguf", ["./llama-server", "-m", "a.gguf"]),
        ("llama-bench -m a.gguf > log.txt 2>&1", ["llama-bench", "-m", "a.gguf"]),
        ("llama-server -c 4096 > log.txt", ["llama-server", "-c", "4096"]),
        ("llama-bench -m a.gguf 2>&1 | tee log.txt", ["llama-bench", "-m", "a.gguf"]),
        ("nohup vllm serve x &", ["nohup", "vllm", "serve", "x"]),
        ('llama-server -ot "blk\\.(1|2)\\.ffn=CPU"', ["llama-server", "-ot", "blk\\.(1|2)\\.ffn=CPU"]),
        ("vllm serve x --override '{\"a\": 1}'", ["vllm", "serve", "x", "--override", '{"a": 1}']),
        ("llama-server -c $((64 * 1024))", ["llama-server", "-c", "65536"]),
        ("LLAMA_CUDA=1 make -j && A=1 ./llama-cli -m a", ["A=1", "./llama-cli", "-m", "a"]),
        (
            "$env:CUDA_VISIBLE_DEVICES=0; .\\llama-cli.exe -m a",
            ["CUDA_VISIBLE_DEVICES=0", ".\\llama-cli.exe", "-m", "a"],
        ),
        ("x@h:~/dir$ ./llama-cli -m a # as before", ["./llama-cli", "-m", "a"]),
        ("llama-cli -p '<|user|>' --api-key <key>", ["llama-cli", "-p", "<|user|>", "--api-key", "<key>"]),
        ("set A=1\nkoboldcpp.exe a.gguf", ["A=1", "koboldcpp.exe", "a.gguf"]),
        ("", []),
        ("cd x", []),
    ],
)
def test_a_line_becomes_the_words_of_its_command(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize("text", ["llama-server -m 'a", "x" * 100_000])
def test_what_no_shell_would_take_is_said_in_a_sentence(text):
    with pytest.raises(UnreadableLine):
        words_of(text)


@given(st.text(alphabet="ab '\"\\|&;<>()^`$#\n=-", max_size=40))
def test_any_line_is_taken_or_refused(text):
    with contextlib.suppress(UnreadableLine):
        assert all(isinstance(word, str) for word in words_of(text))
