"""The mouse: whatever a key does can be clicked, where the key is shown or where what it is about is."""

import time
from typing import Any

import pytest
from pictures import MACHINES, SCREENS, settle, text_of
from scenes import model, serving, workstation
from textual import events

from tui.app import PlimsollApp
from tui.plan import default_plan
from tui.screens.dashboard import Dashboard
from tui.screens.devices import Devices
from tui.screens.engines import Engines
from tui.screens.explain import Explain
from tui.screens.picker import Picker
from tui.screens.processes import Processes
from tui.screens.timeline import TimelineScreen
from tui.widgets.hints import Hints


def planned() -> PlimsollApp:
    return PlimsollApp(snapshot=workstation(), plan=default_plan(model()), to_local=time.gmtime, clock=lambda: 0.0)


async def click(app: PlimsollApp, pilot: Any, text: str, *, moved: int = 0, line: int | None = None) -> None:
    """Where the text stands on the screen, or so many cells further."""
    lines = text_of(app).split("\n")
    y = next(y for y, shown in enumerate(lines) if text in shown) if line is None else line
    await pilot.click(offset=(lines[y].index(text) + moved, y))
    await pilot.pause()
    await pilot.pause()


@pytest.mark.parametrize(
    ("text", "screen"),
    [
        ("RTX 4090", Devices),
        ("FITS on", Explain),
        ("Model  ", Picker),
        ("Engine  ", Engines),
        (" PID", Processes),
        ("ago──", TimelineScreen),
    ],
)
async def test_a_panel_leads_to_the_screen_that_says_more(text: str, screen: type) -> None:
    app = planned()
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        await click(app, pilot, text)

        assert isinstance(app.screen, screen)


@pytest.mark.parametrize(("text", "screen"), [("no model is chosen", Picker), ("choose a model", Picker)])
async def test_where_nothing_is_planned_a_click_leads_to_the_models(text: str, screen: type) -> None:
    app = PlimsollApp(snapshot=workstation(), to_local=time.gmtime, clock=lambda: 0.0)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot)
        await click(app, pilot, text)

        assert isinstance(app.screen, screen)


@pytest.mark.parametrize(
    ("text", "moved", "quant", "tokens"),
    [
        ("[ ] quant", 0, "IQ4_XS", 8192),
        ("[ ] quant", 2, "Q5_K_M", 8192),
        ("- + context", 0, "Q4_K_M", 4096),
        ("- + context", 2, "Q4_K_M", 16384),
        ("Quant    ", 0, "IQ4_XS", 8192),
        ("Context  ", 0, "Q4_K_M", 16384),
    ],
)
async def test_each_sign_of_two_keys_does_what_its_key_does(text: str, moved: int, quant: str, tokens: int) -> None:
    app = planned()
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        await click(app, pilot, text, moved=moved)
        plan = app._desk.plan

    assert plan is not None
    assert (plan.model.quant, plan.workload.context_tokens) == (quant, tokens)


async def test_every_key_that_a_screen_names_can_be_clicked_and_escape_leads_back() -> None:
    app = planned()
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        for name, keys in SCREENS.items():
            await pilot.press(*keys)
            await settle(app, pilot)
            hints = app.screen.query_one(Hints)
            named = [key for keys, _ in hints.hints for key in keys.split(" ") if key not in "┄╌"]
            assert len(hints.targets) == len(named), name
            assert {key for _, _, _, key in hints.targets} <= app.screen.active_bindings.keys() | {"slash"}, name
            while not isinstance(app.screen, Dashboard):
                before = app.screen
                await click(app, pilot, "esc", line=35)
                assert app.screen is not before, name


async def test_a_click_on_the_name_of_a_key_does_not_take_the_line_that_is_typed_in() -> None:
    app = planned()
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        await pilot.press("m", *"qwen3 0.6b")
        await settle(app, pilot)
        await click(app, pilot, "F3 fits")
        await settle(app, pilot)
        await pilot.press("x")

        assert app.screen._choice.is_fitting_only  # type: ignore[attr-defined]  # the picker's
        assert app.screen.text == "qwen3 0.6bx"  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["params", "GLM-5"])
async def test_a_click_in_the_list_does_not_take_the_line_that_is_typed_in(text: str) -> None:
    app = planned()
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        await pilot.press("m")
        await settle(app, pilot)
        await click(app, pilot, text)
        await pilot.press(*"qw")

        assert app.screen.text == "qw"  # type: ignore[attr-defined]  # the picker's


async def test_a_click_on_a_title_sorts_by_its_column_and_a_second_one_turns_it_round() -> None:
    app = PlimsollApp(snapshot=serving(), to_local=time.gmtime, clock=lambda: 0.0)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        await pilot.press("p")
        await settle(app, pilot)
        orders = []
        for title in ("PID", "PID", "command", "device", "GiB"):
            await click(app, pilot, title, moved=len(title) - 1)
            orders.append((app.screen.column, app.screen.is_reversed))  # type: ignore[attr-defined]

    assert orders == [("PID", False), ("PID", True), ("command", False), ("device", False), ("GiB", True)]


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_a_click_on_a_title_sorts_the_models_by_that_column_where_there_is_such_an_order(
    size: tuple[int, int],
) -> None:
    app = planned()
    async with app.run_test(size=size) as pilot:
        await settle(app, pilot)
        await pilot.press("m")
        await settle(app, pilot)
        orders = []
        for title in ("params", "params▲", "quant", "context", "verdict", "verdict", " model", "size"):
            await click(app, pilot, f" {title}", moved=len(title.strip()))
            choice = app.screen._choice  # type: ignore[attr-defined]  # the picker's
            orders.append((choice.sort, choice.is_reversed))

    assert orders == [
        ("params", False), ("params", True), ("params", True), ("context", False), ("fit", False), ("fit", False),
        ("name", False), ("size", False),
    ]  # fmt: skip


async def test_the_wheel_moves_the_history_from_pool_to_pool() -> None:
    app = PlimsollApp(snapshot=MACHINES["eight"].snapshot(), to_local=time.gmtime, clock=lambda: 0.0)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot)
        await pilot.press("h")
        await settle(app, pilot)
        timeline = app.screen.query_one("#timeline")
        await pilot._post_mouse_events([events.MouseScrollDown], timeline)
        await pilot.pause()

        assert "GPU 1" in text_of(app).split("\n")[2]
