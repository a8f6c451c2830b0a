"""Every posted command line says where it can be opened and when it was read, and each engine has enough of them."""

import re
import tomllib
from pathlib import Path

import pytest

FOLDERS = tuple(Path(__file__).parent / "data" / name for name in ("posted", "command_lines"))
ENGINES = (
    "llama_server",
    "llama_tools",
    "llama_bench",
    "llama_cpp_python",
    "llamafile",
    "koboldcpp",
    "lmstudio",
    "mlx",
    "tabbyapi",
)
LEAST = 25
PLACE = re.compile(
    r"(?:https://\S+"
    r"|[\w.-]+/[\w.-]+ (?:issue|pull|discussion) [1-9]\d*\b[^,]*(?:, .*)?"  # of a repository
    r"|[\w.-]+/[\w.-]+ \S.*\.\w+\b.*|[\w.-]+/[\w.-]+ (?:(?:[\w.-]+/)+[\w.-]+|Dockerfile|Makefile))"  # a file of one
    r", read 20\d\d-\d\d-\d\d"
)


def places(name):
    """Where the lines of an engine were seen, each with its text and the files beside it."""
    for folder in FOLDERS:
        path = folder / f"{name}.toml"
        if not path.exists():
            continue
        for line in tomllib.loads(path.read_text(encoding="utf-8"))["line"]:
            beside = sorted(line.get("files", {}).items())
            yield line.get("seen") or line.get("source", ""), ((line.get("text") or line["posted"]).strip(), *beside)


@pytest.mark.parametrize("name", ENGINES)
def test_every_posted_line_says_where_it_can_be_opened_and_when_it_was_read(name):
    assert [place for place, _ in places(name) if not PLACE.fullmatch(place)] == []


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_has_as_many_posted_lines_as_were_asked_for(name):
    assert len({text for _, text in places(name)}) >= LEAST


@pytest.mark.parametrize(
    "place",
    [
        "a script in public code, read 2026-11-26",
        "a/b issue, read 2026-11-26",
        "a/b issue 12",
        "a/b discussion, read 2026-11-26",
        "notes of somebody's, read 2026-11-26",
    ],
)
def test_what_nobody_can_open_is_no_place(place):
    assert PLACE.fullmatch(place) is None
