"""How wide a text is, in cells of the terminal."""

from rich.cells import cached_cell_len, cell_len
from textual.app import App, ComposeResult

from tui.widgets.line import Line, cut_to_words, n_cells
from tui.widgets.panel import Panel
from tui.widgets.view import View

FIGURES = [f"{number / 7:.5f} of seven" for number in range(20)]
"""That nothing else shows."""


class Counting(Panel):
    """Shows figures, and a name in wide characters."""

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        return [((figure, "strong"), ("显卡▉░", "tight")) for figure in FIGURES[:height]]


class Shown(App[None]):
    def compose(self) -> ComposeResult:
        yield Counting()


def test_lines_blocks_signs_and_latin_are_as_wide_as_the_library_says() -> None:
    texts = [*map(chr, range(0x20, 0x7F)), *map(chr, range(0xA0, 0x2718))]

    assert [text for text in texts if n_cells(text) != cell_len(text)] == []


def test_widths_of_bars_are_not_remembered() -> None:
    before = cached_cell_len.cache_info().currsize

    assert [n_cells("█" * n + "▉░") for n in range(200, 220)] == list(range(202, 222))

    assert cached_cell_len.cache_info().currsize == before


async def test_what_a_panel_says_is_not_remembered_and_as_wide_as_the_panel() -> None:
    app = Shown()
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        panel = app.query_one(Counting)
        strips = [panel.render_line(y) for y in range(20)]

        assert {strip.cell_length for strip in strips} == {60}
        n_before = cached_cell_len.cache_info().misses
        assert {sum(cell_len(text) for text, _, _ in strip) for strip in strips} == {60}
        assert cached_cell_len.cache_info().misses - n_before >= len(FIGURES)


def test_a_line_is_cut_between_words() -> None:
    line = (("try ", "dim"), ("nvidia-smi -q", "strong"))

    assert cut_to_words(line, 15) == (("try ", "dim"), ("nvidia-smi", "strong"))
    assert cut_to_words(line, 14) == (("try ", "dim"), ("nvidia-smi", "strong"))
    assert cut_to_words(line, 13) == (("try ", "dim"),)
    assert cut_to_words(line, 17) == line


def test_a_word_that_is_longer_than_its_line_is_cut() -> None:
    assert cut_to_words((("dashboards", "text"),), 4) == (("dash", "text"),)
