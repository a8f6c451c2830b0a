"""A line of the screen as plain runs of text, each with the name of a style; and which cells of it have changed."""

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment

Run = tuple[str, str]
"""Text and the name of its style, a component class of ``Frame`` without its prefix."""
Line = tuple[Run, ...]

_SMALLEST_GAP = 16
"""Unchanged cells between two changes that are worth skipping: moving the cursor and saying the
colours again takes 40 bytes."""


def run(text: str, style: str = "text") -> Run:
    return (text, style)


def width_of(line: Line) -> int:
    """In cells: a wide character takes two, a combining one none."""
    return sum(cell_len(text) for text, _ in line)


def fit_text(text: str, width: int) -> str:
    """Cut with an ellipsis, or padded, to exactly so many cells."""
    if width <= 0:
        return ""
    return set_cell_size(text, width) if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"


def cut_text(text: str, width: int) -> str:
    """Cut with an ellipsis where it is longer than so many cells."""
    return text if cell_len(text) <= width else fit_text(text, width)


def right_text(text: str, width: int) -> str:
    """Padded on the left."""
    return " " * (width - cell_len(text)) + cut_text(text, width)


_ASCII = str.maketrans(
    {
        **dict.fromkeys("█▉▊▋▌▓", "#"),
        **dict.fromkeys("▍▎▏", "."),
        **dict.fromkeys("┃│╽╿", "|"),
        **dict.fromkeys("─╌┄", "-"),
        **dict.fromkeys("└╰╭", "+"),
        **dict.fromkeys("▁▂", "_"),
        **dict.fromkeys("▃▄", "-"),
        **dict.fromkeys("▅▆▇", "="),
        "▒": "+",
        "▞": "%",
        "▚": "&",
        "░": ".",
        "»": ">",
        "●": "*",
        "▲": "^",
        "◆": "!",
        "✗": "x",
        "▼": "v",
        "▸": ">",
        "▪": "*",
        "⊖": "o",
        "·": "-",
        "–": "-",
        "—": "-",
        "±": "~",
        "≈": "~",
        "×": "x",
        "°": " ",
        "…": "~",
        "↑": "^",
        "↓": "v",
        "←": "<",
        "→": ">",
        "\N{NO-BREAK SPACE}": " ",
    }
)
"""One cell for one cell."""


def ascii_line(line: Line) -> Line:
    """The line in ASCII alone, cell for cell."""
    return tuple((ascii_text(text), style) for text, style in line)


def ascii_text(text: str) -> str:
    """The same of one text."""
    text = text.translate(_ASCII)
    return text if text.isascii() else "".join(char if char.isascii() else "?" * cell_len(char) for char in text)


def fit(line: Line, width: int, *, is_ascii: bool = False) -> Line:
    """Cut or padded to exactly so many cells."""
    fitted: list[Run] = []
    left = width
    for text, style in line:
        if left <= 0:
            break
        wide = cell_len(text)
        if wide <= left:
            fitted.append((text, style))
            left -= wide
        else:
            cut = fit_text(text, left)
            fitted.append((f"{cut[:-1]}~" if is_ascii else cut, style))
            left = 0
    if left > 0:
        fitted.append((" " * left, "text"))
    return tuple(fitted)


def cut_line(line: Line, width: int) -> Line:
    """At most so many cells of it."""
    kept: list[Run] = []
    for text, style in line:
        left = width - width_of(tuple(kept))
        if cell_len(text) > left:
            kept.append((set_cell_size(text, max(0, left)).rstrip(), style))
            break
        kept.append((text, style))
    return tuple(kept)


def line_part(line: Line, start: int, end: int) -> Line:
    """Its cells from one up to another; of a wide character that is cut in two, a blank."""
    parts: list[Run] = []
    x = 0
    for text, style in line:
        if x >= end:
            break
        width = cell_len(text)
        if x + width > start:
            first, last = max(0, start - x), min(width, end - x)
            if (first, last) != (0, width):
                text = text[first:last] if width == len(text) else _cells_of(text, first, last)  # noqa: PLW2901
            parts.append((text, style))
        x += width
    return tuple(parts)


def _cells_of(text: str, start: int, end: int) -> str:
    return Segment(text).split_cells(start)[1].split_cells(end - start)[0].text


def spread(left: Line, right: Line, width: int) -> Line:
    """One part at the left edge, one at the right; the right one goes where both have no room."""
    gap = width - width_of(left) - width_of(right)
    return fit((*left, (" " * gap, "text"), *right), width) if gap >= 1 else fit(left, width)


def wrap(text: str, width: int) -> list[str]:
    """Whole words on lines of at most so many cells; a longer word is broken."""
    lines, line = [], ""
    for word in text.split(" "):
        pieces = [word] if cell_len(word) <= width else chop_cells(word, max(width, 2))
        for piece in pieces:
            if line and cell_len(line) + 1 + cell_len(piece) > width:
                lines.append(line)
                line = piece
            else:
                line = f"{line} {piece}" if line else piece
    return [*lines, line] if line else lines


def changed_spans(old: Line, new: Line) -> list[tuple[int, int]]:
    """Where two lines differ, as [start, end) in cells; near changes are one."""
    if old == new:
        return []
    n_same, start = _same_before(old, new)
    before, after = _cells(old[n_same:]), _cells(new[n_same:])
    n = max(len(before), len(after))
    before += [None] * (n - len(before))
    after += [None] * (n - len(after))
    spans: list[tuple[int, int]] = []
    for x in range(n):
        if before[x] == after[x]:
            continue
        if spans and start + x - spans[-1][1] < _SMALLEST_GAP:
            spans[-1] = (spans[-1][0], start + x + 1)
        else:
            spans.append((start + x, start + x + 1))
    return spans


def _same_before(old: Line, new: Line) -> tuple[int, int]:
    """How many runs are the same from the left, and how many cells they take: most of a bar's line."""
    n_same = n_cells = 0
    for before, after in zip(old, new, strict=False):
        if before != after:
            break
        n_same += 1
        n_cells += cell_len(before[0])
    return n_same, n_cells


def _cells(line: Line) -> list[tuple[str, str, int] | None]:
    """One entry a cell; both halves of a wide character know the character, so that they change together."""
    cells: list[tuple[str, str, int] | None] = []
    for text, style in line:
        if cell_len(text) == len(text):
            cells += [(char, style, 0) for char in text]
            continue
        for char in text:
            wide = cell_len(char)
            if wide == 0 and cells and (last := cells[-1]) is not None:
                cells[-1] = (last[0] + char, last[1], last[2])
            cells += [(char, style, part) for part in range(wide)]
    return cells
