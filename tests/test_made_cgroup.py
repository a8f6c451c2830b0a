"""RAM in a control group that is made here, where the system lets us: the kernel's own files, not ones we wrote."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

GIB = 1 << 30
JOIN_AND_READ = """
import os, sys
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
from tui.cli import main
sys.exit(main(["snapshot", "--json"]))
"""


def own_group() -> Path | None:
    """The folder of this process's memory group, of version 1 or 2."""
    try:
        lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        mounts = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    except OSError:
        return None
    paths = {"cgroup2" if number == "0" else controllers: path for number, controllers, path in lines}
    for before, after in mounts:
        system, _, options = after.split(" ", 2)
        name = "memory" if system == "cgroup" and "memory" in options.split(",") else system
        folder = Path(before.split()[4] + paths.get(name, "/nowhere"))
        if name in ("memory", "cgroup2") and any((folder / limit).exists() for limit in LIMITS):
            return folder
    return None


LIMITS = ("memory.limit_in_bytes", "memory.max", "memory.stat")


@pytest.fixture
def group() -> Iterator[Path]:
    """A group of one GiB below our own, taken away in the end."""
    own = own_group()
    if own is None:
        pytest.skip("this system shows no control group of memory")
    folder = own / f"plimsoll-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"this system lets us make no control group: {error.strerror}")
    try:
        limit = next((folder / name for name in LIMITS[:2] if (folder / name).exists()), None)
        if limit is None:
            pytest.skip("our own control group passes no memory controller on")
        limit.write_text(str(GIB))
        yield folder
    finally:
        folder.rmdir()


def snapshot_in(group: Path) -> dict[str, int]:
    """The RAM that ``plimsoll snapshot --json`` prints inside."""
    command = [sys.executable, "-c", JOIN_AND_READ, str(group / "cgroup.procs")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if not ended.stdout and "PermissionError" in ended.stderr:
        pytest.skip("this system lets no process into a group of ours")
    found: dict[str, int] = next(pool for pool in json.loads(ended.stdout)["pools"] if pool["key"] == "host")
    return found


def host_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.skipif(host_bytes() <= GIB, reason="this machine has less RAM than the group may use")
def test_in_a_control_group_the_ram_is_its_limit_and_not_the_host_s(group: Path) -> None:
    ram = snapshot_in(group)
    assert ram["total_bytes"] == GIB
    # what this very process holds, some 20 MiB, and nothing of what the host has in use
    assert 0 < ram["used_bytes"] < GIB // 4
    assert ram["free_bytes"] == GIB - ram["used_bytes"]


@pytest.mark.skipif(host_bytes() <= GIB, reason="this machine has less RAM than the group may use")
def test_a_group_within_the_group_is_held_by_both_limits(group: Path) -> None:
    inner = group / "inner"
    inner.mkdir()
    try:
        limit = next((inner / name for name in LIMITS[:2] if (inner / name).exists()), None)
        if limit is None:
            pytest.skip("the group passes no memory controller on")
        limit.write_text(str(4 * GIB))
        assert snapshot_in(inner)["total_bytes"] == GIB
    finally:
        inner.rmdir()
