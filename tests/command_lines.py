"""Command lines that people posted, and what was written down by hand that they ask for."""

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from launches.command import Command
from launches.launch import Launch, read_launches
from launches.line import words_of

FOLDER = Path(__file__).parent / "data" / "command_lines"


def lines_of(name: str) -> list[dict]:
    """Those of one engine's file."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())["line"]


def launches_of(text: str, **environment: str) -> tuple[Launch, ...]:
    """As posted, started nowhere in particular."""
    return read_launches(Command(arguments=tuple(words_of(text)), environment=environment, directory="/nowhere"))


def differences(line: dict, launch: Launch, usual) -> Iterator[str]:
    """What is read otherwise than it was written down.

    Args:
        line: of the file; what it does not say is the default.
        launch: as read.
        usual: the engine's options where nothing is said.
    """
    expected = {
        "source": line["source"],
        "quant": line.get("quant"),
        "context_tokens": line.get("context_tokens", 0) if line.get("context_tokens") != "by memory" else None,
        "n_sequences": line.get("n_sequences", 1),
        "kv_type": line.get("kv_type"),
        "options": replace(usual, **line.get("options", {})),
        "n_devices": line.get("n_devices", 1),
        "devices": tuple(line["devices"]) if "devices" in line else None,
        "unknown": tuple(line.get("unknown", ())),
    }
    for name, value in expected.items():
        if getattr(launch, name) != value:
            yield f"{name}: {getattr(launch, name)!r} was read, {value!r} is meant"
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
