"""How often a screen is painted: to a terminal, a whole one of 200x50 is 20 to 50 KB."""

import time
from pathlib import Path
from typing import Any

import pytest
from pictures import settle
from scenes import desktop
from textual._compositor import LayoutUpdate
from textual.screen import Screen

import tui.app
from tui.app import PlimsollApp
from tui.courtesy import Courtesy


class Painted(PlimsollApp):
    """Notes what would be written to a terminal."""

    CSS_PATH = Path(tui.app.__file__).with_name("app.tcss")

    def __init__(self) -> None:
        super().__init__(snapshot=desktop(1.2), to_local=time.gmtime, courtesy=Courtesy(answer_seconds=0.0))
        self.painted: list[tuple[str, object]] = []

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if renderable is not None and screen is self.screen:
            self.painted.append((type(screen).__name__, renderable))
        super()._display(screen, renderable)

    def n_whole(self, name: str) -> int:
        """How often all of that screen was painted."""
        return sum(screen == name and isinstance(update, LayoutUpdate) for screen, update in self.painted)


@pytest.mark.parametrize("keys", [("p",), ("h",), ("question_mark",), ("m",)])
async def test_a_screen_that_is_left_has_the_one_below_painted_once(keys: tuple[str, ...]) -> None:
    app = Painted()
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press(*keys)
        await settle(app, pilot)
        app.painted.clear()
        await pilot.press("escape")
        await settle(app, pilot)
        await pilot.pause(0.05)

        assert app.n_whole("Dashboard") == 1


async def test_what_was_painted_with_a_new_screen_is_not_painted_again_by_each_widget() -> None:
    app = Painted()
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        app.painted.clear()
        await pilot.press("p")
        await settle(app, pilot)
        kinds = [type(update).__name__ for screen, update in app.painted if screen == "Processes"]

        assert kinds[0] == "LayoutUpdate"
        assert "CroppedUpdate" not in kinds


async def test_a_terminal_that_has_another_size_is_painted_anew() -> None:
    app = Painted()
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        app.painted.clear()
        await pilot.resize_terminal(100, 30)
        await pilot.pause(0.05)

        assert app.painted
        assert app.screen._compositor.size == (100, 30)
