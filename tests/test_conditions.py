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
    assert [source for source, _ in loaded(script)] == ["a/b", "c/d"]


BOTH = ["a/b", "c/d"]


@pytest.mark.parametrize(
    "script",
    [
        "if grep x y; then M=a/b; else M=c/d; fi; vllm serve $M",
        "M=c/d; if grep x y; then M=a/b; fi; vllm serve $M",
        'M=c/d; if grep x y; then M=a/b; fi; A="serve $M"; vllm $A',
        "A=(c/d); if grep x y; then A=(a/b); fi; vllm serve ${A[@]}",
        "if grep x y; then A=(a/b); else A=(c/d); fi; vllm serve ${A[@]}",
        'M=c/d; if grep x y; then M=a/b; fi; bash -c "vllm serve $M"',
        "M=c/d; grep x y && M=a/b; vllm serve $M",
        "M=a/b; grep x y || M=c/d; vllm serve $M",
        "[ -f x ] && M=a/b || M=c/d; vllm serve $M",
        "if grep x y; then vllm serve a/b; else vllm serve c/d; fi",
        "if grep x y; then vllm serve a/b; exit; fi; vllm serve c/d",
        "if grep x y; then exec vllm serve a/b; fi\nvllm serve c/d",
        "f() { if grep x y; then vllm serve a/b; return; fi; vllm serve c/d; }; f",
        "if grep x y; then f() { vllm serve a/b; }; else f() { vllm serve c/d; }; fi; f",
        "if ! grep x y; then echo; elif grep x z; then vllm serve a/b; else vllm serve c/d; fi",
        "vllm serve a/b || vllm serve c/d",
        "vllm serve a/b && echo ready || vllm serve c/d",
        "{ grep x y; echo; } || vllm serve a/b; grep x z || vllm serve c/d",
        "case $1 in big) vllm serve a/b;; *) vllm serve c/d;; esac",
        "case $1 in\n  big|huge) M=a/b ;;\n  (small) M=c/d ;;\n  *) echo usage; exit 1 ;;\nesac\nvllm serve $M",
        "case $1 in big) vllm serve a/b;;& *) vllm serve c/d;; esac",
        "case $1 in big) vllm serve a/b;& small) vllm serve c/d;; esac",
        "vllm serve a/b; while grep x y; do vllm serve c/d; done",
        "vllm serve a/b; until grep x y; do sleep 1; done; vllm serve c/d",
        "if command -v vllm >/dev/null 2>&1 && grep x y; then vllm serve a/b; else vllm serve c/d; fi",
        "if grep x y; then cd a; fi; if grep x z; then vllm serve a/b; else vllm serve c/d; fi",
    ],
)
def test_a_condition_that_nobody_knows_is_taken_both_ways(script):
    assert sorted({source for source, _ in loaded(script)}) == BOTH
    assert "condition" not in doubts(script)


def test_each_of_many_conditions_is_turned_over():
    tests = "".join(f"if grep x {n}; then A{n}=1; fi; " for n in range(9))
    script = f"{tests}M=a/b; if grep x y; then M=c/d; fi; vllm serve $M"
    assert sorted(source for source, _ in loaded(script)) == BOTH


def test_what_makes_no_difference_makes_no_ways():
    tests = "".join(f"if [ -t {n} ]; then echo; else echo; fi; grep x {n} || exit 1; " for n in range(9))
    script = f"{tests}if grep x y; then vllm serve a/b; else vllm serve c/d; fi"
    assert sorted(source for source, _ in loaded(script)) == BOTH
    assert doubts(script) == ""


def test_more_outcomes_than_are_gone_through_leave_a_doubt():
    tests = "".join(f"if grep x {n}; then A=$A{n}; fi; " for n in range(9))
    assert "more outcomes than" in doubts(f"{tests}vllm serve a/b --served-model-name $A")


def branches(script):
    command = Command(arguments=("bash", "-c", script), environment={"PATH": "/bin"})
    return {load.launches[0].source: load.branch for load in read_loads(command)}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("if [ -f x ]; then vllm serve a/b; else vllm serve c/d; fi", ("`[ -f x ]` holds", "`[ -f x ]` does not hold")),
        ("M=c/d; if grep -q x y; then M=a/b; fi; vllm serve $M", ("`grep -q x y` succeeds", "`grep -q x y` fails")),
        ("grep x y || vllm serve a/b; vllm serve c/d", ("`grep x y` fails", "")),
        ("case $1 in big) vllm serve a/b;; esac; vllm serve c/d", ("`$1` is `big`", "")),
        ("if grep x y; then echo; exit 1; fi; vllm serve a/b; vllm serve c/d", ("", "")),
        ("cd x || exit 1; vllm serve a/b; if grep x y; then export A=1; fi; vllm serve c/d", ("", "")),
        (
            "if grep x y; then if [ -d z ]; then vllm serve a/b; fi; fi; vllm serve c/d",
            ("`grep x y` succeeds and `[ -d z ]` holds", ""),
        ),
    ],
)
def test_a_load_tells_how_conditions_come_out_where_it_is_not_always_reached(script, told):
    assert branches(script) == dict(zip(BOTH, told, strict=True))


@pytest.mark.parametrize(
    ("script", "source"),
    [
        ("M=big; case $M in small) vllm serve c/d;; b*) vllm serve a/b;; *) vllm serve e/f;; esac", "a/b"),
        ("case x in x|y) vllm serve a/b;; *) vllm serve c/d;; esac", "a/b"),
        ("case y in\n  (x | y | z) vllm serve a/b;;\n  *) vllm serve c/d;;\nesac", "a/b"),
        ("case x in y|z) vllm serve c/d;; *) vllm serve a/b;; esac", "a/b"),
        ("while true; do vllm serve a/b; sleep 5; done", "a/b"),
        ("while false; do vllm serve c/d; done; vllm serve a/b", "a/b"),
        ("false || vllm serve a/b", "a/b"),
        ("true || vllm serve c/d; vllm serve a/b", "a/b"),
        ("A=1 || vllm serve c/d; vllm serve a/b", "a/b"),
    ],
)
def test_what_can_be_told_is_taken_one_way(script, source):
    assert branches(script) == {source: ""}


@pytest.mark.parametrize(
    "script",
    [
        "A=(a/b); while unknown; do A=(c/d); done; vllm serve ${A[@]}",
        "M=a/b; while unknown; do M=c/d; done; vllm serve $M",
        "M=a/b; for x in *; do if unknown; then M=c/d; fi; done; vllm serve $M",
    ],
)
def test_a_load_is_doubted_where_a_loop_may_have_set_what_it_is_told_by(script):
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


PARSED = """M=e/f; C=1
while [[ $# -gt 0 ]]; do
  case "$1" in
    -m|--model) M="$2"; shift 2 ;;
    --context=*) C=${1#*=}; shift ;;
    -c) C="$2"; shift; shift ;;
    --) shift; break ;;
    *) echo "unknown $1"; exit 1 ;;
  esac
done
vllm serve "$M" --max-model-len $C
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), [("e/f", 1)]),
        (("--model", "a/b"), [("a/b", 1)]),
        (("-c", "4", "--model", "a/b"), [("a/b", 4)]),
        (("-m", "c/d", "-m", "a/b", "--", "-m", "g/h"), [("a/b", 1)]),
    ],
)
def test_the_words_that_a_script_is_given_are_gone_through_as_it_does(words, expected):
    command = Command(arguments=("bash", "-c", PARSED, "x", *words), environment={"PATH": "/bin"})
    loads = read_loads(command)
    assert [(load.launches[0].source, load.launches[0].context_tokens) for load in loads] == expected
    assert loads[0].launches[0].doubts == ()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("i=0; while [ $i -lt 2 ]; do vllm serve m/$i; i=$((i+1)); done", ["m/0", "m/1"]),
        ("i=3; until [ $i = 1 ]; do i=$((i-1)); vllm serve m/$i; done", ["m/2", "m/1"]),
        ("for m in a b c; do [ $m = b ] && continue; vllm serve m/$m; done", ["m/a", "m/c"]),
        ("for m in a b c; do vllm serve m/$m; if [ $m = b ]; then break; fi; done", ["m/a", "m/b"]),
        ("for m in a b; do vllm serve m/$m && break; done", ["m/a", "m/b"]),
        ("for m in a b; do if grep x y; then break; fi; vllm serve m/$m; done", ["m/a", "m/b"]),
    ],
)
def test_rounds_of_which_all_is_known_are_gone_through(script, expected):
    assert [source for source, _ in loaded(script)] == expected


def test_rounds_without_an_end_are_bounded():
    assert "may load more" in doubts("vllm serve a/b; i=0; while [ $i -lt 9999 ]; do i=$((i+1)); done")


@pytest.mark.parametrize(
    "script",
    [
        "while read -r l; do M=$l; done < conf; vllm serve ${M:-a/b}",
        "M=a/b; while getopts m: o; do case $o in m) M=$OPTARG;; esac; done; vllm serve $M",
        "M=a/b; while grep x; do shift; M=$1; done; vllm serve $M",
    ],
)
def test_what_a_loop_may_set_to_what_is_not_known_is_doubted(script):
    command = Command(arguments=("bash", "-c", script, "x", "-m", "c/d"), environment={"PATH": "/bin"})
    assert any("may set $M" in doubt for doubt in read_loads(command)[0].launches[0].doubts)


def test_a_script_that_is_given_no_words_is_set_by_none():
    script = 'M=a/b; while getopts m: o; do case $o in m) M=$OPTARG;; esac; done; vllm serve $M "$@"'
    assert (loaded(script), doubts(script)) == ([("a/b", 0)], "")


def test_a_variable_that_is_set_to_what_is_not_known_is_not_what_it_was():
    assert loaded("M=a/b; M=$(curl -s x); vllm serve $M")[0][0] != "a/b"


def test_a_branch_of_a_later_round_may_be_taken():
    script = "i=0; vllm serve a/b; for x in *; do i=$((i+1)); if [ $i = 2 ]; then vllm serve c/d; fi; done"
    assert [source for source, _ in loaded(script)] == BOTH


def test_a_script_that_stops_before_its_engine_is_told_of_as_a_whole():
    with pytest.raises(UnknownProgram, match="nothing that this script comes to"):
        loaded('if [ -z "$MODEL" ]; then echo set MODEL; exit 1; fi; vllm serve $MODEL')


@pytest.mark.parametrize(
    "script",
    [
        "exec 200>/tmp/l; flock -n 200 || exit 1; vllm serve a/b",
        "exec {lock}>/tmp/l; flock -n $lock || exit 1; vllm serve a/b",
        "exec 200<>/tmp/l\nvllm serve a/b",
        "exec > >(tee log) 2>&1; vllm serve a/b",
        "exec 200>&-; vllm serve a/b 200>&- 2>&1",
        "exec 13<&0; vllm serve a/b",
        "(flock -n 200 || exit 1; vllm serve a/b) 200>/tmp/l",
    ],
)
def test_a_shell_that_changes_only_its_descriptors_goes_on(script):
    (load,) = read_loads(Command(arguments=("bash", "-c", script)))
    launch = load.launches[0]
    assert (launch.source, launch.unknown, launch.doubts, load.branch) == ("a/b", (), (), "")


def test_a_shell_that_another_program_replaces_does_not_go_on():
    assert loaded("exec 200>/tmp/l; exec vllm serve a/b --max-model-len 4 200>&-\nvllm serve c/d") == [("a/b", 4)]
