"""What must not be on any picture of a screen, found in its text."""

import re
import unicodedata
from collections.abc import Iterator

from rich.cells import cell_len

FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Categories of what is no text: controls, bidi and zero-width characters, surrogates, line separators."""


def flaws(pictures: dict[str, str]) -> list[str]:
    """What must not be on any picture: of its size, its frames, its characters and its sums."""
    found = []
    for size, picture in pictures.items():
        width, height = map(int, size.split("x"))
        lines = picture.split("\n")
        found += [f"{size}: {len(lines)} lines"] if len(lines) != height else []
        found += [f"{size}: {cell_len(line)} cells: {line}" for line in lines if cell_len(line) != width]
        found += [f"{size}: {char!a}" for char in set(picture) - {"\n"} if unicodedata.category(char) in FORBIDDEN]
        found += [f"{size}: {text}" for text in (*open_frames(lines), *covered(lines), *wrong_sums(picture))]
    return found


def open_frames(lines: list[str]) -> Iterator[str]:
    """Frames of panels whose right or lower edge is not where the others lead."""
    grid = [[char for char in line for _ in range(cell_len(char))] for line in lines]
    for y, x in ((y, x) for y, row in enumerate(grid) for x, char in enumerate(row) if char == "╭"):
        right = next((end for end in range(x + 1, len(grid[y])) if grid[y][end] == "╮"), None)
        below = next((end for end in range(y + 1, len(grid)) if grid[end][x] != "│"), None)
        if right is None or below is None or grid[below][x] != "╰" or grid[below][right] != "╯":
            yield f"the frame at line {y}, cell {x} is not closed"
        elif any(grid[between][right] != "│" for between in range(y + 1, below)):
            yield f"the right edge of the frame at line {y}, cell {x} has a gap"


def covered(lines: list[str]) -> Iterator[str]:
    """Lower corners of panels without the upper one, and banners that do not go from edge to edge."""
    grid = [[char for char in line for _ in range(cell_len(char))] for line in lines]
    for y, x in ((y, x) for y, row in enumerate(grid) for x, char in enumerate(row) if char == "╰"):
        above = next((at for at in range(y - 1, -1, -1) if grid[at][x] != "│"), None)
        if above is None or grid[above][x] != "╭":
            yield f"the frame that ends at line {y}, cell {x} has no upper corner"
    for y, line in enumerate(lines):
        if re.search("[┏┗]━|━[┓┛]", line) and not re.fullmatch("[┏┗]━.*━[┓┛]", line):
            yield f"a banner lies over a panel at line {y}"


def wrong_sums(picture: str) -> Iterator[str]:
    """Three figures each of which is rounded on its own may be off by their last digit."""
    for found in re.finditer(r"([\d.]+)(?: used)? \+ +([\d.]+)(?: load)? = +([\d.]+) of", picture):
        used, load, both = map(float, found.groups())
        if abs(used + load - both) > (0.101 if "." in found[3] else 1.01):
            yield f"does not add up: {found[0]}"
