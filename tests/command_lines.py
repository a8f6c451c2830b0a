"""Command lines that people posted, and what was written down by hand that they ask for."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from launches.command import Command
from launches.launch import Launch, read_launches
from launches.line import words_of

FOLDER = Path(__file__).parent / "data" / "command_lines"
UNPLACED = FOLDER.parent / "unplaced"
"""Others like them, of which nobody knows where they were seen."""
POSTED = FOLDER.parent / "posted"
"""Whole texts, in a form of their own (test_posted.py)."""
NOWHERE = "/nowhere"


def lines_of(name: str) -> list[dict]:
    """Those of one engine's file, and others like them, each with a word that tells it from the rest."""
    others = _lines(UNPLACED / f"{name}.toml")
    return [*_lines(FOLDER / f"{name}.toml"), *({"seen": f"unplaced {n}", **line} for n, line in enumerate(others, 1))]


def n_places(name: str) -> int:
    """Lines of one engine for which it is written down where they were seen."""
    contained = [line for line in _lines(FOLDER / "containers.toml") if line["engine"] == name]
    return len([*_lines(FOLDER / f"{name}.toml"), *_lines(POSTED / f"{name}.toml"), *contained])


def _lines(path: Path) -> list[dict]:
    return tomllib.loads(path.read_text(encoding="utf-8"))["line"] if path.exists() else []


def launches_of(
    text: str, files: Mapping[str, str] | None = None, root: Path | None = None, **environment: str
) -> tuple[Launch, ...]:
    """As posted, started nowhere in particular.

    Args:
        text: the line.
        files: path -> content of what lies beside it.
        root: where those are written; the command sees them as if it were the root of all.
        environment: what the shell had set.
    """
    mounts = ()
    for path, content in (files or {}).items():
        assert root is not None
        place = root / f"{NOWHERE}/{path}".lstrip("/") if not path.startswith("/") else root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        mounts = (("/", str(root)),)
    return read_launches(
        Command(arguments=tuple(words_of(text)), environment=environment, directory=NOWHERE, mounts=mounts)
    )


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def differences(line: dict, launch: Launch, usual, root: Path | None = None) -> Iterator[str]:
    """What is read otherwise than it was written down.

    Args:
        line: of the file; what it does not say is the default.
        launch: as read.
        usual: the engine's options where nothing is said.
        root: of ``launches_of``.
    """
    expected = {
        "source": os.path.expanduser(line["source"]) if "source" in line else None,
        "quant": line.get("quant"),
        "context_tokens": line.get("context_tokens", 0),
        "n_sequences": line.get("n_sequences", 1),
        "kv_type": line.get("kv_type"),
        "options": replace(usual, **{name: _tuple(value) for name, value in line.get("options", {}).items()}),
        "n_devices": line.get("n_devices", 1) or None,
        "n_machines": line.get("n_machines", 1),
        "devices": tuple(line["devices"]) if "devices" in line else None,
        "unknown": tuple(line.get("unknown", ())),
    }
    found = {name: getattr(launch, name) for name in expected}
    if root is not None and isinstance(launch.source, str):
        found["source"] = launch.source.removeprefix(str(root))
    for name, value in expected.items():
        if found[name] != value:
            yield f"{name}: {found[name]!r} was read, {value!r} is meant"
    if "address" in line and launch.address != (tuple(line["address"]) or None):
        yield f"address: {launch.address!r}"
    for name, value in line.get("environment", {}).items():
        if launch.environment.get(name) != value:
            yield f"{name} is {launch.environment.get(name)!r}"
    doubts = line.get("doubts", ())
    if len(doubts) != len(launch.doubts) or not all(any(part in each for each in launch.doubts) for part in doubts):
        yield f"doubts: {launch.doubts}"
    refusal = line.get("refusal", "")
    if bool(refusal) != bool(launch.refusal) or refusal not in launch.refusal:
        yield f"refusal: {launch.refusal!r}"
