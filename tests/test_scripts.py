"""A script that a shell is given is read as it would run: what it only writes, quotes or remarks on starts nothing."""

import pytest

from launches.command import Command
from launches.errors import LoadsElsewhere, UnknownProgram
from launches.launch import read_launches
from launches.line import words_of
from launches.loads import read_loads

ENGINE = "vllm serve a/b"


def read(script):
    return read_launches(Command(arguments=("bash", "-c", script), environment={"PATH": "/bin"}))


@pytest.mark.parametrize(
    "script",
    [
        f"# {ENGINE}\necho ran",
        f"CMD='{ENGINE}'; echo ran",
        f"alias v='{ENGINE}'; echo ran",
        f"cat > start.sh <<'EOF'\n{ENGINE}\nEOF\necho ran",
        f"cat > start.sh <<'EOF'\n{ENGINE}\nEOF\nscp start.sh gpu:",
        f"echo ran; ls {ENGINE}",
        f"printf 'use `{ENGINE}`'",
        f"f(){{ {ENGINE}; }}; ls",
        f"f() {{\n  echo a\n  {ENGINE}\n}}\nls",
        f"function f {{ {ENGINE}; }}; ls",
    ],
)
def test_what_a_script_does_not_run_is_no_launch(script):
    with pytest.raises(UnknownProgram):
        read(script)


@pytest.mark.parametrize(
    "script",
    [
        f"CMD='{ENGINE}'; $CMD",
        f"CMD='{ENGINE}'; eval \"$CMD\"",
        f'A=({ENGINE}); "${{A[@]}}"',
        f"f(){{ {ENGINE}; }}; f",
        f"f() {{\n  {ENGINE}\n}}\nf",
        f"function f {{ {ENGINE}; }}; f",
        f"f(){{ ls; }}; {ENGINE}",
        f"cat > start.sh <<'EOF'\n{ENGINE}\nEOF\nbash start.sh",
        f"cat > start.sh <<'EOF'\n{ENGINE}\nEOF\nchmod +x start.sh; nohup ./start.sh &",
        f"cat > start.sh <<'EOF'\n{ENGINE}\nEOF\n. ./start.sh",
        f"bash <<EOF\n{ENGINE}\nEOF",
        f"cat <<EOF | sh\n{ENGINE}\nEOF",
        "cat > start.sh <<EOF\nvllm serve \\\\\n  a/b\nEOF\nbash start.sh",
        "M=c/d\nbash <<EOF\nM=a/b\nvllm serve \\$M\nEOF",
        "M=a/b\nbash <<EOF\nvllm serve $M\nEOF",
    ],
)
def test_what_a_script_runs_is_read(script):
    assert read(script)[0].source == "a/b"


@pytest.mark.parametrize(
    "script",
    [
        f'CMD="{ENGINE}"; ssh gpu "$CMD"',
        f'CMD="{ENGINE}"; kubectl exec p -- $CMD',
        f"ssh gpu <<EOF\n{ENGINE}\nEOF",
        f"ssh gpu bash <<EOF\n{ENGINE}\nEOF",
    ],
)
def test_what_a_script_has_another_machine_run_is_not_judged_here(script):
    with pytest.raises(LoadsElsewhere):
        read(script)


def test_what_surely_loads_is_read_before_what_an_unknown_program_may_only_read():
    assert [launch.source for launch in read(f"claude 'vllm serve c/d'; {ENGINE}")] == ["a/b"]
    assert [launch.is_guess for launch in read("claude 'vllm serve c/d'; ls")] == [True]


def test_what_loads_here_is_read_though_another_machine_is_asked_before():
    assert read(f"ssh -fN -L 1:box:1 box; {ENGINE}")[0].source == "a/b"


@pytest.mark.parametrize(
    "text",
    [
        "OLLAMA_NUM_PARALLEL=2 OLLAMA_CONTEXT_LENGTH=8192 ollama serve & ollama run a",
        "OLLAMA_NUM_PARALLEL=2 OLLAMA_CONTEXT_LENGTH=8192 nohup ollama serve > log &\nsleep 5; time ollama run a hi",
        "docker run -d --gpus all -e OLLAMA_NUM_PARALLEL=2 -e OLLAMA_CONTEXT_LENGTH=8192 --name o ollama/ollama\n"
        "docker exec -it o ollama run a",
    ],
)
def test_what_a_server_is_told_holds_for_the_model_that_the_same_text_asks_it_for(text):
    (launch,) = read_launches(Command(arguments=tuple(words_of(text))))
    assert (launch.program, launch.source) == ("ollama run", "a")
    assert (launch.context_tokens, launch.n_sequences, launch.doubts) == (16_384, 2, ())


def test_all_that_a_server_is_asked_for_is_loaded_as_it_is_told():
    script = "OLLAMA_NUM_PARALLEL=2 ollama serve & ollama run a; ollama run b"
    loads = read_loads(Command(arguments=("bash", "-c", script)))
    assert [(launch.source, launch.n_sequences) for load in loads for launch in load.launches] == [("a", 2), ("b", 2)]


@pytest.mark.parametrize("behind", ["vllm serve c/d", "echo it's", "ollama pull a", "docker exec o ollama run a"])
def test_a_server_that_something_else_stands_behind_is_read_alone(behind):
    (launch,) = read_launches(Command(arguments=tuple(words_of(f"OLLAMA_NUM_PARALLEL=2 ollama serve & {behind} '"))))
    assert (launch.program, launch.n_sequences) == ("ollama serve", 2)
