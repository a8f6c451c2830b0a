"""``plimsoll snapshot --json`` on machines that are not at hand, against figures worked out by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from machines import FOLDER, recorded_machine

from tui.dump import run_snapshot

GIB = 1 << 30
ORIGINS = ("recorded: ", "simulated driver: ", "built from documents: ")


def printed(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What ``plimsoll snapshot --json`` prints on that machine."""
    machine = recorded_machine(name, folder)
    assert run_snapshot(machine.snapshot, is_json=True) == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    return shown


def pool(shown: dict[str, Any], key: str = "host") -> dict[str, Any]:
    found: dict[str, Any] = next(pool for pool in shown["pools"] if pool["key"] == key)
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_a_machine_says_where_its_figures_come_from(path: Path, tmp_path: Path) -> None:
    origin = recorded_machine(path.stem, tmp_path).origin
    assert origin.startswith(ORIGINS)
    assert len(origin.split()) >= 4


def test_in_a_container_the_ram_is_that_of_its_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ram = pool(printed("container-4gib", tmp_path, capsys))
    assert ram["total_bytes"] == 4 * GIB
    # 4 GiB less what is charged (1.5 GiB), of which 384 MiB are page cache that is given up first
    assert ram["free_bytes"] == 4 * GIB - (1610612736 - 402653184)
