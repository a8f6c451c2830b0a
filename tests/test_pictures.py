"""Pictures of every screen at every size on every kind of machine, as text; and what must hold on all of them.

Each was looked at before it was kept. ``pytest --snapshot-update`` keeps others: look at what has changed first.

Screens, machines and sizes are 15 x 15 x 5: of them, the first screen is kept on every machine at every size, and every
other one at every size on the machine where the load fits. Of the rest, each pair is kept once: each screen on each
machine, at a size that goes round (``size_of``), so that each screen and each machine has its turn at each size. Help,
settings, actions and other hardware know nothing of the machine.
"""

import re
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
from pictures import (
    MACHINES,
    SCREENS,
    SIZES,
    app_of,
    at_every_size,
    dashboards,
    recognised,
    screens,
    settle,
    size_of,
    text_of,
    walk,
)
from rich.cells import cell_len
from scenes import desktop, engine, engines, model, serving, workstation

from tui.app import PlimsollApp
from tui.humanize import count
from tui.messages import EnginesSeen, SnapshotTaken
from tui.plan import default_plan
from tui.recognised import Phase
from tui.screens.dashboard import Dashboard
from tui.settings import Settings
from tui.settings_file import ReadSettings

ALIKE = frozenset({"help", "settings", "actions", "hardware"})
"""Screens that are the same on every machine."""
OF_A_MACHINE = tuple(name for name in SCREENS if name not in ALIKE)
OF_A_PLAN = frozenset({"engines", "compare"})
"""Screens that are not opened while nothing is planned."""
FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Categories of what is no text: controls, bidi and zero-width characters, surrogates, line separators."""


@pytest.fixture(autouse=True)
def _no_models_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "LLAMA_CACHE", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/you")


def folded(picture: str) -> str:
    """With lines that come many times said once, to keep it short."""
    lines = []
    for line, same in groupby(
        re.sub(r"(kept in )\S+ *", lambda found: found[1].ljust(len(found[0]), "."), picture).split("\n")
    ):
        n = len(list(same))
        lines += [line] if n < 3 else [line, f"({n - 1} more of these)"]
    return "\n".join(lines)


def kept(pictures: dict[str, str]) -> str:
    return "\n\n".join(f"{size}\n{folded(picture)}" for size, picture in pictures.items())


def flaws(pictures: dict[str, str]) -> list[str]:
    """What must not be on any picture: of its size, its frames, its characters and its sums."""
    found = []
    for size, picture in pictures.items():
        width, height = map(int, size.split("x"))
        lines = picture.split("\n")
        found += [f"{size}: {len(lines)} lines"] if len(lines) != height else []
        found += [f"{size}: {cell_len(line)} cells: {line}" for line in lines if cell_len(line) != width]
        found += [f"{size}: {char!a}" for char in set(picture) - {"\n"} if unicodedata.category(char) in FORBIDDEN]
        found += [f"{size}: {text}" for text in (*open_frames(lines), *wrong_sums(picture))]
    return found


def open_frames(lines: list[str]) -> Iterator[str]:
    """Frames of panels whose right or lower edge is not where the others lead."""
    grid = [[char for char in line for _ in range(cell_len(char))] for line in lines]
    for y, x in ((y, x) for y, row in enumerate(grid) for x, char in enumerate(row) if char == "╭"):
        right = next((end for end in range(x + 1, len(grid[y])) if grid[y][end] == "╮"), None)
        below = next((end for end in range(y + 1, len(grid)) if grid[end][x] != "│"), None)
        if right is None or below is None or grid[below][x] != "╰" or grid[below][right] != "╯":
            yield f"the frame at line {y}, cell {x} is not closed"
        elif any(grid[between][right] != "│" for between in range(y + 1, below)):
            yield f"the right edge of the frame at line {y}, cell {x} has a gap"


def wrong_sums(picture: str) -> Iterator[str]:
    """Three figures each of which is rounded on its own may be off by their last digit."""
    for found in re.finditer(r"([\d.]+)(?: used)? \+ +([\d.]+)(?: load)? = +([\d.]+) of", picture):
        used, load, both = map(float, found.groups())
        if abs(used + load - both) > (0.101 if "." in found[3] else 1.01):
            yield f"does not add up: {found[0]}"


@pytest.mark.parametrize("machine", MACHINES)
def test_the_dashboard_is_as_it_was_when_it_was_looked_at(machine: str, snapshot: Any) -> None:
    pictures = dashboards(machine)

    assert flaws(pictures) == []
    assert kept(pictures) == snapshot


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_it_was_when_it_was_looked_at(name: str, snapshot: Any) -> None:
    pictures = screens("fits", name)

    assert flaws(pictures) == []
    assert kept(pictures) == snapshot


@pytest.mark.parametrize("machine", sorted(MACHINES.keys() - {"fits"}))
async def test_every_screen_is_on_every_machine_as_it_was_when_it_was_looked_at(machine: str, snapshot: Any) -> None:
    is_planned = MACHINES[machine].model_name is not None
    found = await walk(machine, [name for name in OF_A_MACHINE if is_planned or name not in OF_A_PLAN])

    assert [flaw for pictures in found.values() for flaw in flaws(pictures)] == []
    assert "\n\n".join(f"{name} {kept(pictures)}" for name, pictures in found.items()) == snapshot


@pytest.mark.parametrize("name", ["warning", "dashboard", "processes", "loading"])
def test_engines_that_run_here_are_as_they_were_when_they_were_looked_at(name: str, snapshot: Any) -> None:
    pictures = recognised()[name]

    assert flaws(pictures) == []
    assert kept(pictures) == snapshot


@pytest.mark.parametrize("size", ["80x24", "61x17"])
def test_how_far_a_load_is_is_seen_in_its_row_on_a_small_terminal(size: str) -> None:
    row = next(line for line in recognised()["processes"][size].split("\n") if " 41990 " in line)

    assert " 3.10  Qwen3 14B Q4_K_M · loading 27 %" in row


def test_what_is_predicted_stands_beside_what_is_held_on_the_usual_terminal() -> None:
    rows = recognised()["processes"]["80x24"]

    assert re.search(r" 41233 0 +4\.60  Qwen3 4B Q8_0 · 8k · predicted 4\.5", rows)
    assert re.search(r" 41990 0 +3\.10  .* · predicted 11\.4", rows)


@pytest.mark.parametrize(("n_processes", "is_in_two"), [(1, True), (7, False)])
async def test_where_there_is_room_an_engine_takes_a_second_line(n_processes: int, is_in_two: bool) -> None:
    taken = serving(at=1)
    loading = sorted(taken.processes, key=lambda process: process.pid != 41990)
    app = app_of("fits")
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        app.post_message(EnginesSeen(engines()[1:2]))
        app.post_message(SnapshotTaken(replace(taken, processes=tuple((loading * 2)[:n_processes]))))
        await settle(app, pilot)
        shown = text_of(app)

    assert ("Qwen3 14B Q4_K_M    " in shown) is is_in_two
    assert bool(re.search("│ {23}loading 27 %", shown)) is is_in_two


def test_an_engine_in_ram_alone_is_among_the_processes() -> None:
    assert all(re.search(r" 43001 +RAM +2\.60", rows) for rows in recognised()["processes"].values())


async def test_hostile_names_are_plain_text_on_every_screen() -> None:
    found = await walk("hostile", SCREENS, ((61, 17), (200, 50)))

    assert [flaw for pictures in found.values() for flaw in flaws(pictures)] == []
    assert all("[bold red]" in pictures["200x50"] for pictures in found.values()), "markup is shown, not obeyed"


def test_each_screen_and_each_machine_is_looked_at_at_each_size() -> None:
    pairs = {(machine, name): size_of(machine, name) for machine in MACHINES for name in OF_A_MACHINE}

    assert all({size for (_, one), size in pairs.items() if one == name} == {*SIZES} for name in OF_A_MACHINE)
    assert all({size for (one, _), size in pairs.items() if one == machine} == {*SIZES} for machine in MACHINES)


@pytest.mark.parametrize("machine", ["spills", "wide"])
def test_ascii_is_enough_to_say_it(machine: str) -> None:
    pictures = dashboards(machine, ReadSettings(settings=Settings(ascii_only="on")))

    assert all(picture.isascii() for picture in pictures.values())
    assert [flaw for flaw in flaws(pictures) if "frame" not in flaw] == []


async def test_ascii_is_enough_on_every_screen() -> None:
    app = app_of("wide", ReadSettings(settings=Settings(ascii_only="on")))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot)
        for name, keys in SCREENS.items():
            await pilot.press(*keys)
            await settle(app, pilot)
            found = {char for char in text_of(app) if not char.isascii()}
            assert not found, name
            while not isinstance(app.screen, Dashboard):
                await pilot.press("escape")
                await pilot.pause()


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ("╭─╮\n│ │\n╰─╯", ""),
        ("╭─╮\n│漢│\n╰─╯", "4 cells"),
        ("╭─╮\n│ │\n   ", "not closed"),
        ("╭─╮\n│  \n╰─╯", "gap"),
        ("a\x1bb\n   \n   ", "x1b"),
        ("   \n   ", "2 lines"),
    ],
)
def test_flaws_are_found(picture: str, said: str) -> None:
    found = flaws({"3x3": picture})

    assert any(said in flaw for flaw in found) if said else not found


def test_sums_that_are_wrong_are_found() -> None:
    assert list(wrong_sums("4.6 used +  11.9 load =  16.5 of  23.5 GiB  4.6 + 11.9 = 16.6 of 23.5")) == []
    assert len(list(wrong_sums("4.6 used +  11.9 load =  17.5 of  23.5 GiB"))) == 1


async def test_the_banner_is_as_it_was_when_it_was_looked_at(snapshot: Any) -> None:
    seconds = [0.0]
    app = PlimsollApp(snapshot=desktop(1.2), plan=default_plan(model()), to_local=time.gmtime, clock=lambda: seconds[0])
    app.bell = lambda: None  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot)
        seconds[0] = 60.0  # what else would fit is looked for again
        app.post_message(SnapshotTaken(desktop(14, at=1)))
        await pilot.pause()
        pictures = await at_every_size(app, pilot)

    assert flaws(pictures) == []
    assert kept(pictures) == snapshot


async def test_loads_are_marked_in_the_history_as_they_were_when_they_were_looked_at(snapshot: Any) -> None:
    app = PlimsollApp(snapshot=desktop(1.2), to_local=time.gmtime, clock=lambda: 0.0)
    loading = engine(7, "GPU 0", 2, 8, model_name="Qwen3 8B", quant="Q8_0", phase=Phase.LOADING, is_growing=True)
    second = engine(8, "GPU 0", 2, 3, model_name="Llama 3.2 3B", quant="Q4_K_M")
    readings = [(1, ()), (30, (loading,)), (60, (replace(loading, phase=Phase.RESTING),)), (90, (second,))]
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot)
        for second_of, seen in readings:
            app.post_message(SnapshotTaken(desktop(1.2 + 2 * len(seen), at=second_of)))
            app.post_message(EnginesSeen(seen))
            await pilot.pause()
        app.post_message(SnapshotTaken(desktop(3.2, at=100)))
        await pilot.press("h")
        pictures = await at_every_size(app, pilot)

    assert flaws(pictures) == []
    assert kept(pictures) == snapshot


async def test_a_newcomer_finds_the_longest_context_in_two_keys_and_the_name() -> None:
    app = PlimsollApp(snapshot=desktop(1.2), to_local=time.gmtime, clock=lambda: 0.0)
    async with app.run_test(size=(80, 24)) as pilot:
        assert re.search(r"Press +m +to choose a model", text_of(app))
        await pilot.press("m")
        assert "type a name" in text_of(app)
        await pilot.press(*"qwen3 30b-a3b")
        await settle(app, pilot)
        assert re.search(r"╮\n│ +model .*\n│▸ +Qwen3 30B-A3B +30.5B Q4_K_M", text_of(app)), (
            "the first row, under the cursor"
        )
        assert "enter pick" in text_of(app).replace("  ", " ")
        await pilot.press("enter")
        for _ in range(500):
            await pilot.pause(0.005)
            if isinstance(app.screen, Dashboard) and not app.is_busy and app._desk.plan is not None:
                break
        await pilot.pause()
        shown = text_of(app)
        advice = app._desk.view().advice

    assert "Qwen3 30B-A3B   Q4_K_M" in shown
    assert advice is not None
    assert advice.longest_context_tokens
    assert re.search(rf"longest context that fits (here)? *{count(advice.longest_context_tokens)} ", shown)


async def test_the_way_back_is_always_escape() -> None:
    app = PlimsollApp(snapshot=workstation(), plan=default_plan(model()), to_local=time.gmtime, clock=lambda: 0.0)
    async with app.run_test(size=(80, 24)) as pilot:
        for name, keys in SCREENS.items():
            await pilot.press(*keys)
            assert "esc " in text_of(app).split("\n")[-1], f"{name} does not say the way back"
            for _ in range(2):
                if not isinstance(app.screen, Dashboard):
                    await pilot.press("escape")
                    await pilot.pause()
            assert isinstance(app.screen, Dashboard), name
