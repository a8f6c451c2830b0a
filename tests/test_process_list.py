"""The list of processes, while their rows move each second."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from scenes import desktop, engine, gib, laptop
from test_app import app_on, show, text_of

from probes.snapshot import Process, Snapshot
from tui.app import PlimsollApp
from tui.messages import EnginesSeen
from tui.screens.palette import commands_of
from tui.widgets.listing import followed
from tui.widgets.processes import title_of
from tui.widgets.view import View

SIZE = (120, 36)


def holding(*held: tuple[int, float], at: float = 0.0) -> Snapshot:
    """One card, and processes: pid and GiB of each."""
    processes = tuple(
        Process(pid=pid, device_key="gpu-0", used_bytes=gib(n_gib), name=f"p{pid}", started_ticks=7)
        for pid, n_gib in held
    )
    return replace(desktop(at=at), processes=processes)


def under_cursor(app: PlimsollApp) -> str:
    (line,) = (line for line in text_of(app).split("\n") if "▸" in line)
    return line.split()[1].lstrip("▸")


@pytest.mark.parametrize(
    ("before", "cursor", "now", "row"),
    [
        ("abc", 1, "bac", 0),
        ("abc", 1, "abc", 1),
        ("abcd", 1, "dca", 1),  # what stood below it
        ("abc", 2, "ba", 0),  # what stood above it
        ("abc", 0, "xyz", 0),
        ("", 0, "ab", 0),
        ("ab", 5, "ab", 5),
    ],
)
def test_a_cursor_follows_its_row_or_else_the_nearest(before: str, cursor: int, now: str, row: int) -> None:
    assert followed(before, cursor, now) == row


async def test_the_cursor_stays_on_its_process_where_rows_move() -> None:
    app = app_on(holding((11, 3), (12, 2), (13, 1)))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p", "down")
        await show(app, pilot, holding((11, 3), (12, 0.5), (13, 1), at=1))

        assert under_cursor(app) == "12"


async def test_on_top_it_stays_on_its_process_as_well() -> None:
    app = app_on(holding((11, 3), (12, 2)))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p")
        await show(app, pilot, holding((11, 3), (12, 4), at=1))

        assert under_cursor(app) == "11"


async def test_where_its_process_ends_the_cursor_is_on_the_next_one() -> None:
    app = app_on(holding((11, 3), (12, 2), (13, 1)))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p", "down")
        await show(app, pilot, holding((13, 1), (11, 0.5), at=1))

        assert under_cursor(app) == "13"


async def test_a_later_process_of_the_same_number_is_another_one() -> None:
    app = app_on(holding((11, 3), (12, 2), (13, 1)))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p", "down")
        later = holding((11, 3), (13, 1), (12, 0.5), at=1)
        again = replace(later.processes[2], started_ticks=900)
        await show(app, pilot, replace(later, processes=(*later.processes[:2], again)))

        assert under_cursor(app) == "13"


async def test_an_engine_that_comes_onto_a_gpu_keeps_the_cursor() -> None:
    app = app_on(holding((11, 3), (12, 2)))
    async with app.run_test(size=SIZE) as pilot:
        app.post_message(EnginesSeen((engine(7, "RAM", 1, None),)))
        await show(app, pilot, holding((11, 3), (12, 2), at=1))
        await pilot.press("p", "end")
        await pilot.pause()
        assert under_cursor(app) == "7"
        app.post_message(EnginesSeen(()))
        await show(app, pilot, holding((7, 5), (11, 3), (12, 2), at=2))

        assert under_cursor(app) == "7"


async def test_sorting_keeps_a_cursor_that_was_moved_and_leaves_one_on_top() -> None:
    app = app_on(holding((13, 3), (12, 2), (11, 1)))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p", "s", "s", "s", "s")  # by name: 11, 12, 13
        await pilot.pause()
        on_top = under_cursor(app)
        await pilot.press("down", "down", "r")
        await pilot.pause()

        assert (on_top, under_cursor(app)) == ("11", "13")


async def test_the_first_that_a_filter_finds_is_under_the_cursor() -> None:
    app = app_on(holding((11, 3), (12, 2), (21, 1)))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p", "down", "slash", "1")
        await pilot.pause()

        assert under_cursor(app) == "11"


@pytest.mark.skipif(sys.platform != "linux", reason="what runs is looked at in /proc")
async def test_what_was_asked_about_is_ended_though_another_stands_there_by_now() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper, subprocess.Popen(["sleep", "61"]) as other:
        for one in (sleeper, other):
            while Path(f"/proc/{one.pid}/comm").read_text().strip() != "sleep":
                pass

        def both(first: float, second: float, at: float) -> Snapshot:
            held = holding((sleeper.pid, first), (other.pid, second), at=at)
            processes = tuple(replace(one, name="sleep", started_ticks=None) for one in held.processes)
            return replace(held, processes=processes)

        app = app_on(both(3, 2, 0))
        async with app.run_test(size=SIZE) as pilot:
            await pilot.press("p", "delete")
            await show(app, pilot, both(3, 9, 1))
            await pilot.press("enter")
            await pilot.pause()
        assert sleeper.wait(10) == -signal.SIGTERM
        assert other.poll() is None
        other.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="what runs is looked at in /proc")
async def test_one_that_has_only_the_number_and_the_name_of_what_was_shown_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"]) as later:
        while Path(f"/proc/{later.pid}/comm").read_text().strip() != "sleep":
            pass
        shown = holding((later.pid, 3))
        earlier = replace(shown.processes[0], name="sleep", started_ticks=1)
        app = app_on(replace(shown, processes=(earlier,)))
        async with app.run_test(size=SIZE) as pilot:
            await pilot.press("p", "delete", "enter")
            await pilot.pause()
            assert any("was left alone" in said.message for said in app._notifications)
        assert later.poll() is None
        later.kill()


IN_RAM = (engine(7, "RAM", 1, None),)


@pytest.mark.parametrize(
    ("view", "title"),
    [
        (View(), "Processes"),
        (View(snapshot=laptop()), "Processes"),
        (View(snapshot=laptop(), engines=IN_RAM), "Engines in RAM"),
        (View(snapshot=desktop(), engines=IN_RAM), "Engines in RAM"),
        (View(snapshot=desktop()), "Processes on the GPUs"),
        (View(snapshot=desktop(9.0)), "Processes on the GPUs"),
        (View(snapshot=desktop(9.0), engines=IN_RAM), "Processes on the GPUs, engines in RAM"),
    ],
)
def test_the_title_says_what_is_listed(view: View, title: str) -> None:
    assert title_of(view) == title


@pytest.mark.parametrize("keys", [(), ("p",)])
async def test_the_panel_and_the_list_have_the_title_of_what_they_show(keys: tuple[str, ...]) -> None:
    app = app_on(laptop())
    async with app.run_test(size=(200, 50)) as pilot:
        app.post_message(EnginesSeen(IN_RAM))
        await show(app, pilot, laptop(at=1))
        await pilot.press(*keys)
        await pilot.pause()
        await pilot.pause()

        assert "Engines in RAM" in text_of(app)
        assert "on the GPUs" not in text_of(app)


@pytest.mark.parametrize("options", [{"is_read_only": True}, {"is_elsewhere": True}])
async def test_where_nothing_is_ended_nothing_offers_it(options: dict[str, bool]) -> None:
    app = app_on(desktop(9.0), **options)
    shown = []
    async with app.run_test(size=(200, 60)) as pilot:
        for keys in (("p",), ("slash", "escape"), ("question_mark",), ("escape", "ctrl+p")):
            await pilot.press(*keys)
            await pilot.pause()
            shown.append(text_of(app))

    assert not [text for text in shown if "end it" in text or "End the process" in text or "ends one" in text]


async def test_where_it_may_be_ended_each_place_offers_it() -> None:
    app = app_on(desktop(9.0))
    shown = []
    async with app.run_test(size=(200, 60)) as pilot:
        for keys in (("p",), ("slash", "escape"), ("question_mark",), ("escape", "ctrl+p")):
            await pilot.press(*keys)
            await pilot.pause()
            shown.append(text_of(app))

    assert all("end it" in text for text in shown[:3])
    assert "ends one" in shown[2]
    assert "End the process" in shown[3]


async def test_where_no_file_is_written_nothing_offers_to_save_one() -> None:
    app = app_on(desktop(9.0), is_read_only=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("h")
        await pilot.pause()
        titles = {command.title for command in commands_of(app.screen)}

        assert "s save" not in text_of(app)
        assert not {"Write the history to a file", "Save a picture of the screen (SVG)"} & titles
