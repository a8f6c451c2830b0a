"""Every load of every script that a command starts is found, and which of them run beside each other."""

import os

import pytest

from launches.command import Command
from launches.errors import LoadsElsewhere, UnknownProgram
from launches.loads import MOST_LOADS, read_loads
from launches.uncounted import Uncounted

A, B, C = (f"vllm serve m/{name}" for name in "abc")


def loads_of(script, *given, directory="", reads_scripts=False):
    words = ("bash", "-c", script, *given)
    command = Command(arguments=words, environment={"PATH": "/bin"}, directory=directory, reads_scripts=reads_scripts)
    return read_loads(command)


def told(script, *given, **manner):
    """(model, which before it may run beside it) of each."""
    return [
        (load.launches[0].source.removeprefix("m/"), sorted(load.beside)) for load in loads_of(script, *given, **manner)
    ]


ALONE = [()]
ONE_BY_ONE = [("a", ALONE), ("b", ALONE), ("c", ALONE)]


@pytest.mark.parametrize(
    "script",
    [
        f"{A}; bash -c '{B}; {C}'",
        f"bash -c '{A}; {B}'; {C}",
        f"bash -c \"bash -c '{A}; {B}'\"; {C}",
        f"{A} && sudo bash -c '{B} && {C}'",
        f"{A}; eval '{B}'; timeout 9 bash -c '{C}'",
        f"cat > s.sh <<'E'\n{B}\n{C}\nE\n{A}; bash ./s.sh",
        f"cat > s.sh <<'E'\n{B}\n{C}\nE\n{A}; ./s.sh",
        f"{A}; bash <<E\n{B}\n{C}\nE",
        f"bash <<E\n{A}\n{B}\nE\n{C}",
        f"bash <<< '{A}; {B}'; {C}",
        f"{A}; docker run --gpus all --entrypoint bash image -c '{B}; {C}'",
        "for m in a b c; do vllm serve m/$m; done",
        "for m; do vllm serve m/$m; done",
        'for m in "$@"; do vllm serve "m/$m"; done',
        "M=(a b c); for m in ${M[@]}; do vllm serve m/$m; done",
        'f() { vllm serve "m/$1"; }; f a; f b; f c',
        f"f () {{ {B}; }}\n{A}; f\n{C}",
        f"function f {{ {B}; }}\n{A}; f; {C}",
        f"f()\n{{\n  {B}\n}}\n{A}; f; {C}",
        f"f(){{ {A}; {B}; return; {A}; }}; f; {C}",
        f"{A} & wait; {B} & wait $!; {C}",
        f"{A} & P=$!; {B} & Q=$!; kill $P $Q; {C}".replace(f"{B} &", f"kill $P; {B} &"),
        f"X=$({A}); echo $({B}); Y=`{C}`",
        f"{A}; {B}; {C}; exit 0; {A}",
        f"{A}; {B}; exec {C}; {A}",
    ],
)
def test_loads_after_each_other(script):
    assert told(script, "name", "a", "b", "c") == ONE_BY_ONE


@pytest.mark.parametrize(
    ("script", "beside"),
    [
        (f"{A} & {B} & {C}", [ALONE, [(0,)], [(0, 1)]]),
        (f"bash -c '{A} & {B}' & {C}", [ALONE, [(0,)], [(0, 1)]]),
        (f"bash -c '{A} & {B}'; {C}", [ALONE, [(0,)], [(0,)]]),
        (f"bash -c '{A}; {B}' & {C}", [ALONE, ALONE, [(0,), (1,)]]),
        (f"({A}; {B}) & {C}", [ALONE, ALONE, [(0,), (1,)]]),
        (f"{{ {A}; {B}; }} & {C}", [ALONE, ALONE, [(0,), (1,)]]),
        (f"coproc {A}; {B}; {C}", [ALONE, [(0,)], [(0,)]]),
        (f"{A} && {B} & {C}", [ALONE, ALONE, [(0,), (1,)]]),
        (f"{A} | tee log & {B}; {C}", [ALONE, [(0,)], [(0,)]]),
        (f"{A} | {B} | {C}", [ALONE, [(0,)], [(0, 1)]]),
        (f"({A} &) ; {B}; {C}", [ALONE, [(0,)], [(0,)]]),
        (f"({A} & {B} & wait); {C}", [ALONE, [(0,)], ALONE]),
        (f"{A} & (wait; {B}); {C}", [ALONE, [(0,)], [(0,)]]),
        (f"{A} & kill $!; {B} & {C}", [ALONE, ALONE, [(1,)]]),
        ("for m in a b c; do vllm serve m/$m & done; wait", [ALONE, [(0,)], [(0, 1)]]),
        ('f() { vllm serve "m/$1"; }; f a & f b & f c', [ALONE, [(0,)], [(0, 1)]]),
        ('f() { vllm serve "m/$1" & }; f a; f b; f c', [ALONE, [(0,)], [(0, 1)]]),
        (f"tmux new -d -s x '{A}; {B}'; {C}", [ALONE, ALONE, [(0,), (1,)]]),
        (f"tmux send-keys -t x '{A}' Enter; {B}; {C}", [ALONE, [(0,)], [(0,)]]),
        (f"docker run -d --gpus all image {A}; docker run --rm --gpus all image {B}; {C}", [ALONE, [(0,)], [(0,)]]),
        (f"echo 'x & y'; {A}; {B} 2>&1; {C} &> log", [ALONE, ALONE, ALONE]),
    ],
)
def test_loads_beside_each_other(script, beside):
    assert told(script) == list(zip("abc", beside, strict=True))


@pytest.mark.parametrize(
    "script",
    [
        f"{A}; for m in *.gguf; do llama-cli -m $m; done",
        f"{A}; for m in $LIST; do {A}; done",
        f"{A}; launcher '{B}'",
        f"while x; do {A} & done",
        f"xargs -P 4 -I X {A} < list",
        f"f() {{ {A}; f; }}; f",
    ],
)
def test_what_may_be_loaded_too_is_said(script):
    assert any(isinstance(doubt, Uncounted) for doubt in loads_of(script)[0].launches[0].doubts)


@pytest.mark.parametrize(
    "script",
    [
        f"{A}; grep x y || exit 1; {B}",
        f"if grep x y; then echo; fi; {A}; {B}",
        f"grep x y || {{ echo; exit 1; }}; {A} & {B}",
        f"case $1 in x) echo;; esac; {A}; {B}",
        f"while sleep 1; do grep x y; done; {A}; {B}",
    ],
)
def test_what_is_reached_in_any_case_is_counted_behind_a_condition(script):
    loads = loads_of(script)
    assert [load.launches[0].source for load in loads] == ["m/a", "m/b"]
    assert loads[0].launches[0].doubts == ()


@pytest.mark.parametrize(
    ("script", "beside"),
    [
        (f"{A} & if grep x y; then wait; fi; {B}", [ALONE, [(0,)]]),
        (f"if grep x y; then {A} & fi; {B}", [ALONE, [(0,)]]),
        (f"if grep x y; then {A}; {B} & else {B}; {A} & fi", [ALONE, ALONE]),
        (f"{A} || {B}", [ALONE, ALONE]),
        (f"{A}; bash -c 'grep x y || bash -c \"{B}\"'", [ALONE, ALONE]),
    ],
)
def test_what_runs_beside_a_load_is_told_over_all_branches(script, beside):
    found = dict(told(script))
    assert [found[source] for source in "abc" if source in found][: len(beside)] == beside


def test_what_a_function_is_given_is_its_own():
    script = 'f() { vllm serve "$1" --max-model-len ${2:-2048}; }; f "$2" 4096; f "$1"; A=1 f $#'
    found = [(load.launches[0].source, load.launches[0].context_tokens) for load in loads_of(script, "x", "m/a", "m/b")]
    assert found == [("m/b", 4096), ("m/a", 2048), ("2", 2048)]


def test_what_stands_before_a_call_is_set_in_it_alone():
    script = f"f() {{ {A}; }}; CUDA_VISIBLE_DEVICES=1 f; f"
    environments = [load.launches[0].environment.get("CUDA_VISIBLE_DEVICES") for load in loads_of(script)]
    assert environments == ["1", None]


def test_shift_makes_the_next_word_the_first():
    assert told("shift; vllm serve m/$1", "x", "z", "a") == [("a", ALONE)]


def test_the_devices_of_each_round_are_its_own():
    script = f"for i in {{0..2}}; do CUDA_VISIBLE_DEVICES=$i {A} & done"
    assert [load.launches[0].environment["CUDA_VISIBLE_DEVICES"] for load in loads_of(script)] == ["0", "1", "2"]


@pytest.mark.parametrize("values", ["$(seq 0 500)", "{1..5000}", "$(seq 1 0 9)"])
def test_many_rounds_are_bounded(values):
    loads = loads_of(f"for i in {values}; do {A}; done")
    assert len(loads) <= MOST_LOADS
    assert any(isinstance(doubt, Uncounted) for doubt in loads[0].launches[0].doubts)


def test_a_second_load_in_a_container_finds_its_files_there(tmp_path):
    script = "llama-server -m /m/a.gguf & llama-server -m /m/b.gguf"
    words = ("docker", "run", "--memory", "8g", "-v", f"{tmp_path}:/m", "--entrypoint", "bash", "image", "-c", script)
    first, second = read_loads(Command(arguments=words))
    assert second.launches[0].source == f"{tmp_path}/b.gguf"
    assert second.launches[0].ram_limit_bytes == first.launches[0].ram_limit_bytes == 8 << 30
    assert (first.launches[0].devices, second.launches[0].devices) == ((), ())


def test_services_of_a_compose_file_that_are_scripts_count_all(tmp_path):
    (tmp_path / "compose.yaml").write_text(
        "services:\n"
        f"  x: {{image: i, entrypoint: [bash, -c, '{A}; {B}']}}\n"
        f"  y: {{image: i, entrypoint: [bash, -c, '{C}']}}\n"
    )
    loads = read_loads(Command(arguments=("docker", "compose", "up"), directory=str(tmp_path)))
    assert [(load.launches[0].source, sorted(load.beside)) for load in loads] == [
        ("m/a", ALONE),
        ("m/b", ALONE),
        ("m/c", [(0,), (1,)]),
    ]


def test_ollama_s_client_loads_by_what_its_server_was_told():
    script = "OLLAMA_CONTEXT_LENGTH=65536 ollama serve & sleep 5; ollama run qwen3:8b"
    (load,) = loads_of(script)
    assert load.launches[0].context_tokens == 65536


# Files


def written(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.sh").write_text(content)


@pytest.mark.parametrize(
    "line", ["bash one.sh m/a", "./one.sh m/a", "sh -x one.sh m/a", ". ./one.sh m/a", "source one.sh m/a"]
)
def test_a_script_in_a_file_is_read_where_it_is_typed(tmp_path, line):
    written(tmp_path, one="#!/bin/sh\nvllm serve $1\nbash two.sh\n", two=f"{B}\n")
    assert told(line, directory=str(tmp_path), reads_scripts=True) == [("a", ALONE), ("b", ALONE)]
    with pytest.raises(UnknownProgram):
        told(line, directory=str(tmp_path))


def test_the_command_itself_may_be_a_script_in_a_file(tmp_path):
    written(tmp_path, one=f"#!/usr/bin/env bash\n{A} &\n{B}\n")
    command = Command(arguments=("./one.sh",), directory=str(tmp_path), reads_scripts=True)
    assert [load.launches[0].source for load in read_loads(command)] == ["m/a", "m/b"]


@pytest.mark.parametrize(
    "content", [b"#!/usr/bin/python\nvllm serve m/a\n", b"\x7fELF\0vllm serve m/a\n", b"vllm\0serve"]
)
def test_what_is_no_script_of_a_shell_is_not_read_as_one(tmp_path, content):
    (tmp_path / "one").write_bytes(content)
    with pytest.raises(UnknownProgram):
        read_loads(Command(arguments=("./one",), directory=str(tmp_path), reads_scripts=True))


def test_a_script_that_is_too_long_to_be_read_leaves_a_doubt(tmp_path):
    written(tmp_path, one="#" * 70_000)
    first = loads_of(f"{A}; bash one.sh", directory=str(tmp_path), reads_scripts=True)[0]
    assert any(isinstance(doubt, Uncounted) for doubt in first.launches[0].doubts)


def test_scripts_that_start_each_other_end(tmp_path):
    written(tmp_path, one=f"{A}\nbash two.sh\n", two="bash one.sh\n")
    loads = loads_of("bash one.sh", directory=str(tmp_path), reads_scripts=True)
    assert len(loads) <= MOST_LOADS


def test_a_pipe_in_place_of_a_script_holds_nothing_up(tmp_path):
    os.mkfifo(tmp_path / "one.sh")
    with pytest.raises(UnknownProgram):
        loads_of("bash one.sh", directory=str(tmp_path), reads_scripts=True)


@pytest.mark.parametrize("line", [f"ssh gpu bash <<E\n{A}\nE", f"ssh gpu '{A}'", f"docker -c far run image {A}"])
def test_what_another_machine_loads_is_none_of_it(line):
    assert told(f"{line}\n{B}") == [("b", ALONE)]
    with pytest.raises(LoadsElsewhere):
        told(line)
