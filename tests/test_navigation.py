"""From one screen to another, and back: no key leads where escape does not lead out again."""

import time
from dataclasses import replace

import pytest
from pictures import settle, text_of
from scenes import desktop, lost, mixed, model, workstation
from textual.geometry import Size

from probes.snapshot import Snapshot
from tui.app import PlimsollApp
from tui.plan import default_plan
from tui.screens.browser import Browser
from tui.screens.confirm import Confirm
from tui.screens.dashboard import Dashboard
from tui.screens.explain import Explain
from tui.screens.hardware import Hardware
from tui.screens.palette import commands_of, keys_text
from tui.screens.picker import Picker
from tui.screens.preferences import Preferences
from tui.screens.processes import Processes
from tui.settings import Settings


def app_on(taken: Snapshot) -> PlimsollApp:
    return PlimsollApp(
        snapshot=taken, plan=default_plan(model("Llama 3.1 8B")), to_local=time.gmtime, clock=lambda: 0.0
    )


@pytest.mark.parametrize("first", ["p", "h", "x", "f", "g", "o", "e", "question_mark"])
async def test_keys_lead_from_every_screen_to_the_others(first: str) -> None:
    app = app_on(workstation())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(first)
        here = type(app.screen)

        await pilot.press("comma")
        assert isinstance(app.screen, Preferences)
        await pilot.press("escape")

        assert type(app.screen) is here


async def test_a_screen_that_lies_below_is_gone_back_to() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"pxhpxpx")
        await pilot.pause()
        assert [type(screen) for screen in app.screen_stack] == [Dashboard, Processes, Explain]

        await pilot.press("escape", "escape")
        assert isinstance(app.screen, Dashboard)


async def test_no_key_leads_away_from_a_question() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("p", "delete", "x", "comma", "m", "question_mark", "p")

        assert isinstance(app.screen, Confirm)


async def test_the_plan_can_be_changed_where_it_is_explained() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("x", "left_square_bracket")
        await pilot.pause()

        assert isinstance(app.screen, Explain)
        assert "Llama 3.1 8B IQ4_XS: where every byte goes" in text_of(app)


async def test_a_device_is_planned_for_alone_from_the_list_of_devices() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("g", "down", "enter", "escape")
        await pilot.pause()

        assert "all on GPU 1" in text_of(app)


async def test_of_a_device_that_cannot_be_read_no_matrix_is_shown() -> None:
    app = app_on(lost())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot)
        assert "Q5_K_M" in text_of(app)

        await pilot.press("g", "down", "enter", "escape")
        await settle(app, pilot)
        assert "GPU 1 is not there, or its memory is not known now" in text_of(app)
        assert "cannot be judged here" in text_of(app)
        assert "Q5_K_M" not in text_of(app)


async def test_hidden_devices_are_planned_for_where_that_is_asked() -> None:
    app = app_on(mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        assert "GPU 1" not in {place.name for place in app._desk.view().places}

        await pilot.press("g", "a")
        assert "GPU 1" in {place.name for place in app._desk.view().places}
        await pilot.press("a")
        assert "GPU 1" not in {place.name for place in app._desk.view().places}


async def test_where_no_device_is_hidden_it_is_said() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("g", "a")
        await pilot.pause()

        assert "no device is hidden" in str([notice.message for notice in app._notifications])


def test_keys_are_named_as_on_the_keyboard() -> None:
    assert keys_text("left_square_bracket,down") == "[ or ↓"
    assert keys_text("plus,equals_sign,right") == "+ or = or →"
    assert keys_text("question_mark,f1") == "? or F1"


async def test_all_actions_are_listed_once_with_the_keys_that_lead_to_them_from_here() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(80, 24)) as pilot:
        on_dashboard = commands_of(app.screen)
        await pilot.press("p")
        on_processes = commands_of(app.screen)

    for commands in (on_dashboard, on_processes):
        assert len({command.title for command in commands}) == len(commands)
        assert not [command for command in commands if "_" in command.keys]
    assert {"[ or ↓", "space", ",", "PgDn", "1", "g, then a"} <= {command.keys for command in on_dashboard}
    assert {"s", "r", "del or F9", ","} <= {command.keys for command in on_processes}
    assert not {"[ or ↓", "PgDn"} & {command.keys for command in on_processes}


async def test_an_action_is_done_by_its_name_where_one_is() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("p", "ctrl+p", *"way round", "enter")
        await pilot.pause()
        assert isinstance(app.screen, Processes)
        assert not app.screen.is_reversed

        await pilot.press("ctrl+p", *"light", "enter")
        await pilot.pause()
        assert app.theme == "plimsoll-light"


async def test_where_there_is_no_room_below_the_verdict_the_banner_lies_above_it() -> None:
    app = app_on(replace(mixed()))
    async with app.run_test(size=(61, 17)) as pilot:
        await settle(app, pilot)
        lines = text_of(app).split("\n")

        assert lines[0].startswith(" ! GPU 0 NVIDIA GeForce RTX 4090 is full")
        assert any("● FITS on GPU 2" in line for line in lines)
        assert lines[-1].startswith(" m model")


async def test_the_key_that_reads_a_warning_is_said_however_narrow() -> None:
    for width in (40, 59, 60, 61, 79):
        app = app_on(mixed())
        async with app.run_test(size=(width, 15)) as pilot:
            await settle(app, pilot)

            assert text_of(app).split("\n")[0].endswith("enter read ")


async def test_a_list_shows_rows_where_there_is_hardly_room() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(50, 8)) as pilot:
        for key in ("p", "g", "o", "x", "comma", "e", "m", "w", "ctrl+p", "question_mark"):
            await pilot.press(key)
            await settle(app, pilot)
            screen = app.screen
            assert isinstance(screen, Browser)
            assert screen.listing.content_size.height == 6 - screen.entry.display, key
            await pilot.press("escape")


async def test_a_setting_is_found_among_the_actions_by_what_it_does() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("ctrl+p", *"ring bell")
        await settle(app, pilot)
        assert "Setting alerts.bell: ring the terminal's bell" in text_of(app)
        await pilot.press("enter")
        await settle(app, pilot)
        assert any(line.startswith("│▸alerts.bell") for line in text_of(app).split("\n"))
        await pilot.press("enter")
        await settle(app, pilot)
        assert app.settings.alerts.bell is False


async def test_a_setting_is_gone_to_where_the_settings_are_open_already() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("comma", "ctrl+p", *"ring bell", "enter")
        await settle(app, pilot)

        assert [type(screen) for screen in app.screen_stack] == [Dashboard, Preferences]
        assert any(line.startswith("│▸alerts.bell") for line in text_of(app).split("\n"))


async def test_the_settings_are_gone_back_to_with_the_cursor_where_it_was_if_none_is_asked_for() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("comma", "down", "down", "x", "comma")
        await settle(app, pilot)

        assert isinstance(app.screen, Preferences)
        assert app.screen.listing.cursor == 2


class CountedFills(Preferences):
    n_fills = 0

    def _fill_for(self, size: Size) -> None:
        self.n_fills += 1
        super()._fill_for(size)


async def test_a_list_gets_its_first_rows_once() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(100, 30)) as pilot:
        screen = CountedFills(Settings(), ("plimsoll",))
        app._open(lambda: screen)
        await settle(app, pilot)

        assert screen.n_fills == 1


@pytest.mark.parametrize("screen", [Preferences, Picker, Hardware])
def test_what_follows_the_first_rows_of_a_list_is_no_handler_which_the_library_calls_for_each_class(
    screen: type[Browser],
) -> None:
    assert "on_mount" not in vars(screen)
    assert "begin" in vars(screen)
