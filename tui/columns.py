"""Rows of text under each other, each column as wide as its widest cell."""

from collections.abc import Iterator, Sequence

from tui.humanize import columns_of


def columns(rows: Sequence[Sequence[str]], is_right: Sequence[bool]) -> Iterator[str]:
    """A line for each row; two blanks between columns. A column in which nothing stands is left out.

    Args:
        rows: of as many cells each.
        is_right: for each column, whether it is set to the right, as numbers are.
    """
    widths = [max((columns_of(row[column]) for row in rows), default=0) for column in range(len(is_right))]
    for row in rows:
        cells = zip(row, widths, is_right, strict=True)
        yield "  ".join(_padded(cell, width, right) for cell, width, right in cells if width).rstrip()


def _padded(cell: str, width: int, is_right: bool) -> str:  # noqa: FBT001  # one of a row of them
    blanks = " " * (width - columns_of(cell))
    return f"{blanks}{cell}" if is_right else f"{cell}{blanks}"
