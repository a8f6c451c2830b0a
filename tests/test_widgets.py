import re
import time
from dataclasses import replace

import pytest
from scenes import (
    GIB,
    desktop,
    device,
    gib,
    laptop,
    late,
    lost,
    mixed,
    model,
    pool,
    server,
    snapshot,
    stale_driver,
    unified,
    workstation,
)
from textual.geometry import Region, Size

from estimator.model import Model
from probes.snapshot import SWAP_POOL, Fault, Process, Snapshot
from tui.plan import default_plan
from tui.screens.browser import About
from tui.screens.desk import Desk
from tui.widgets.arrange import Wants, arrange_panels, is_tiny
from tui.widgets.bar import CACHE, COMPUTE, LANDED, WEIGHTS, Part, bar, sparkline
from tui.widgets.chart import chart, scale
from tui.widgets.keybar import KeyBar
from tui.widgets.line import ascii_line, ascii_text, changed_spans, cut_text, fit, fit_text, width_of, wrap
from tui.widgets.listing import Listing
from tui.widgets.load import LoadPanel
from tui.widgets.matrix import MatrixPanel
from tui.widgets.memory import MemoryPanel, legend
from tui.widgets.notices import notices_of
from tui.widgets.panel import Panel
from tui.widgets.processes import ProcessPanel
from tui.widgets.rows import rows_of, short_name
from tui.widgets.verdict import VerdictPanel
from tui.widgets.view import View

SIZES = [
    (width, height)
    for width in (0, 1, 40, 60, 80, 99, 100, 120, 200, 300)
    for height in (0, 1, 5, 10, 16, 24, 36, 50, 90)
]


def view_of(taken: Snapshot, chosen: Model | None = None, *, is_studied: bool = False, **options: object) -> View:
    plan = default_plan(chosen) if chosen else None
    if plan is not None and options:
        plan = replace(plan, options=replace(plan.options, **options))
    desk = Desk(plan, to_local=time.gmtime)
    desk.take(taken)
    if is_studied and (work := desk.study_due(0.0)) is not None:
        desk.accept(work())
    return desk.view()


def drawn(panel: Panel, view: View, width: int = 116, height: int = 12) -> str:
    return "\n".join("".join(text for text, _ in line) for line in panel.lines(view, width, height))


def text_of(line: tuple[tuple[str, str], ...]) -> str:
    return "".join(text for text, _ in line)


def used(n_bytes: int) -> Part:
    return Part(n_bytes=n_bytes)


def load(n_bytes: int, glyph: str = WEIGHTS) -> Part:
    return Part(n_bytes=n_bytes, glyph=glyph, style="fits")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ((("● fits    ", "fits"),), "● fits  "),
        ((("● fits", "fits"), ("    ", "dim")), "● fits  "),
        ((("between two readings", "dim"),), "between…"),
        ((("a and more words", "dim"),), "a and … "),
    ],
)
def test_a_line_is_cut_behind_a_word_and_blanks_without_a_sign(line: tuple[tuple[str, str], ...], said: str) -> None:
    assert text_of(fit(line, 8)) == said


@pytest.mark.parametrize("glyph", [WEIGHTS, CACHE, COMPUTE, LANDED])
def test_a_part_of_less_than_a_cell_has_its_own_sign(glyph: str) -> None:
    parts = [Part(n_bytes=100), Part(n_bytes=7, glyph=glyph, style="bad")]

    assert text_of(bar(40, total_bytes=400, parts=parts)) == "█" * 10 + glyph + "░" * 29


def test_bar_shows_used_load_free_and_the_line_side_by_side() -> None:
    line = bar(20, total_bytes=20, parts=[used(5), load(10)], line_bytes=18)

    assert text_of(line) == "█████▒▒▒▒▒▒▒▒▒▒░░░┃░"


def test_bar_draws_parts_of_a_cell() -> None:
    assert text_of(bar(4, total_bytes=32, parts=[used(13)])) == "█▋░░"
    assert text_of(bar(4, total_bytes=32, parts=[used(8), load(13)])) == "█▒▋░"


def test_bar_tells_the_kinds_of_a_load_and_its_holders_apart_without_colour() -> None:
    parts = [used(4), used(2), load(6), load(3, CACHE), load(1, COMPUTE)]

    assert text_of(bar(20, total_bytes=20, parts=parts)) == "███▉██▒▒▒▒▒▒▓▓▓▞░░░░"


def test_bar_ends_in_the_band_of_the_load() -> None:
    line = bar(20, total_bytes=20, parts=[used(5), load(6)], high_bytes=14, line_bytes=18)

    assert text_of(line) == "█████▒▒▒▒▒▒╌╌╌░░░░┃░"


def test_bar_marks_what_is_more_than_there_is() -> None:
    line = bar(10, total_bytes=10, parts=[used(5), load(9)], line_bytes=9, load_style="bad")

    assert text_of(line) == "█████▒▒▒┃»"


def test_bar_shows_what_would_land_here() -> None:
    assert text_of(bar(10, total_bytes=10, parts=[used(2), load(2), load(3, LANDED)])) == "██▒▒▚▚▚░░░"


@pytest.mark.parametrize("now", [-5, 0, 1, 10, 11, 10**15])
@pytest.mark.parametrize("added", [0, 1, 10, 10**15])
@pytest.mark.parametrize("width", [0, 1, 2, 3, 40])
def test_bar_is_as_wide_as_asked(now: int, added: int, width: int) -> None:
    parts = [used(now), used(1), load(added), load(added, CACHE), load(added, COMPUTE), load(added, LANDED)]
    line = bar(width, total_bytes=10, parts=parts, high_bytes=added, line_bytes=now)

    assert width_of(line) == width


def test_sparkline_leaves_a_gap_where_nothing_was_read() -> None:
    assert sparkline([None, 0, 5, 10], 10) == " ▁▅█"


def test_wide_and_combining_characters_keep_the_width() -> None:
    for text in ("漢字漢字漢字", "e\u0301e\u0301e\u0301", "a漢b字c", "", "ﷺ"):
        for width in range(12):
            assert width_of(((fit_text(text, width), ""),)) == width
            assert width_of(((cut_text(text, width), ""),)) <= max(width, 0)
            assert width_of(fit(((text, ""), (text, "")), width)) == width


def test_changed_spans_are_cells_not_characters() -> None:
    old = (("漢字 ", "a"), ("12", "b"), (" " * 30, "a"), ("x", "a"))
    new = (("漢字 ", "a"), ("13", "b"), (" " * 30, "a"), ("y", "a"))

    assert changed_spans(old, new) == [(6, 7), (37, 38)]


def test_a_change_of_colour_is_a_change() -> None:
    assert changed_spans((("abc", "a"),), (("a", "a"), ("bc", "b"))) == [(1, 3)]


def test_wrap_breaks_words_that_are_longer_than_the_line() -> None:
    assert wrap("to /a/very/long/path", 8) == ["to", "/a/very/", "long/pat", "h"]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_panels_fill_the_screen_without_overlap(size: tuple[int, int]) -> None:
    screen = Size(*size)
    for n_rows in (1, 2, 3, 9, 66):
        for has_plan in (False, True):
            wants = Wants(n_rows=n_rows, n_details=n_rows % 8, n_notices=n_rows % 3, has_plan=has_plan)
            places = arrange_panels(screen, wants)
            covered = sum(region.area for region in places.values())
            assert all(region in screen.region and region.area for region in places.values())
            assert not any(a.overlaps(b) for name, a in places.items() for other, b in places.items() if name != other)
            assert covered == screen.area, (wants, places)
            assert is_tiny(screen) or places.keys() >= {"headline", "memory", "verdict", "keybar"}


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (200, 50)])
@pytest.mark.parametrize("n_banner", [3, 4, 6])
def test_a_banner_below_has_lines_of_its_own(size: tuple[int, int], n_banner: int) -> None:
    wants = Wants(n_rows=3, n_details=2, has_plan=True, n_banner=n_banner)
    verdict = arrange_panels(Size(*size), wants._replace(n_banner=0))["verdict"]
    places = arrange_panels(Size(*size), wants)

    assert places["verdict"].y == verdict.y
    assert {region.bottom for name, region in places.items() if name != "keybar"} <= {*range(size[1] - n_banner)}


@pytest.mark.parametrize("size", SIZES)
def test_a_banner_above_takes_the_place_of_the_headline(size: tuple[int, int]) -> None:
    screen = Size(*size)
    places = arrange_panels(screen, Wants(n_rows=3, has_plan=True, n_banner=2, is_banner_above=True))

    if not is_tiny(screen):
        covered = sum(region.area for name, region in places.items() if name != "headline")
        assert min(region.y for name, region in places.items() if name != "headline") == 2
        assert covered == screen.area - 2 * screen.width


def test_first_things_first_at_80_by_24() -> None:
    places = arrange_panels(Size(80, 24), Wants(n_rows=2, n_details=1, has_plan=True))

    assert places["memory"] == Region(0, 1, 80, 5)
    assert places.keys() == {"headline", "memory", "load", "verdict", "matrix", "keybar"}


def test_figures_add_up_to_what_would_be_in_use() -> None:
    shown = drawn(MemoryPanel(), view_of(desktop(1.2), model()))

    found = re.search(r"(\S+) used \+ +(\S+) load = +(\S+) of  23.5 GiB", shown)
    assert found is not None
    used, load, both = map(float, found.groups())
    assert used == 1.2
    assert both == pytest.approx(used + load, abs=0.11)


@pytest.mark.parametrize("width", [60, 116, 190])
def test_what_a_panel_of_memory_said_before_changes_nothing(width: int) -> None:
    aged = replace(desktop(), pools=tuple(replace(one, late_seconds=40.0) for one in desktop().pools))
    hidden = replace(
        desktop(), devices=tuple(replace(one, hidden_by="CUDA_VISIBLE_DEVICES") for one in desktop().devices)
    )
    fuller = replace(
        desktop(), pools=tuple(replace(one, free_bytes=one.free_bytes - (1 << 30)) for one in desktop().pools)
    )
    panel = MemoryPanel()

    for chosen in (None, model(), model("Llama 3.1 8B")):  # of most steps, what is used is all that moves
        for taken in (desktop(1.2), desktop(), fuller, aged, desktop(5.0), hidden, desktop(5.0)):
            view = view_of(taken, chosen)
            assert panel.lines(view, width, 12) == MemoryPanel().lines(view, width, 12)


def test_vitals_are_shown_under_the_bar() -> None:
    assert "62 °C  · 285 of 450 W ·  97 % busy" in drawn(MemoryPanel(), view_of(desktop()))


def test_without_a_model_it_invites_to_choose_one() -> None:
    assert "to choose a model" in drawn(VerdictPanel(), view_of(desktop()))


def test_without_a_gpu_the_ram_is_planned_for() -> None:
    view = view_of(laptop(), model("Llama 3.1 8B"))

    assert "● FITS in RAM" in drawn(VerdictPanel(), view)
    assert "no GPU found: looked for NVIDIA, Apple; the engine would run on the CPU" in drawn(MemoryPanel(), view)


def test_a_driver_that_cannot_be_used_is_the_reason_why_no_gpu_can_be_read() -> None:
    fault = Fault(probe="nvidia", message="driver and library differ; restart the machine")
    view = view_of(replace(laptop(), faults=(fault,)))

    assert "no GPU can be read: driver and library differ; restart the machine" in drawn(MemoryPanel(), view)


def test_faults_beyond_the_room_are_counted() -> None:
    faults = [Fault(probe="nvidia", message=f"thing {n} is broken") for n in range(9)]
    shown = drawn(MemoryPanel(), view_of(replace(desktop(), faults=tuple(faults))), height=5)

    assert "thing 0 is broken" in shown
    assert "… 7 more: f" in shown


def test_unified_memory_is_one_bar_and_says_what_the_device_holds() -> None:
    view = view_of(unified(), model())

    assert [row.label for row in rows_of(view)] == ["GPU 0 + RAM"]
    assert "holds 60.2 GiB of it" in drawn(MemoryPanel(), view)


def test_what_is_not_reported_says_why_and_is_not_zero() -> None:
    lost = snapshot(
        [(device(0, "RTX 4090"), None), (device(1, "RTX 3060"), pool("gpu-1", 11.7, 1, late_seconds=12))],
        faults=[Fault(probe="nvidia", message="it has fallen off the bus", device_key="gpu-0")],
    )
    shown = drawn(MemoryPanel(), view_of(lost))

    assert "GPU 0 RTX 4090  not reported: it has fallen off the bus" in shown
    assert "1.0 of 11.7 GiB, 12 s old" in shown


def test_vitals_that_are_not_reported_are_not_zero() -> None:
    mute = replace(device(0, "X"), utilization_ratio=None, temperature_celsius=None, power_watts=None)
    shown = drawn(MemoryPanel(), view_of(snapshot([(mute, pool("gpu-0", 8, 1))])))

    assert "heat, power and use not reported" in shown


def test_a_spill_shows_where_it_would_land_and_what_to_change() -> None:
    view = view_of(desktop(4), model("Qwen3 32B"), is_studied=True)
    shown = drawn(VerdictPanel(), view)

    assert "◆ SPILLS" in shown
    assert "layers to the CPU" in shown
    assert "[1]" in shown
    assert rows_of(view)[-1].landed_bytes > GIB


@pytest.mark.parametrize("width", [50, 57, 72, 76])
def test_changes_beyond_the_room_are_neither_cut_in_a_word_nor_under_a_click_on_more(width: int) -> None:
    panel, view = VerdictPanel(), view_of(desktop(4), model("Qwen3 32B"), is_studied=True)
    whole = drawn(panel, view, width, 30)

    last = drawn(panel, view, width, 4).split("\n")[-1]
    said, _, _ = last.partition(" … more: x")

    assert re.search(rf"{re.escape(said)}\s", whole)
    assert not said.endswith("]")
    assert (
        next(action for y, x, end, action in panel.targets if y == 3 and x <= len(last) - 1 < end) == "show('explain')"
    )


def test_the_matrix_marks_the_plan() -> None:
    line = next(
        line for line in drawn(MatrixPanel(), view_of(desktop(), model(), is_studied=True)).splitlines() if "[" in line
    )

    assert line.startswith("Q4_K_M")
    assert "●]" in line


def test_the_load_says_what_is_planned_in_two_lines_or_six() -> None:
    view = view_of(workstation(), model())

    assert "Qwen3 30B-A3B   Q4_K_M   context 8\N{NO-BREAK SPACE}192" in drawn(LoadPanel(), view, height=2)
    assert "Context  8\N{NO-BREAK SPACE}192 of 40\N{NO-BREAK SPACE}960" in drawn(LoadPanel(), view, height=6)


def test_the_load_says_on_which_devices_where_experts_stay_in_ram() -> None:
    said = drawn(LoadPanel(), view_of(desktop(), model(), n_cpu_moe_layers=36), height=6)

    assert "Engine   llama.cpp on GPU 0" in said
    assert "Layers   the experts of 36 of 48 layers in RAM" in said
    assert "Engine   llama.cpp\n" in drawn(LoadPanel(), view_of(desktop(), model()), height=6)


def test_processes_show_their_command_and_those_unseen_say_so() -> None:
    unseen = Process(pid=7, device_key="gpu-0", used_bytes=None)
    taken = workstation()
    shown = drawn(ProcessPanel(), view_of(replace(taken, processes=(*taken.processes, unseen))))

    assert "llama-server -m /models/Qwen3-4B-Q8_0.gguf -c 8192" in shown
    assert "not visible from here" in shown


def test_the_chart_draws_load_and_line_across() -> None:
    view = view_of(desktop(12), model())
    lines = chart(view, rows_of(view)[0], 60, 12, 2.0)

    assert any("line" in text_of(line) and "┄" in text_of(line) for line in lines) or any(
        "load" in text_of(line) for line in lines
    )
    assert text_of(lines[-1]).endswith("now")


@pytest.mark.parametrize(("used", "order"), [(9.0, ["load", "line"]), (3.6, ["line", "load"])])
def test_load_and_line_on_one_row_are_told_apart(used: float, order: list[str]) -> None:
    view = view_of(desktop(used), model())
    lines = [text_of(line) for line in chart(view, rows_of(view)[0], 60, 6, 2.0)]

    assert [line.split()[0] for line in lines if "line" in line or "load" in line] == order


def test_a_low_chart_draws_nothing_a_row_away_from_where_it_is() -> None:
    view = view_of(desktop(9.0), model())
    lines = [text_of(line) for line in chart(view, rows_of(view)[0], 60, 3, 2.0)]

    assert "load" in lines[0]
    assert "line" not in lines[1]


def test_the_chart_says_how_high_it_is() -> None:
    assert scale(rows_of(view_of(desktop()))[0]) == "GPU 0, 23.5 GiB high"


@pytest.mark.parametrize(
    ("view", "width", "said"),
    [
        (view_of(desktop()), 76, "█ used  ┃ load line"),
        (view_of(desktop(), model()), 76, "█ used  ▒ weights  ▓ KV cache  ▞ other  ┃ load line"),
        (view_of(desktop(14), model()), 76, "█ used  ▒ weights  ▓ KV cache  ▞ other  ▚ spilled  ┃ load line"),
        (view_of(desktop(14), model()), 57, "▒ weights ▓ KV cache ▞ other ▚ spilled ┃ load line"),
        (view_of(desktop()), 5, ""),
    ],
)
def test_the_frame_says_what_the_bars_are_drawn_with(view: View, width: int, said: str) -> None:
    assert legend(rows_of(view), width) == said


def test_the_matrix_says_what_of_it_is_not_shown() -> None:
    panel = MatrixPanel()
    drawn(panel, view_of(desktop(), model("Llama 3.1 8B"), is_studied=True), width=76, height=5)

    assert panel._subtitle == "4 of 7 quants, ↑ ↓ · 6 of 7 contexts, ← →"


def test_keys_that_change_a_plan_are_not_offered_without_one() -> None:
    assert "quant" in drawn(KeyBar(), view_of(desktop(), model()), width=120)
    shown = drawn(KeyBar(), view_of(desktop()), width=120)
    assert "quant" not in shown
    assert "processes" in shown


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("AMD Radeon RX 7600M XT", "RX 7600M XT"),
        ("AMD Instinct MI210", "Instinct MI210"),
        ("AMD Radeon Graphics (1002:ffff)", "Radeon Graphics (1002:ffff)"),
        ("NVIDIA", "NVIDIA"),
    ],
)
def test_a_device_is_called_without_its_maker(name: str, short: str) -> None:
    assert short_name(name) == short


@pytest.mark.parametrize("taken", [desktop(), workstation(), server(), server(64), laptop(), unified()])
@pytest.mark.parametrize("panel", [MemoryPanel, LoadPanel, VerdictPanel, MatrixPanel, ProcessPanel])
def test_no_panel_fails_in_the_smallest_room(taken: Snapshot, panel: type[Panel]) -> None:
    view = view_of(taken, model())
    for width in (1, 2, 7, 20, 60, 200):
        for height in (1, 2, 5, 30):
            panel().lines(view, width, height)


def test_no_level_is_told_by_colour_alone() -> None:
    shown = drawn(MemoryPanel(), view_of(desktop(12), model()))

    assert "»" in shown


def test_used_memory_is_what_cannot_be_allocated() -> None:
    assert rows_of(view_of(desktop(5)))[0].used_bytes == gib(23.5) - (gib(23.5) - gib(5))


def test_what_a_full_card_holds_in_ram_is_called_spilled() -> None:
    assert "3.2 GiB of it spilled into RAM" in drawn(MemoryPanel(), view_of(mixed()), height=8)


def test_a_device_that_programs_do_not_see_says_by_which_variable() -> None:
    assert "hidden by CUDA_VISIBLE_DEVICES=0" in drawn(MemoryPanel(), view_of(mixed()), height=8)


def test_a_device_that_sleeps_has_its_size_and_no_figures() -> None:
    assert "asleep, 8.0 GiB, and not woken: g, then w does that" in drawn(MemoryPanel(), view_of(mixed()), height=8)


def test_what_ram_has_no_room_for_is_drawn_where_it_would_land() -> None:
    taken = snapshot([], ram=(31.2, 9.4))
    taken = replace(taken, pools=(*taken.pools, pool(SWAP_POOL, 16, 1)))

    mapped = drawn(MemoryPanel(), view_of(taken, model("Llama 3.3 70B")))
    anonymous = drawn(MemoryPanel(), view_of(taken, model("Llama 3.3 70B"), is_mapped=False))

    assert re.search(r"disk +\d+\.\d GiB of the model's file would be read again for every token", mapped)
    assert "disk" not in anonymous
    assert re.search(r"swap +█.*▚", anonymous)


def test_a_notice_of_a_device_says_of_which() -> None:
    taken = workstation()
    hot = Fault(probe="nvidia", message="it is too hot", device_key=taken.devices[1].key)
    taken = replace(taken, faults=(hot,))

    assert [notice.message for notice in notices_of(view_of(taken))] == ["GPU 1: it is too hot"]


def test_the_cursor_of_a_list_is_a_sign_that_shifts_nothing() -> None:
    listing = Listing()
    rows = [(("one", "text"),), (("two", "text"),)]
    listing.rows = list(rows)

    drawings = []
    for listing.cursor in (0, 1):
        drawings.append([text_of(line) for line in listing.lines(View(), 10, 5)])

    assert drawings == [["▸one      ", " two"], [" one", "▸two      "]]


def test_a_verdict_on_figures_from_before_says_of_when_they_are() -> None:
    assert "12.3 GiB under the line, as of 31 s ago" in drawn(VerdictPanel(), view_of(late(), model("Llama 3.1 8B")))
    assert "as of" not in drawn(VerdictPanel(), view_of(desktop(), model("Llama 3.1 8B")))


@pytest.mark.parametrize("width", [40, 57, 76, 120])
def test_the_age_of_a_verdict_is_never_cut(width: int) -> None:
    shown = drawn(VerdictPanel(), view_of(late(), model("Llama 3.1 8B")), width, 1).partition("\n")[0]

    assert ", as of 31 s ago" in shown
    assert len(shown) <= width


def test_a_verdict_with_room_says_what_each_place_has_left() -> None:
    shown = drawn(VerdictPanel(), view_of(desktop(1.2), model("Llama 3.1 8B"), is_studied=True), 76, 8)

    assert re.search(r"GPU 0  5.9 GiB of 22.3 GiB free, \S+ GiB under the line", shown)


def test_a_list_that_is_longer_than_its_panel_says_which_rows_are_seen() -> None:
    listing = Listing()
    listing.rows = [((str(number), "text"),) for number in range(9)]
    said = []
    for height, listing.cursor in ((4, 0), (4, 8), (9, 8)):
        listing.lines(View(), 10, height)
        said.append(listing._subtitle)

    assert said == ["1-4 of 9", "6-9 of 9", ""]


def test_text_about_a_row_that_has_no_room_ends_in_a_sign_of_that() -> None:
    about = About()
    about._text = [("one two three four five", "text")]

    assert drawn(about, View(), 10, 2) == "one two\nthree fou…"
    assert drawn(about, View(), 10, 9) == "one two\nthree four\nfive"


def test_of_a_gpu_that_cannot_be_read_it_is_not_said_that_nothing_runs_there() -> None:
    said = {
        name: drawn(ProcessPanel(), view_of(taken))
        for name, taken in {
            "none": laptop(),
            "unread": stale_driver(),
            "lost": lost(),
            "idle": desktop(1.2),
        }.items()
    }

    assert said == {
        "none": "no GPU, so no processes on one",
        "unread": "not known: no GPU can be read; f says why",
        "lost": "none known; GPU 1 cannot be read: f says why",
        "idle": "no process holds memory on a GPU",
    }


def test_further_lines_about_a_row_stand_below_its_text_not_its_title() -> None:
    about = About()
    about.n_indent = 5
    about._text = [("chip one two three", "text")]

    assert drawn(about, View(), 12, 3) == "chip one two\n     three"


@pytest.mark.parametrize("glyphs", ["█░▒▓▞▚┃╌»", "●▲◆✗", "┄╌", "▸▪"])
def test_what_is_told_apart_by_its_sign_is_so_in_ascii(glyphs: str) -> None:
    assert len(set(ascii_text(glyphs))) == len(glyphs)


def test_a_list_is_drawn_where_there_is_no_room_for_it() -> None:
    listing = Listing()
    listing.rows = [(("one", "text"),), (("two", "text"),)]

    assert listing.lines(View(), 0, 1)


@pytest.mark.parametrize("n_used", range(11, 19))
def test_no_free_cell_stands_between_what_is_used_and_the_load_in_ascii(n_used: int) -> None:
    line = ascii_line(bar(10, total_bytes=80, parts=(used(n_used), load(40))))

    assert re.fullmatch(r"#+[+]+[.]*", text_of(line))
