"""Texts as people post them, several lines among them, come to what was written down by hand that they ask for."""

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from estimator.engine import load_engine
from launches import errors
from launches.launch import Launch, read_launches
from launches.line import posted

FOLDER = Path(__file__).parent / "data" / "posted"
UNPLACED = Path(__file__).parent / "data" / "unplaced"
"""Others like them, of which nobody knows where they were seen."""
USUAL = {
    "sglang": {"tp_size": 1},
    "trtllm": {"tp_size": 1},
    "vllm": {"tensor_parallel_size": 1},
    "tgi": {"num_shard": 1},
    "llama_cpp_python": {"keeps_logits": True},
}
"""Options of a program where its line says nothing."""
PLACE = re.compile(
    r"https://\S+(?:, read \d{4}-\d\d-\d\d)?"
    r"|[\w.-]+/[\w.-]+ (?:(?:issue|pull|pull request|discussion) \d.*|(?:.*[./]|Makefile|README|Dockerfile).*)"
)
"""An address; or a repository, and a thread or a file of it."""
CONTEXT_TOKENS = {"mlx": 8192, "transformers": 8192, "ollama": None}


def posted_lines() -> Iterator[object]:
    for path in sorted([*FOLDER.glob("*.toml"), *UNPLACED.glob("*_texts.toml")]):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        for number, line in enumerate(content["line"], start=1):
            told = {"engine": content["engine"], "program": content["program"], **line}
            yield pytest.param(told, id=f"{path.stem}-{number}")


LINES = list(posted_lines())
TOLD = [param.values[0] for param in LINES]


def read(line: dict) -> tuple[Launch, ...]:
    return read_launches(replace(posted(line["text"]), directory=line.get("directory", "")))


def misread(line: dict, launch: Launch) -> Iterator[str]:
    """What is read otherwise than it was written down; what a line does not say is as usual."""
    values = {**USUAL.get(line["program"], {}), **line.get("options", {})}
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    meant = replace(load_engine(line["engine"]).Options(), **told)
    for each in fields(meant):
        is_said = each.name in told or each.name != "version"
        if is_said and getattr(launch.options, each.name) != getattr(meant, each.name):
            yield f"{each.name} is {getattr(launch.options, each.name)!r}"
    expected = {
        "engine_name": line["engine"],
        "source": os.path.expanduser(line["model"]) if "model" in line else None,
        "quant": line.get("quant"),
        "context_tokens": line.get("context_tokens", CONTEXT_TOKENS.get(line["engine"], 0)),
        "n_sequences": line.get("n_sequences", 1),
        "kv_type": line.get("kv_type"),
        "devices": tuple(line["devices"]) if "devices" in line else None,
    }
    expected |= {name: line[name] for name in ("is_context_free", "n_devices") if name in line}
    expected |= {"address": tuple(line["address"])} if "address" in line else {}
    if not line.get("has_any_unknown") and "unknown_parts" not in line:
        expected["unknown"] = tuple(line.get("unknown", ()))
    for name, value in expected.items():
        if getattr(launch, name) != value:
            yield f"{name} is {getattr(launch, name)!r}"
    if not line.get("environment", {}).items() <= launch.environment.items():
        yield f"the environment is {launch.environment!r}"
    for where, part in [("unknown", part) for part in line.get("unknown_parts", ())] + [
        ("doubts", part) for part in line.get("doubts", ())
    ]:
        if not any(part in each for each in getattr(launch, where)):
            yield f"{where} have no {part}: {getattr(launch, where)}"
    refusal = line.get("refusal", "")
    if bool(refusal) != bool(launch.refusal) or refusal not in launch.refusal:
        yield f"refusal: {launch.refusal!r}"


@pytest.mark.parametrize("line", LINES)
def test_a_posted_text_is_read_as_it_was_written_down(line):
    if "error" in line:
        with pytest.raises(getattr(errors, line["error"])):
            read(line)
        return
    assert list(misread(line, read(line)[0])) == []


def test_every_posted_text_says_where_it_was_seen():
    assert [line["seen"] for line in TOLD if not PLACE.fullmatch(line.get("seen", "https://unplaced"))] == []


def test_a_posted_text_is_no_longer_than_what_is_read_of_it():
    assert [line["text"] for line in TOLD if line["text"].strip().count("\n") >= 14] == []


def test_no_posted_text_names_anybodys_machine():
    texts = "\n".join(line["text"] for line in TOLD)
    people = set(re.findall(r"(?:/home/|Users\\)([\w.-]+)|(\w+@[\w-]+):", texts))
    assert {"".join(each) for each in people} == {"u", "user@host", "root@host"}
    addresses = set(re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", texts)) - {"0.0.0.0", "127.0.0.1"}  # told
    assert {each for each in addresses if not each.startswith("192.0.2.")} == set()
