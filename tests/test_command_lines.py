"""Command lines that people posted come to the settings that their engines make of them, which were written by hand."""

import os
import tomllib
from pathlib import Path

import pytest

from estimator.engine import load_engine
from launches.command import Command
from launches.launch import read_launches
from launches.line import words_of

FOLDER = Path(__file__).parent / "data" / "command_lines"
UNPLACED = Path(__file__).parent / "data" / "unplaced"
"""Others like them, of which nobody knows where they were seen."""


def posted_lines():
    for path in sorted([*FOLDER.glob("*.toml"), *UNPLACED.glob("*.toml")]):
        if path.stem.endswith("_texts"):  # of test_posted.py's form
            continue
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        if "engine" not in content:  # another form, with a test of its own
            continue
        for number, line in enumerate(content["line"], start=1):
            yield pytest.param(content["engine"], line, id=f"{path.stem}-{number}")


def lists_as_tuples(values):
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def read(line):
    return read_launches(Command(arguments=words_of(line["posted"].strip())))


@pytest.mark.parametrize(("engine", "line"), posted_lines())
def test_a_posted_line_comes_to_what_the_engine_makes_of_it(engine, line):
    launches = read(line)
    launch = launches[0]
    expected = load_engine(line.get("engine", engine)).Options(**lists_as_tuples(line.get("options", {})))
    assert launch.options == expected
    assert launch.source == (None if line.get("no_model") else os.path.expanduser(line["model"]))
    assert launch.context_tokens == (None if line.get("has_own_context") else line.get("context_tokens", 0))
    assert launch.n_sequences == line.get("n_sequences", 1)
    assert launch.kv_type == line.get("kv_type")
    for name in ("program", "engine_name", "quant", "is_context_free", "n_devices"):
        if name in line:
            assert getattr(launch, name) == line[name], name
    if "devices" in line:
        assert launch.devices == tuple(line["devices"])
    if "address" in line:
        assert launch.address == tuple(line["address"])
    assert line.get("environment", {}).items() <= launch.environment.items()
    assert launch.unknown == tuple(line.get("unknown", ()))
    assert bool(launch.refusal) == bool(line.get("is_refused", False)), launch.refusal
    assert len(launches) == line.get("n_launches", 1)
