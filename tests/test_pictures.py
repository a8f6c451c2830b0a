"""Pictures of every screen at every size on every kind of machine, as text; and what must hold on all of them.

Each was looked at before it was kept. ``pytest --snapshot-update`` keeps others: look at what has changed first. They
lie in ``__snapshots__/pictures``, a folder for each machine, a file for each screen, all sizes in it.
"""

import re
import time
from dataclasses import replace
from typing import Any

import pytest
from flaws import flaws, wrong_sums
from kept_pictures import FOLDER, changes, folded, place_of
from pictures import MACHINES, SCREENS, SIZES, app_of, at_every_size, recognised, settle, text_of, walk
from scenes import desktop, engine, engines, model, serving, workstation

from tui.app import PlimsollApp
from tui.humanize import count
from tui.messages import EnginesSeen, SnapshotTaken
from tui.plan import default_plan
from tui.recognised import Phase
from tui.screens.dashboard import Dashboard
from tui.settings import Settings
from tui.settings_file import ReadSettings

OF_A_PLAN = frozenset({"engines", "compare"})
"""Screens that are not opened while nothing is planned."""


@pytest.fixture(autouse=True)
def _no_models_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "LLAMA_CACHE", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/you")


def screens_of(machine: str) -> list[str]:
    is_planned = MACHINES[machine].model_name is not None
    return [name for name in ("dashboard", *SCREENS) if is_planned or name not in OF_A_PLAN]


@pytest.mark.parametrize("machine", MACHINES)
async def test_every_screen_is_as_it_was_when_it_was_looked_at(machine: str, request: pytest.FixtureRequest) -> None:
    is_updating = request.config.getoption("update_snapshots")

    found = await walk(machine, screens_of(machine))

    assert [f"{name} {flaw}" for name, pictures in found.items() for flaw in flaws(pictures)] == []
    changed = [line for name, one in found.items() for line in changes(machine, name, one, is_updating=is_updating)]
    assert not changed, "\n".join(changed)


def test_no_picture_is_kept_that_is_not_made() -> None:
    made = {place_of(machine, name) for machine in MACHINES for name in screens_of(machine)}

    assert {path for path in FOLDER.rglob("*") if path.is_file()} == made


@pytest.mark.parametrize("name", ["warning", "dashboard", "processes", "loading"])
def test_engines_that_run_here_are_as_they_were_when_they_were_looked_at(name: str, snapshot: Any) -> None:
    pictures = recognised()[name]

    assert flaws(pictures) == []
    assert folded(pictures) == snapshot


@pytest.mark.parametrize("size", ["80x24", "61x17"])
def test_how_far_a_load_is_is_seen_in_its_row_on_a_small_terminal(size: str) -> None:
    row = next(line for line in recognised()["processes"][size].split("\n") if " 41990 " in line)

    assert " 3.10  Qwen3 14B Q4_K_M · loading 27 %" in row


def test_what_is_predicted_stands_beside_what_is_held_on_the_usual_terminal() -> None:
    rows = recognised()["processes"]["80x24"]

    assert re.search(r" 41233 0 +4\.60  Qwen3 4B Q8_0 · 8k · predicted 4\.5", rows)
    assert re.search(r" 41990 0 +3\.10  .* · predicted 11\.4", rows)


@pytest.mark.parametrize(("n_processes", "is_in_two"), [(1, True), (12, False)])
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


@pytest.mark.parametrize("name", screens_of("hostile"))
def test_markup_in_names_is_shown_and_not_obeyed(name: str) -> None:
    assert "[bold red]" in place_of("hostile", name).read_text(encoding="utf-8").split("200x50")[1]


@pytest.mark.parametrize("name", ["dashboard", "engines", "compare"])
def test_nothing_is_said_to_fit_where_no_gpu_can_be_read(name: str) -> None:
    said = place_of("stale-driver", name).read_text(encoding="utf-8")

    assert "no GPU's memory is known now" in said
    assert "fits" not in said.casefold()


def test_no_model_is_said_to_fit_where_no_gpu_can_be_read() -> None:
    said = place_of("stale-driver", "picker").read_text(encoding="utf-8")

    assert "not judged" in said
    assert "● fits" not in said


def test_a_long_reason_is_said_whole_where_there_is_nothing_to_explain() -> None:
    said = place_of("stale-driver", "explain").read_text(encoding="utf-8")

    assert said.count("in RAM alone") + said.count("\n│ RAM alone") == 5


def test_the_ledger_names_no_blocks_where_there_are_none() -> None:
    said = place_of("fits", "explain").read_text(encoding="utf-8")

    assert "Q4_K_M, the embedding" in said
    assert " 0 of 48 blocks" not in said
    assert "x 1 sequence " in said


def test_what_shares_a_pool_is_counted_together_and_said_so() -> None:
    assert "sum with GPU 0" in place_of("unified", "explain").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("machine", "names", "sizes"), [("wide", screens_of("wide"), SIZES[:1]), ("spills", ["dashboard"], SIZES)]
)
async def test_ascii_is_enough_on_every_screen(
    machine: str, names: list[str], sizes: tuple[tuple[int, int], ...]
) -> None:
    found = await walk(machine, names, sizes, ReadSettings(settings=Settings(ascii_only="on")))

    assert {char for pictures in found.values() for char in "".join(pictures.values()) if not char.isascii()} == set()
    assert [flaw for pictures in found.values() for flaw in flaws(pictures) if "frame" not in flaw] == []


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ("╭─╮\n│ │\n╰─╯", ""),
        ("╭─╮\n│漢│\n╰─╯", "4 cells"),
        ("╭─╮\n│ │\n   ", "not closed"),
        ("╭─╮\n│  \n╰─╯", "gap"),
        ("abc\n│ │\n╰─╯", "no upper corner"),
        (" ┏━\n ┃ \n ┗━", "over a panel"),
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
    assert folded(pictures) == snapshot


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
    assert folded(pictures) == snapshot


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
