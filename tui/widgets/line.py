"""A line of the screen as plain runs of text, each with the name of a style; and which cells of it have changed."""

import re
from functools import lru_cache
from itertools import zip_longest

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment

Run = tuple[str, str]
"""Text and the name of its style, a component class of ``Frame`` without its prefix."""
Line = tuple[Run, ...]

_SMALLEST_GAP = 16
"""Unchanged cells between two changes that are worth skipping: moving the cursor and saying the
colours again takes 40 bytes."""


_LONGEST_WORD = 12
"""Cells; a path or an address is longer, and cut within."""


def run(text: str, style: str = "text") -> Run:
    return (text, style)


_NARROW = re.compile("[ -~\u00a0-\u00ac\u00ae-\u02ff\u2010-\u2027\u2190-\u22ff\u2500-\u25fc\u2717]*")
"""Characters that take one cell each: ASCII, Latin, dashes and dots, arrows, signs, lines, blocks and shapes. Nearly
all that is drawn: without the signs of verdicts among them, a letter in the list of models takes 1 ms more."""


def n_cells(text: str) -> int:
    """What ``rich.cells.cell_len`` says, which takes 1 µs of every text; most are ASCII, and bars are narrow as well.

    And it remembers the last 4096 texts that it was asked for: of bars and charts, which are seldom the same again, up
    to 2 MiB by and by.
    """
    return len(text) if text.isascii() or _NARROW.fullmatch(text) else cell_len(text)


def width_of(line: Line) -> int:
    """In cells: a wide character takes two, a combining one none."""
    return sum([len(text) if text.isascii() else n_cells(text) for text, _ in line])


def fit_text(text: str, width: int) -> str:
    """Cut with an ellipsis, or padded, to exactly so many cells."""
    if width <= 0:
        return ""
    if text.isascii() and len(text) <= width:
        return text.ljust(width)
    return set_cell_size(text, width) if n_cells(text) <= width else f"{set_cell_size(text, width - 1)}…"


def cut_text(text: str, width: int) -> str:
    """Cut with an ellipsis where it is longer than so many cells."""
    return text if n_cells(text) <= width else fit_text(text, width)


def fit_words(text: str, width: int) -> str:
    """The same, cut behind a whole word: half a number is another number.

    Within a word only where it is the first, or so long that little else would be seen.
    """
    if n_cells(text) <= width:
        return fit_text(text, width)
    kept = set_cell_size(text, max(0, width - 1))
    if text[len(kept) :][:1].strip():
        words = kept.rpartition(" ")[0].rstrip()
        if words.strip() and len(kept) - len(words) <= _LONGEST_WORD:
            return fit_text(f"{words} …", width)
    return fit_text(text, width)


def right_text(text: str, width: int) -> str:
    """Padded on the left."""
    if text.isascii() and len(text) <= width:
        return text.rjust(width)
    return " " * (width - n_cells(text)) + cut_text(text, width)


_ASCII = str.maketrans(
    {
        **dict.fromkeys("█▉▊▋▌", "#"),
        **dict.fromkeys("▍▎▏", "."),
        **dict.fromkeys("┃│╽╿", "|"),
        **dict.fromkeys("─╌", "-"),
        **dict.fromkeys("└╰╭┴", "+"),
        **dict.fromkeys("▁▂", "_"),
        **dict.fromkeys("▃▄", "-"),
        **dict.fromkeys("▅▆▇", "="),
        "▒": "+",
        "▓": "=",
        "┄": ".",
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
        "◂": "<",
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
    """The line in ASCII alone, cell for cell.

    An edge within a cell of a bar becomes what most of the cell is: no sign of free memory stands between what is used
    and a load, and none of used memory at a load's end.
    """
    found: list[Run] = []
    for text, style in line:
        if style.startswith("edge-") and style != "edge-free":
            shown = "#" * n_cells(text)
        elif style.startswith("tip-") and ascii_text(text) == "#" and found:
            shown = found[-1][0][-1:]
        else:
            shown = ascii_text(text)
        found.append((shown, style))
    return tuple(found)


def ascii_text(text: str) -> str:
    """The same of one text."""
    text = text.translate(_ASCII)
    return text if text.isascii() else "".join(char if char.isascii() else "?" * cell_len(char) for char in text)


def fit(line: Line, width: int, *, is_ascii: bool = False) -> Line:
    """Cut or padded to exactly so many cells."""
    left = width
    for text, _ in line:
        left -= len(text) if text.isascii() else n_cells(text)
    if left >= 0:
        return (*line, (" " * left, "text")) if left else line
    line = _without_blanks_behind(line)
    if (left := width - width_of(line)) >= 0:
        return (*line, (" " * left, "text")) if left else line
    fitted: list[Run] = []
    left = width
    for text, style in line:
        if left <= 0:
            break
        wide = n_cells(text)
        if wide <= left:
            fitted.append((text, style))
            left -= wide
        else:
            cut = fit_words(text, left)
            fitted.append((cut.replace("…", "~") if is_ascii else cut, style))
            left = 0
    return tuple(fitted)


def _without_blanks_behind(line: Line) -> Line:
    """That nothing is cut but blanks need not be said."""
    runs = list(line)
    while runs:
        text, style = runs.pop()
        if kept := text.rstrip(" "):
            return (*runs, (kept, style))
    return ()


def cut_line(line: Line, width: int) -> Line:
    """At most so many cells of it."""
    kept: list[Run] = []
    for text, style in line:
        left = width - width_of(tuple(kept))
        if n_cells(text) > left:
            kept.append((set_cell_size(text, max(0, left)).rstrip(), style))
            break
        kept.append((text, style))
    return tuple(kept)


def cut_to_words(line: Line, width: int) -> Line:
    """The same without a part of a word at its end; a part only where the line begins with it."""
    cut = cut_line(line, width)
    if not cut:
        return cut
    kept, style = cut[-1]
    if line[len(cut) - 1][0][len(kept) :][:1].strip():
        kept = kept.rpartition(" ")[0].rstrip() or ("" if cut[:-1] else kept)
    return (*cut[:-1], (kept, style)) if kept else cut[:-1]


def line_part(line: Line, start: int, end: int) -> Line:
    """Its cells from one up to another; of a wide character that is cut in two, a blank."""
    parts: list[Run] = []
    x = 0
    for text, style in line:
        if x >= end:
            break
        width = len(text) if text.isascii() else n_cells(text)
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
    return list(_wrapped(text, width))


@lru_cache(maxsize=64)
def _wrapped(text: str, width: int) -> tuple[str, ...]:
    """Notices and warnings stay the same from one reading to the next, and each takes 0.1 ms."""
    lines, line = [], ""
    for word in text.split(" "):
        pieces = [word] if n_cells(word) <= width else chop_cells(word, max(width, 2))
        for piece in pieces:
            if line and n_cells(line) + 1 + n_cells(piece) > width:
                lines.append(line)
                line = piece
            else:
                line = f"{line} {piece}" if line else piece
    return (*lines, line) if line else tuple(lines)


_SPAN = re.compile(rb"[^\x00]+(?:\x00{1,%d}[^\x00]+)*" % (_SMALLEST_GAP - 1))
"""Of a mask with a byte for each cell, zero where it is as before: changes so near to each other are one."""


def changed_spans(old: Line, new: Line) -> list[tuple[int, int]]:
    """Where two lines differ, as [start, end) in cells; near changes are one."""
    if old == new:
        return []
    n_same = x = 0
    for before, after in zip(old, new, strict=False):
        if before != after:
            break
        n_same += 1
        x += n_cells(after[0])
    old, new = old[n_same:], new[n_same:]
    mask = _narrow_mask(old, new) or bytes(was != is_now for was, is_now in zip_longest(_cells(old), _cells(new)))
    return [(x + found.start(), x + found.end()) for found in _SPAN.finditer(mask)]


def _narrow_mask(old: Line, new: Line) -> bytes | None:
    """Of two lines of one length whose characters all take one cell; None of others.

    At each reading some 50 lines are compared, so all cells are at once, as two large numbers: 10 µs for 100 of them,
    where one by one they take 60.
    """
    was, text = "".join([text for text, _ in old]), "".join([text for text, _ in new])
    if len(was) != len(text) or not (_NARROW.fullmatch(was) and _NARROW.fullmatch(text)):
        return None
    changed = _number(was) ^ _number(text)
    if [(len(text), style) for text, style in old] != [(len(text), style) for text, style in new]:
        signs: dict[str, str] = {}
        changed |= _number(_styles(old, signs)) ^ _number(_styles(new, signs))
    return (changed | changed >> 8).to_bytes(2 * len(text), "little")[::2]  # of each cell both bytes in the first one


def _number(text: str) -> int:
    """Of two bytes for each character, which those of one cell have."""
    return int.from_bytes(text.encode("utf-16-le"), "little")


def _styles(line: Line, signs: dict[str, str]) -> str:
    """A sign for each cell; ``signs``: style -> its sign, which grows."""
    return "".join([signs.setdefault(style, chr(len(signs))) * len(text) for text, style in line])


def _cells(line: Line) -> list[tuple[str, str, int]]:
    """One entry a cell; both halves of a wide character know the character, so that they change together."""
    cells: list[tuple[str, str, int]] = []
    for text, style in line:
        if _NARROW.fullmatch(text):
            cells += [(char, style, 0) for char in text]
            continue
        for char in text:
            wide = n_cells(char)
            if wide == 0 and cells:
                last = cells[-1]
                cells[-1] = (last[0] + char, last[1], last[2])
            cells += [(char, style, part) for part in range(wide)]
    return cells
