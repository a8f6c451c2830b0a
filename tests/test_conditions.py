"""What stands behind a test of a script counts only where it may be reached."""

import pytest

from launches.command import Command
from launches.conditions import outcome
from launches.errors import UnknownProgram
from launches.loads import read_loads


def loaded(script, **environment):
    command = Command(arguments=("bash", "-c", script), environment={"PATH": "/bin", **environment})
    return [(load.launches[0].source, load.launches[0].context_tokens) for load in read_loads(command)]


def doubts(script):
    command = Command(arguments=("bash", "-c", script), environment={"PATH": "/bin"})
    return " ".join(read_loads(command)[0].launches[0].doubts)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["[", "1", "=", "1", "]"], True),
        (["[[", "0", "==", "1", "]]"], False),
        (["test", "a", "!=", "b"], True),
        (["[", "-n", "", "]"], False),
        (["[[", "-z", "", "]]"], True),
        (["[", "2", "-gt", "10", "]"], False),
        (["[", "-f", "a", "]"], None),
        (["[", "$X", "=", "1", "]"], None),
        (["[[", "ab", "==", "a*", "]]"], None),
        (["grep", "a", "b"], None),
    ],
)
def test_a_test_is_told_where_all_that_it_compares_is_known(words, expected):
    assert outcome(words, " ".join(word for word in words if "$" not in word), ()) is expected


BIG = 'if [[ "${BIG:-0}" == "1" ]]; then '


@pytest.mark.parametrize(
    "script",
    [
        f"{BIG}ARGS+=(--max-model-len 9); fi; vllm serve a/b ${{ARGS[@]}} --max-model-len 4",
        f"M=a/b; {BIG}M=c/d; fi; vllm serve $M --max-model-len 4",
        f"{BIG}M=c/d; else M=a/b; fi; vllm serve $M --max-model-len 4",
        f"{BIG}A=(c/d); else A=(a/b); fi; vllm serve ${{A[@]}} --max-model-len 4",
        f"{BIG}vllm serve c/d; else vllm serve a/b --max-model-len 4; fi",
        f"{BIG}vllm serve c/d; elif [ 1 = 1 ]; then vllm serve a/b --max-model-len 4; else vllm serve e/f; fi",
        f"{BIG}if unknown; then vllm serve c/d; else vllm serve e/f; fi; fi; vllm serve a/b --max-model-len 4",
        f"{BIG}for x in c/d e/f; do vllm serve $x; done; fi; vllm serve a/b --max-model-len 4",
        f"f() {{ vllm serve c/d; }}; {BIG}f; fi; vllm serve a/b --max-model-len 4",
        "if ! [ 1 = 1 ]; then vllm serve c/d; fi; vllm serve a/b --max-model-len 4",
        "M=a/b; [ '' = 1 ] && M=c/d; vllm serve $M --max-model-len 4",
        "[ 0 = 1 ] && vllm serve c/d || vllm serve a/b --max-model-len 4",
        "[ 1 = 1 ] || vllm serve c/d; vllm serve a/b --max-model-len 4",
        'if [ "$USE_BIG" = 1 ]; then M=c/d; else M=a/b; fi; vllm serve $M --max-model-len 4',
        "if [[ -n $BIG ]]; then vllm serve c/d; fi; vllm serve a/b --max-model-len 4",
        "f() { if [ $1 = a ]; then vllm serve a/b --max-model-len 4; return; fi; vllm serve c/d; }; f a; echo",
        "[ 0 = 1 ] && { vllm serve c/d; vllm serve e/f; }; vllm serve a/b --max-model-len 4",
        "if [ 1 = 1 ]; then vllm serve a/b --max-model-len 4; exit; fi; vllm serve c/d",
        "if [ 1 = 1 ]; then exec vllm serve a/b --max-model-len 4; fi\nvllm serve c/d",
    ],
)
def test_a_branch_that_is_not_taken_loads_and_sets_nothing(script):
    assert loaded(script) == [("a/b", 4)]


def test_a_branch_that_is_taken_sets_what_it_says():
    script = f"C=4; {BIG}C=9; fi; vllm serve a/b --max-model-len $C"
    assert (loaded(script), loaded(script, BIG="1")) == ([("a/b", 4)], [("a/b", 9)])


@pytest.mark.parametrize(
    "test",
    [
        "[ -f x ]",
        "[ 0 = 1 ] || [ -f x ]",
        "read X; [ $X = 1 ]",
        "X=0; unknown && read X; [ $X = 1 ]",
        "X=0; while true; do case $1 in --big) X=1;; esac; shift; done; [ $X = 1 ]",
        "cat x; [ $? = 0 ]",
        "i=0; for x in *; do i=$((i+1)); done; [ $i = 2 ]",
        'source .env; [ "$X" = 1 ]',
        'export $(cat .env); [ "$X" = 1 ]',
        'module load cuda; [ -n "$CUDA_HOME" ]',
        'X=0; X=$(cat x); [ "$X" = 1 ]',
        '[ "$UID" = 0 ]',
    ],
)
def test_a_branch_of_which_nothing_is_known_may_be_taken(test):
    before, semicolon, asked = test.rpartition("; ")
    script = f"{before}{semicolon}vllm serve a/b; if {asked}; then vllm serve c/d; fi"
    assert "if they are reached" in doubts(script)


@pytest.mark.parametrize(
    "script",
    [
        "if unknown; then M=a/b; else M=c/d; fi; vllm serve $M",
        "M=a/b; if unknown; then M=c/d; fi; vllm serve $M",
        'M=a/b; if unknown; then M=c/d; fi; A="serve $M"; vllm $A',
        "A=(a/b); if unknown; then A+=(--max-model-len 9); fi; vllm serve ${A[@]}",
        "if unknown; then A=(a/b); else A=(c/d); fi; vllm serve ${A[@]}",
        "M=a/b; while unknown; do M=c/d; done; vllm serve $M",
        'M=a/b; if unknown; then M=c/d; fi; bash -c "vllm serve $M"',
    ],
)
def test_a_load_is_doubted_where_a_condition_may_have_set_what_it_is_told_by(script):
    assert "may set $" in doubts(script)


@pytest.mark.parametrize(
    "script",
    [
        "M=a/b; if unknown; then M=a/b; fi; vllm serve $M",
        "if unknown; then X=1; fi; vllm serve a/b",
        "if unknown; then M=c/d; fi; M=a/b; vllm serve $M",
        "if [ 1 = 1 ]; then A=(a/b); else A=(c/d); fi; vllm serve ${A[@]}",
        "for M in a/b; do vllm serve $M; done",
    ],
)
def test_a_load_is_not_doubted_where_no_condition_bears_on_it(script):
    assert "may set $" not in doubts(script)


def test_a_branch_of_a_later_round_may_be_taken():
    script = "i=0; vllm serve a/b; for x in *; do i=$((i+1)); if [ $i = 2 ]; then vllm serve c/d; fi; done"
    assert "if they are reached" in doubts(script)


def test_a_script_that_stops_before_its_engine_is_told_of_as_a_whole():
    with pytest.raises(UnknownProgram, match="nothing that this script comes to"):
        loaded('if [ -z "$MODEL" ]; then echo set MODEL; exit 1; fi; vllm serve $MODEL')
