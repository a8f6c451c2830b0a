"""A line that was copied into one word is judged as the command that it is about, or as all that it loads."""

import pytest

from launches.loads import read_loads
from launches.pasted import pasted

A, B = "vllm serve m/a", "vllm serve m/b"


def sources(text):
    return [load.launches[0].source for load in read_loads(pasted(text))]


@pytest.mark.parametrize(
    "text",
    [
        f"{A} & {B}",
        f"{A}; make x; {B}",
        f"if nvidia-smi; then {A}; else {B}; fi",
        "for m in a b; do vllm serve m/$m & done; wait",
        f"export X=1\n{A} &\nsleep 60\n{B}\n",
        f"echo '{A}' | bash; {B}",
    ],
)
def test_all_that_a_script_loads_counts(text):
    assert sources(text) == ["m/a", "m/b"]


@pytest.mark.parametrize(
    "text",
    [
        A,
        f"$ {A}",
        f"To start it, use `{A}`.",
        f"{A} # or: {B}",
        f"pip install vllm && {A}",
        f"Run\n{A}\nand wait for it.",
        f"It's easy:\n```\n{A}\n```",
        "docker run --gpus all vllm/vllm-openai --model m/a",
    ],
)
def test_a_text_about_a_command_is_that_command(text):
    assert sources(text) == ["m/a"]


def test_on_one_line_what_is_not_recognised_is_named():
    (load,) = read_loads(pasted(f"{A}; make big"))
    assert "`make big` was not looked into" in load.launches[0].doubts[0]
