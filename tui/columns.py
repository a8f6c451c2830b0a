"""Rows of text under each other, each column as wide as its widest cell."""

from collections.abc import Iterator, Sequence


def columns(rows: Sequence[Sequence[str]], is_right: Sequence[bool]) -> Iterator[str]:
    """A line for each row; two blanks between columns.

    Args:
        rows: of as many cells each; at least one.
        is_right: for each column, whether it is set to the right, as numbers are.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(is_right))]
    for row in rows:
        cells = zip(row, widths, is_right, strict=True)
        yield "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells).rstrip()
