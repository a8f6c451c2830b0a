"""What a large terminal shows beside what all do: what signs mean, a bar for each process, a chart for each pool."""

import re
import time
from dataclasses import replace

import pytest
from pictures import resized, settle, text_of, walk
from scenes import desktop, laptop, model, server, snapshot, workstation
from test_widgets import drawn, view_of
from textual.geometry import Size

from probes.snapshot import Process
from tui.app import PlimsollApp
from tui.widgets.arrange import Wants, arrange_panels
from tui.widgets.chart import HistoryPanel
from tui.widgets.keybar import KeyBar
from tui.widgets.matrix import MatrixPanel
from tui.widgets.memory import MemoryPanel
from tui.widgets.processes import ProcessPanel
from tui.widgets.verdict import VerdictPanel

LARGE = Size(200, 50)


def test_the_matrix_says_what_its_signs_stand_for_where_there_is_room() -> None:
    view = view_of(desktop(9.0), model("Qwen3 32B"), is_studied=True)

    roomy, full = (drawn(MatrixPanel(), view, width=84, height=height) for height in (14, 8))

    assert re.search(
        r"\n\n● fits +▲ tight, over the load line at worst +◆ spills *\n◆ a part of it would be left", roomy
    )
    assert "spills" not in full


def test_a_quant_that_fails_between_others_that_spill_has_its_reason_below() -> None:
    view = view_of(laptop(), model("Llama 3.1 70B"), is_studied=True)

    shown = " ".join(drawn(MatrixPanel(), view, width=84, height=20).split())

    assert "◆ the file is mapped" in shown
    assert "✗ weights of this type are copied for the CPU" in shown


def test_a_line_of_the_legend_is_whole_or_not_there() -> None:
    view = view_of(laptop(), model("Llama 3.1 70B"), is_studied=True)

    lines = [drawn(MatrixPanel(), view, width=84, height=height).split("\n") for height in range(9, 18)]

    assert {len(shown) for shown in lines} <= {9, 14, 15}
    assert all(shown[-1].endswith(("fails   ", "instead")) for shown in lines)


def test_what_the_matrix_says_is_made_once_for_the_same_cells() -> None:
    panel, view = MatrixPanel(), view_of(desktop(), model(), is_studied=True)

    assert panel.is_same(view, view)
    assert not panel.is_same(view_of(desktop(), model()), view)


def test_each_process_has_a_bar_of_the_memory_that_it_draws_on() -> None:
    wide, narrow = (drawn(ProcessPanel(), view_of(workstation()), width=width) for width in (110, 60))

    assert re.search(r" 41233  0 +4\.2  ███░{13}  llama-server", wide)
    assert "░" not in narrow


@pytest.mark.parametrize("width", [110, 60])
def test_what_is_kept_of_a_process_is_said_anew_where_it_is_another(width: int) -> None:
    panel, first = ProcessPanel(), workstation()
    drawn(panel, view_of(first), width=110)
    moved = replace(
        first, processes=tuple(replace(one, used_bytes=(one.used_bytes or 0) * 2) for one in first.processes)
    )
    renamed = replace(first, processes=tuple(replace(one, command="another --program") for one in first.processes))

    for taken in (first, moved, renamed):
        assert drawn(panel, view_of(taken), width=width) == drawn(ProcessPanel(), view_of(taken), width=width)


def test_memory_that_is_not_told_has_no_bar() -> None:
    unseen = Process(pid=7, device_key="gpu-0", used_bytes=None, name="seen")

    row = next(
        line
        for line in drawn(ProcessPanel(), view_of(snapshot([], processes=[unseen])), width=110).split("\n")
        if " 7 " in line
    )

    assert "░" not in row
    assert row.endswith("seen")


@pytest.mark.parametrize(
    ("taken", "width", "charts"),
    [
        (workstation(), 196, ["GPU 0", "GPU 1", "RAM"]),
        (desktop(), 130, ["GPU 0", "RAM"]),
        (desktop(), 96, []),
        (laptop(), 196, []),
        (server(), 196, ["GPU 6", "RAM"]),
    ],
)
def test_pools_lie_side_by_side_where_their_charts_have_room(taken: object, width: int, charts: list[str]) -> None:
    shown = drawn(HistoryPanel(), view_of(taken), width=width, height=14)  # type: ignore[arg-type]

    assert re.findall(r"(GPU \d|RAM), \S+ GiB high", shown) == charts
    assert shown.count("└") == max(1, len(charts))


def test_a_short_list_of_processes_leaves_its_lines_to_the_history() -> None:
    few = arrange_panels(LARGE, Wants(n_rows=3, has_plan=True, n_legend=2))
    many = arrange_panels(LARGE, Wants(n_rows=3, has_plan=True, n_legend=2, has_many_processes=True))

    assert few["matrix"].height == 2 + 1 + 7 + 1 + 2
    assert many["processes"].height > few["processes"].height
    assert few["history"].height > many["history"].height


async def test_plans_side_by_side_have_a_bar_for_each_place() -> None:
    found = await walk("fits", ["compare"], [(120, 36), (61, 17)])

    shown = found["compare"]
    assert re.search(r"GPU 0 +█+▉?.*▒+.*┃.* █+.*▒+.*┃", shown["120x36"])
    assert not re.search("GPU 0 +█", shown["61x17"])


async def test_engines_say_how_fast_and_why_not_where_there_is_room() -> None:
    found = await walk("fits", ["engines"], [(120, 36), (61, 17)])

    shown = found["engines"]
    assert re.search(r"Ollama +Q4_K_M .* 160  ● fits +on GPU 0 and 1, 3\.\d GiB under the line", shown["120x36"])
    assert re.search(r"vLLM .* –  ✗ fails +\S+", shown["120x36"])
    assert "tok/s" not in shown["61x17"]


async def test_the_changes_that_are_offered_are_among_the_actions_by_what_they_change() -> None:
    spills = (await walk("spills", ["actions"], [(120, 36)]))["actions"]["120x36"]
    fits = (await walk("fits", ["actions"], [(120, 36)]))["actions"]["120x36"]

    assert re.search(r"│ 1 +Apply change 1: Q2_K, tight +│", spills)
    assert "Apply change" not in fits


async def test_a_wide_list_of_models_says_what_its_filters_go_by() -> None:
    found = (await walk("fits", ["picker"], [(200, 50), (120, 36)]))["picker"]

    assert re.search(r"Qwen3 0\.6B .* ● fits +2025-04 +text +apache-2\.0", found["200x50"])
    assert re.search(r"Qwen-Image 20B .*… +20\d\d-\d\d +image", found["200x50"])
    assert "licence" not in found["120x36"].split("\n")[5]


async def test_devices_and_sums_of_the_ledger_have_bars_where_there_is_room() -> None:
    found = await walk("eight", ["devices", "explain"], [(200, 50), (80, 24)])

    assert re.search(r"GPU 0 +H100 .*700 W +█+.?░+ *│", found["devices"]["200x50"])
    assert re.search(r"GPU 0 +sum .* line at .* █+.?▒+▓+.*┃", found["explain"]["200x50"])
    assert "░" not in found["devices"]["80x24"] + found["explain"]["80x24"]


async def test_the_list_of_processes_says_how_busy_each_keeps_its_device_where_there_is_room() -> None:
    taken = workstation()
    busy = replace(taken, processes=tuple(replace(one, utilization_ratio=0.42) for one in taken.processes[:1]))
    app = PlimsollApp(snapshot=busy, to_local=time.gmtime, clock=lambda: 0.0)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        await pilot.press("p")
        await settle(app, pilot)
        wide = text_of(app)
        orders = []
        for size in ((120, 36), (80, 24)):
            await resized(app, pilot, size)
            app.screen.column = "GiB"  # type: ignore[attr-defined]  # that of processes
            await pilot.press("s")
            orders.append(app.screen.column)  # type: ignore[attr-defined]

    assert re.search(r"41233  GPU 0 +4\.20 +42 % ", wide)
    assert orders == ["busy", "name"]


def test_what_would_fit_is_said_before_the_changes_where_these_take_the_rest() -> None:
    view = view_of(desktop(9.0), model("Qwen3 32B"), is_studied=True)

    low, high = (drawn(VerdictPanel(), view, width=76, height=height) for height in (4, 8))

    assert re.search(r"slower\n  longest context that fits none .*\n  would fit with  \[1\]", low)
    assert high.index("longest") > high.index("would fit")


def test_a_small_chart_beside_how_busy_a_device_is_says_that_it_is_of_memory() -> None:
    view = view_of(desktop())

    assert re.search(r"97 % busy +memory +▁", drawn(MemoryPanel(), view, width=96))
    assert re.search(r"97 % busy +mem +▁", drawn(MemoryPanel(), view, width=76))
    assert "▁" not in drawn(MemoryPanel(), view, width=66)


async def test_the_bar_of_shared_memory_has_all_that_draws_on_it() -> None:
    shown = (await walk("unified", ["explain"], [(200, 50)]))["explain"]["200x50"]

    assert re.search(r"RAM +sum with GPU 0 .* line at .*█+.?▒{4,}", shown)


@pytest.mark.parametrize(("width", "n_keys"), [(196, 16), (120, 10), (60, 5)])
def test_the_last_line_names_as_many_keys_as_have_room(width: int, n_keys: int) -> None:
    bar = KeyBar()
    (shown,) = drawn(bar, view_of(desktop(), model()), width=width, height=1).split("\n")

    assert len({action for *_, action in bar.targets if not action.endswith("(-1)")}) >= n_keys
    assert ("w what if  y copy  , settings" in shown) is (width == 196)
