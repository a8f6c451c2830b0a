"""Pictures in text: what the terminal shows of a machine at a size, line by line."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from scenes import (
    HOSTILE,
    LONG,
    WIDE,
    desktop,
    engines,
    laptop,
    late,
    lost,
    mixed,
    model,
    named,
    server,
    serving,
    stale_driver,
    unified,
    workstation,
)

from probes.snapshot import Snapshot
from tui.app import PlimsollApp
from tui.messages import EnginesSeen, SnapshotTaken
from tui.plan import Plan, default_plan
from tui.screens.compare import Compare
from tui.screens.engines import Engines
from tui.screens.hardware import Hardware
from tui.screens.picker import Picker
from tui.settings_file import ReadSettings

SIZES = ((80, 24), (100, 30), (120, 36), (200, 50), (61, 17))


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A machine, and what is planned on it."""

    snapshot: Callable[[], Snapshot]
    model_name: str | None = "Llama 3.1 8B"
    called: str | None = None
    """The model's name as its file says it, where that is another."""

    def plan(self) -> Plan | None:
        if self.model_name is None:
            return None
        plan = default_plan(model(self.model_name))
        return replace(plan, model=replace(plan.model, name=self.called)) if self.called else plan


MACHINES = {
    "no-gpu": Scene(snapshot=laptop),
    "nothing-planned": Scene(snapshot=workstation, model_name=None),
    "fits": Scene(snapshot=workstation, model_name="Qwen3 30B-A3B"),
    "one-gpu": Scene(snapshot=desktop),
    "spills": Scene(snapshot=lambda: desktop(9.0), model_name="Qwen3 32B"),
    "fails": Scene(snapshot=laptop, model_name="Llama 3.1 70B"),
    "eight": Scene(snapshot=server, model_name="Llama 3.1 70B"),
    "sixty-four": Scene(snapshot=lambda: server(64), model_name="Llama 3.1 70B"),
    "unified": Scene(snapshot=unified, model_name="Qwen3 30B-A3B"),
    "mixed": Scene(snapshot=mixed),
    "lost": Scene(snapshot=lost),
    "stale-driver": Scene(snapshot=stale_driver),
    "late": Scene(snapshot=late),
    "hostile": Scene(snapshot=lambda: named(HOSTILE), called=HOSTILE),
    "long": Scene(snapshot=lambda: named(LONG), called=LONG),
    "wide": Scene(snapshot=lambda: named(WIDE), called=WIDE),
}


SCREENS = {
    "picker": ("m", *"qwen"),
    "options": ("o",),
    "engines": ("e",),
    "processes": ("p",),
    "ending": ("p", "delete"),
    "history": ("h",),
    "explain": ("x",),
    "help": ("question_mark",),
    "notices": ("f",),
    "devices": ("g",),
    "hardware": ("w",),
    "settings": ("comma",),
    "actions": ("ctrl+p",),
    "compare": ("plus", "c", "escape", "minus", "minus", "c"),
}
"""What is pressed for each, starting at the dashboard. The last one leaves another plan than it found."""


def app_of(name: str, settings: ReadSettings | None = None) -> PlimsollApp:
    """The app on that machine, with the clock at noon and no history but one reading."""
    scene = MACHINES[name]
    return PlimsollApp(
        snapshot=scene.snapshot(), plan=scene.plan(), to_local=time.gmtime, clock=lambda: 0.0, settings=settings
    )


def text_of(app: PlimsollApp) -> str:
    """What the terminal shows, a line for each of its own."""
    strips = app.screen._compositor.render_strips(app.screen.size)
    return "\n".join(strip.text for strip in strips)


def is_at_rest(app: PlimsollApp) -> bool:
    """Nothing is looked for aside that the screen waits for."""
    screen = app.screen
    if isinstance(screen, Hardware):
        return screen._options is not None or screen.view.plan is None
    if isinstance(screen, Compare):
        return all(one.assessment or one.reason != "computing …" for one in screen._columns.shown)
    if isinstance(screen, Engines):
        return all(one.reason != "…" for one in screen._candidates)
    if isinstance(screen, Picker):
        return not app.is_busy and not screen._appraisal.is_running and not screen._unjudged()
    return not app.is_busy


async def settle(app: PlimsollApp, pilot: Any) -> None:
    """Until it is at rest, and drawn."""
    for _ in range(1000):
        await pilot.pause(0.002)
        if is_at_rest(app):
            break
    await pilot.pause()


async def still(app: PlimsollApp, pilot: Any) -> str:
    """The picture, once it is the same twice, and laid out for the size of the screen, which may come after that.

    With more rows in sight there may be more to look for.
    """
    before, now = "", text_of(app)
    for _ in range(2000):
        if before == now and app.screen._compositor.size == app.screen.size and is_at_rest(app):
            return now
        await pilot.pause(0.001)
        before, now = now, text_of(app)
    laid_out = f"laid out for {app.screen._compositor.size}, {'' if is_at_rest(app) else 'not '}at rest"
    raise AssertionError(f"{app.screen}, {laid_out}, does not settle at {app.screen.size}:\n{now}")


async def resized(app: PlimsollApp, pilot: Any, size: tuple[int, int]) -> None:
    """Until the screen that is seen has taken the size, and is at rest."""
    await pilot.resize_terminal(*size)
    while app.screen.size != size:
        await pilot.pause(0.002)
    await settle(app, pilot)


async def at_every_size(app: PlimsollApp, pilot: Any, sizes: Iterable[tuple[int, int]] = SIZES) -> dict[str, str]:
    """Pictures of the screen that is seen, by ``80x24``."""
    pictures = {}
    for width, height in sizes:
        await resized(app, pilot, (width, height))
        pictures[f"{width}x{height}"] = await still(app, pilot)
    return pictures


@cache
def recognised() -> dict[str, dict[str, str]]:
    """With engines in every state: what is shown first, then with the warning read, then the processes; by size."""

    async def draw(size: tuple[int, int]) -> Iterable[tuple[str, str]]:
        app = PlimsollApp(snapshot=serving(), to_local=time.gmtime, clock=lambda: 0.0)
        app.bell = lambda: None  # type: ignore[method-assign]
        async with app.run_test(size=size) as pilot:
            await settle(app, pilot)
            app.post_message(EnginesSeen(engines()))
            app.post_message(SnapshotTaken(serving(at=1)))
            await settle(app, pilot)
            pictures = [("warning", await still(app, pilot))]
            for name, keys in (("dashboard", ("enter",)), ("processes", ("p",)), ("loading", ("down", "down"))):
                await pilot.press(*keys)
                await settle(app, pilot)
                pictures.append((name, await still(app, pilot)))
        return pictures

    found: dict[str, dict[str, str]] = {}
    for size in SIZES:
        for name, picture in asyncio.run(draw(size)):
            found.setdefault(name, {})[f"{size[0]}x{size[1]}"] = picture
    return found


async def walk(
    machine: str,
    names: Iterable[str] = ("dashboard", *SCREENS),
    sizes: Iterable[tuple[int, int]] = SIZES,
    settings: ReadSettings | None = None,
) -> dict[str, dict[str, str]]:
    """Screens of one app, one after another, each at these sizes: by name, then by ``80x24``."""
    app = app_of(machine, settings)
    found = {}
    async with app.run_test(size=SIZES[0]) as pilot:
        await settle(app, pilot)
        for name in names:
            await resized(app, pilot, SIZES[0])
            await pilot.press(*SCREENS.get(name, ()))
            await settle(app, pilot)
            found[name] = await at_every_size(app, pilot, sizes)
            while len(app.screen_stack) > 1:
                await pilot.press("escape")
                await pilot.pause()
    return found
