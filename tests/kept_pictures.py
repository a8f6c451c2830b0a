"""Pictures as they are kept beside the tests: a folder for each machine, a file for each screen, all sizes in it."""

import re
from difflib import unified_diff
from itertools import groupby
from pathlib import Path

FOLDER = Path(__file__).parent / "__snapshots__" / "pictures"


def place_of(machine: str, name: str) -> Path:
    """Where all sizes of a screen on a machine are kept."""
    return FOLDER / machine / f"{name}.txt"


def changes(machine: str, name: str, pictures: dict[str, str], *, is_updating: bool) -> list[str]:
    """Lines in which the pictures differ from those that are kept; none while they are kept anew."""
    path, made = place_of(machine, name), folded(pictures) + "\n"
    if is_updating:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made, encoding="utf-8")
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    return list(unified_diff(kept.split("\n"), made.split("\n"), f"{path.parent.name}/{path.name}", "now", lineterm=""))


def folded(pictures: dict[str, str]) -> str:
    """All sizes, each with its name before it; lines that come many times are said once, to keep it short."""
    return "\n\n".join(f"{size}\n{_folded(picture)}" for size, picture in pictures.items())


def _folded(picture: str) -> str:
    lines = []
    for line, same in groupby(
        re.sub(r"(kept in )\S+ *", lambda found: found[1].ljust(len(found[0]), "."), picture).split("\n")
    ):
        n = len(list(same))
        lines += [line] if n < 3 else [line, f"({n - 1} more of these)"]
    return "\n".join(lines)
