"""The line to type in shows what the library's would."""

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Input

from tui.widgets.entry import Entry


class Lines(App[None]):
    CSS = "Input { width: 30; height: 1; border: none; padding: 0; }"

    def compose(self) -> ComposeResult:
        yield Entry(id="ours", compact=True)
        yield Input(id="theirs", compact=True)


@pytest.mark.parametrize("keys", [["a"], [*"abcdefghij" * 5], [*"abcdefghij" * 5, "home"], [*"ab", "backspace"]])
async def test_what_is_typed_is_seen_as_in_the_librarys(keys: list[str]) -> None:
    app = Lines()
    seen = []
    async with app.run_test(size=(60, 5)) as pilot:
        for name in ("#ours", "#theirs"):
            line = app.query_one(name, Input)
            line.focus()
            await pilot.press(*keys)
            await pilot.pause()
            seen.append(line.render_line(0).text)

    assert seen[0] == seen[1]
    assert seen[0].strip()


async def test_a_letter_lays_out_nothing() -> None:
    app = Lines()
    async with app.run_test(size=(60, 5)) as pilot:
        line = app.query_one("#ours", Entry)
        line.focus()
        await pilot.press("a")
        n_before = line._layout_updates
        await pilot.press("b")
        await pilot.pause()

        assert line._layout_updates == n_before
        assert line.value == "ab"
