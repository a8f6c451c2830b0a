"""Processes as /proc shows them, under a root of the test's own."""

from pathlib import Path

STAT = "{pid} ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 {ticks} 0 0\n"


def make_process(
    root: Path, pid: int, *words: str, parent: int = 1, ticks: int = 500, name: str = "x", **files: str
) -> None:
    """One process; ``files`` are further files of its folder, by name."""
    folder = root / "proc" / str(pid)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stat").write_text(STAT.format(pid=pid, name=name, parent=parent, ticks=ticks))
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
    for key, text in files.items():
        (folder / key).write_text(text)


def end_process(root: Path, pid: int) -> None:
    """It is gone."""
    folder = root / "proc" / str(pid)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
