"""When garbage is looked for beside keys."""

import asyncio
from collections.abc import Callable

from tui.courtesy import Courtesy
from tui.tidying import Tidying


class Scene:
    """Notes what the collector is told, and whether a left screen is still there."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.has_left = False
        self.now = 0.0
        self.courtesy = Courtesy(0.0)
        self.tidying = Tidying(self.courtesy, lambda: self.has_left, self._clear, switch=self, clock=lambda: self.now)

    def enable(self) -> None:
        self.told.append("enable")

    def disable(self) -> None:
        self.told.append("disable")

    def _clear(self) -> None:
        self.told.append("clear")
        self.has_left = False

    def play(self, act: Callable[[], object], until: str) -> list[str]:
        """What was told from an act on, until it was that."""

        async def run() -> None:
            act()
            async with asyncio.timeout(10):
                while self.told[-1:] != [until]:
                    await asyncio.sleep(0.001)

        asyncio.run(run())
        return self.told


def test_nothing_is_looked_for_while_a_key_is_answered() -> None:
    scene = Scene()

    assert scene.play(scene.tidying.note_key, "enable") == ["disable", "enable"]


def test_a_screen_that_was_left_is_cleared_away_after_the_answer() -> None:
    scene = Scene()
    scene.has_left = True

    assert scene.play(scene.tidying.note_key, "clear") == ["disable", "enable", "clear"]


def test_who_ends_in_the_midst_of_an_answer_leaves_the_collector_on() -> None:
    scene = Scene()

    def press_and_end() -> None:
        scene.tidying.note_key()
        scene.tidying.stop()

    assert scene.play(press_and_end, "enable") == ["disable", "enable"]


def test_keys_all_the_time_put_off_what_was_left_for_some_seconds_only() -> None:
    scene = Scene()
    scene.has_left = True

    async def press_each_second() -> None:
        for n_answered in range(1, 5):
            scene.tidying.note_key()
            while scene.told.count("enable") < n_answered:
                await asyncio.sleep(0)
            scene.now += 1.0

    asyncio.run(press_each_second())

    assert "clear" in scene.told
