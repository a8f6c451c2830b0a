"""How wide a text is, in cells of the terminal."""

from rich.cells import cached_cell_len, cell_len

from tui.widgets.line import n_cells


def test_lines_blocks_signs_and_latin_are_as_wide_as_the_library_says() -> None:
    texts = [*map(chr, range(0x20, 0x7F)), *map(chr, range(0xA0, 0x2718))]

    assert [text for text in texts if n_cells(text) != cell_len(text)] == []


def test_widths_of_bars_are_not_remembered() -> None:
    before = cached_cell_len.cache_info().currsize

    assert [n_cells("█" * n + "▉░") for n in range(200, 220)] == list(range(202, 222))

    assert cached_cell_len.cache_info().currsize == before
