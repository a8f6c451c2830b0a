"""A line as it is posted becomes the words that the program would get."""

import contextlib
from shlex import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launches.command import Command
from launches.errors import UnreadableLine
from launches.launch import read_launches
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
        ("cd /opt/llama && ./llama-server -m a.gguf", ["env", "-C", "/opt/llama", "./llama-server", "-m", "a.gguf"]),
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
        ("MODEL=a/b\nTP=2\nvllm serve $MODEL -tp ${TP}", ["vllm", "serve", "a/b", "-tp", "2"]),
        ("vllm serve ${1:-a/b} --port ${PORT:=8000}", ["vllm", "serve", "a/b", "--port", "8000"]),
        ('A="-c 4096 -ngl 9"\nllama-cli -m a $A', ["llama-cli", "-m", "a", "-c", "4096", "-ngl", "9"]),
        ('A="b c"\nllama-cli -m "$A"', ["llama-cli", "-m", "b c"]),
        ("A=1 && llama-cli -m '$A'", ["llama-cli", "-m", "$A"]),
        (
            'A=(-c 4096  # long\n  -m "b c")\nA+=(-ngl 9)\nllama-cli "${A[@]}"',
            ["llama-cli", "-c", "4096", "-m", "b c", "-ngl", "9"],
        ),
        ("llama-cli -m $MODEL -c ${CTX}", ["llama-cli", "-m", "$MODEL", "-c", "${CTX}"]),
        ('llama-cli -m "/m/$(basename "$(pwd)/x/a.gguf")"', ["llama-cli", "-m", "/m/a.gguf"]),
        ("N=4; llama-cli -m a -c $((N * 1024))", ["llama-cli", "-m", "a", "-c", "4096"]),
        ("X=${X:-a.gguf}\nX=${X##*/}\nllama-cli -m ${X%.gguf}.bin", ["llama-cli", "-m", "a.bin"]),
        ("cat <<EOF > c.json\nllama-cli -m b\nEOF\nllama-cli -m a", ["llama-cli", "-m", "a"]),
        ("while true; do M=$2; done; M=a; llama-cli -m $M", ["llama-cli", "-m", "a"]),
        ("M=a\nwhile [ $# -gt 0 ]; do M=$2; shift; done\nllama-cli -m $M", ["llama-cli", "-m", "a"]),
        ("if ! pgrep x; then\n  nohup llama-cli -m a &\nfi", ["nohup", "llama-cli", "-m", "a"]),
        ("for m in a b; do llama-cli -m $m; done", ["llama-cli", "-m", "a"]),
        ("docker rm -f x || true\ndocker run ollama/ollama", ["docker", "run", "ollama/ollama"]),
        ("# how to start it\nllama-cli -m a", ["llama-cli", "-m", "a"]),
        ("# llama-cli -m a", ["llama-cli", "-m", "a"]),
        ("$ cd x\n$ llama-cli -m a", ["env", "-C", "x", "llama-cli", "-m", "a"]),
        ("alias l='llama-cli -m a -ngl 9'", ["llama-cli", "-m", "a", "-ngl", "9"]),
        ('[Service]\nEnvironment="A=1"\nExecStart=-/usr/bin/llama-cli -m a', ["A=1", "/usr/bin/llama-cli", "-m", "a"]),
        ('FROM x\nCMD ["llama-cli", "-m", "a b"]', ["llama-cli", "-m", "a b"]),
        (
            'set "N=9"\nset M=b c\n@llama-cli.exe -m %M% -ngl !N!',
            ["N=9", "M=b c", "llama-cli.exe", "-m", "b", "c", "-ngl", "9"],
        ),
        ("$Model = 'C:\\m\\a.gguf'\n& .\\llama-cli.exe -m $Model", [".\\llama-cli.exe", "-m", "C:\\m\\a.gguf"]),
        ("REM llama-cli -m b\nllama-cli.exe -m a", ["llama-cli.exe", "-m", "a"]),
        ("llama-cli -m {{ model_path }} -c 1", ["llama-cli", "-m", "{{ model_path }}", "-c", "1"]),
        ("(cd x && llama-cli -m a)", ["env", "-C", "x", "llama-cli", "-m", "a"]),
        ("(cd x; make) && llama-cli -m a", ["llama-cli", "-m", "a"]),
        ("cd x\ncd ..\nllama-cli -m a", ["llama-cli", "-m", "a"]),
        ('cd "$HERE" && llama-cli -m a', ["llama-cli", "-m", "a"]),
        ("if true; then cd x; fi\nllama-cli -m a", ["llama-cli", "-m", "a"]),
        ("pushd x\nmake\npopd\nllama-cli -m a", ["llama-cli", "-m", "a"]),
        ("llama-cli -m a \\\n", ["llama-cli", "-m", "a"]),
        ("llama-cli -m a \\\n> $LOG 2>&1", ["llama-cli", "-m", "a"]),
        ("llama-cli -m a \\\n> -c 1 \\\n> -ngl 9", ["llama-cli", "-m", "a", "-c", "1", "-ngl", "9"]),
        ('RUN="llama-cli -m $M -c 1"\nexec $RUN', ["exec", "llama-cli", "-m", "$M", "-c", "1"]),
        ("$A = 1 # once\n$A = 2\n.\\llama-cli.exe -m $A", [".\\llama-cli.exe", "-m", "2"]),
        ('CMD ["llama-cli", \\\n  # "-c", "1", \\\n  "-m", "a"]', ["llama-cli", "-m", "a"]),
        ("ollama serve & sleep 1 && ollama run a", ["ollama", "run", "a"]),
        ("  - llama-cli -m a", ["llama-cli", "-m", "a"]),
        ("llama-cli -m a `# the model` -c 1 ```", ["llama-cli", "-m", "a", "-c", "1"]),
        ('RUN=(\n  llama-cli\n  -m "a b"\n)', ["llama-cli", "-m", "a b"]),
        ('RUN="llama-cli -m a"\necho done', ["llama-cli", "-m", "a"]),
        ("run_command: 'llama-cli -m {{m}} -c 1'", ["llama-cli", "-m", "{{m}}", "-c", "1"]),
        (
            "models:\n  a:\n    cmd: |\n      llama-cli\n      -m a\n      -c 1\n    ttl: 9",
            ["llama-cli", "-m", "a", "-c", "1"],
        ),
        ("lms server start\nlms load a --gpu max", ["lms", "load", "a", "--gpu", "max"]),
        ("A=$A$A\nllama-cli -m $A", ["llama-cli", "-m", "$A$A"]),
        ('set A="b c"\nllama-cli.exe -p %A%', ["A=b c", "llama-cli.exe", "-p", "b c"]),
        ('set "A=-c 1"\nllama-cli.exe %A%', ["A=-c 1", "llama-cli.exe", "-c", "1"]),
        ("", []),
        ("cd x", []),
        ("ExecStart=vllm serve a/b\nEnvironment=A=1 'B=2 3'", ["A=1", "B=2 3", "vllm", "serve", "a/b"]),
        ("Environment=A=1 M=a/b\nExecStart=vllm serve $M\nEnvironment=A=2", ["A=2", "M=a/b", "vllm", "serve", "a/b"]),
        ("Environment=A=1\nEnvironment=\nExecStart=vllm serve a/b", ["vllm", "serve", "a/b"]),
        ("ExecStart=vllm serve a/b\nEnvironment=A=1\nExecStart=vllm serve c/d", ["vllm", "serve", "a/b"]),
        ("To begin, use `vllm serve a/b`.", ["vllm", "serve", "a/b"]),
        ("It's `vllm serve a/b`", ["vllm", "serve", "a/b"]),
    ],
)
def test_a_line_becomes_the_words_of_its_command(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize("text", ["llama-server -m 'a", "x" * 100_000])
def test_what_no_shell_would_take_is_said_in_a_sentence(text):
    with pytest.raises(UnreadableLine):
        words_of(text)


def test_variables_that_hold_each_other_are_kept_within_bounds():
    doubling = "\n".join(["A=xxxxxxxx", *["A=$A$A$A$A"] * 30, "llama-cli -m $A"])
    assert len(words_of(doubling)[2]) <= 1 << 18


@pytest.mark.parametrize("part", ["$(", "${a:-", '"$(echo ', "A=(", "alias a='", "`", "{{ a ", "for a in b; do ", "\\"])
def test_what_nests_without_an_end_is_taken_or_refused(part):
    with contextlib.suppress(UnreadableLine):
        assert words_of(part * 5000) is not None


@given(st.text(alphabet="ab '\"\\|&;<>()^`$#\n=-{}:%!", max_size=40))
def test_any_line_is_taken_or_refused(text):
    with contextlib.suppress(UnreadableLine):
        assert all(isinstance(word, str) for word in words_of(text))


def test_shells_within_shells_are_read_through():
    text = "llama-server -m a.gguf"
    for _ in range(7):
        text = f"bash -c {quote(text)}"
    (launch,) = read_launches(Command(arguments=tuple(words_of(text))))
    assert launch.source == "a.gguf"


@pytest.mark.parametrize("text", ["TOLD=$(llama-cli -m a)", 'TOLD="$(llama-cli -m a 2>&1)"\necho "$TOLD"'])
def test_a_command_whose_output_is_kept_is_started(text):
    assert words_of(text) == ["llama-cli", "-m", "a"]
