"""The one picture that must be right: used now, what the load would add, and the load line, on one bar."""

from itertools import groupby

from tui.widgets.line import Line

USED, LOAD, LANDED, FREE, LOAD_LINE, OVER = "█", "▒", "▓", "░", "┃", "»"
_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(
    width: int,
    *,
    total_bytes: int,
    used_bytes: int,
    load_bytes: int = 0,
    landed_bytes: int = 0,
    line_bytes: int | None = None,
    load_style: str = "fits",
) -> Line:
    """A pool from empty to full, in so many cells.

    Args:
        width: in cells.
        total_bytes: what the width stands for.
        used_bytes: taken now.
        load_bytes: what the load would add.
        landed_bytes: what would come here because it has no room where it belongs.
        line_bytes: where the load line lies, counted from empty.
        load_style: of the load, by the level of the verdict here.
    """
    if width <= 0 or total_bytes <= 0:
        return ()
    eighths = min(8 * width, max(0, round(used_bytes * 8 * width / total_bytes)))
    if used_bytes > 0:
        eighths = max(eighths, 1)
    n_used, part = divmod(eighths, 8)
    cells: list[tuple[str, str]] = [(USED, "used")] * n_used
    if part and n_used < width:
        cells.append((_EIGHTHS[part], f"edge-{load_style}" if load_bytes > 0 else "edge-free"))

    def grow(n_bytes: int, end_bytes: int, glyph: str, style: str) -> None:
        if n_bytes <= 0:
            return
        end = min(width, max(round(end_bytes * width / total_bytes), len(cells) + 1))
        cells.extend([(glyph, style)] * (end - len(cells)))

    loaded_bytes = used_bytes + load_bytes
    grow(load_bytes, loaded_bytes, LOAD, load_style)
    grow(landed_bytes, loaded_bytes + landed_bytes, LANDED, "bad")
    cells += [(FREE, "free")] * (width - len(cells))
    is_over = loaded_bytes + landed_bytes > total_bytes and width > 2
    if line_bytes is not None:
        cells[max(0, min(width - 1 - is_over, line_bytes * width // total_bytes))] = (LOAD_LINE, "line")
    if is_over:
        cells[-1] = (OVER, "bad-bold")
    return tuple(
        ("".join(char for char, _ in group), style) for style, group in groupby(cells, key=lambda cell: cell[1])
    )


def sparkline(columns: list[int | None], total_bytes: int) -> str:
    """Eight heights; a gap where nothing was read."""
    heights = "▁▂▃▄▅▆▇█"
    return "".join(
        " " if used is None else heights[min(7, max(0, used * 8 // max(1, total_bytes)))] for used in columns
    )
