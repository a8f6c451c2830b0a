"""What panels write to the terminal by themselves is what the library would have written."""

import re

import pytest
from pictures import app_of, settle
from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region, Size

from tui.app import PlimsollApp
from tui.settings import Settings
from tui.settings_file import ReadSettings
from tui.widgets.headline import Headline
from tui.widgets.memory import MemoryPanel
from tui.widgets.panel import Panel
from tui.widgets.thrift import CroppedUpdate, PanelUpdate, ThriftyCompositor

Cells = dict[tuple[int, int], tuple[str, str]]
"""By line and cell: a character, and the state of the pen that wrote it."""
_PIECES = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[([\d;]*)m|(.)", re.DOTALL)


def written(app: PlimsollApp, update: ChopsUpdate) -> Cells:
    """What a terminal makes of it, the attributes in one order."""
    cells: Cells = {}
    y = x = 0
    pen: dict[str, str] = {}
    for line, column, codes, char in _PIECES.findall(update.render_segments(app.console)):
        if line:
            y, x = int(line), int(column)
        elif char:
            cells[y, x] = (char, ";".join(sorted(pen.values())))
            x += 1
        else:
            pen = changed(pen, codes)
    return cells


def changed(pen: dict[str, str], codes: str) -> dict[str, str]:
    pen = dict(pen)
    for code in re.findall(r"[34]8;(?:2;\d+;\d+;\d+|5;\d+)|\d+", codes):
        kind = "colour" if code[0] in "39" else "behind" if code[0] in "41" and len(code) > 1 else code
        pen = {} if code == "0" else pen | {kind: code}
    return pen


def both(app: PlimsollApp, regions: set[Region]) -> tuple[ChopsUpdate | None, Cells]:
    """The update of these regions, and what the library composes of them."""
    compositor = app.screen._compositor
    assert isinstance(compositor, ThriftyCompositor)
    compositor._dirty_regions = set(regions)
    ours = compositor.render_partial_update()
    crop = Region.from_union(regions).intersection(compositor.size.region)
    spans = list(compositor._regions_to_spans(regions))
    chops = Compositor._render_chops(compositor, crop, {y for y, _, _ in spans}.__contains__)
    return ours, written(app, CroppedUpdate(chops, spans, [cuts[1:] for cuts in compositor.cuts]))


@pytest.mark.parametrize("machine", ["eight", "wide", "hostile", "spills"])
async def test_every_part_of_every_panel_is_as_the_library_composes_it(machine: str) -> None:
    app = app_of(machine)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        for panel in app.screen.query(Panel):
            x, y, width, height = panel.content_region
            if not panel.display or not width * height:
                continue
            regions = {Region(x + line % 7, y + line, max(1, width - line % 11), 1) for line in range(height)}
            ours, theirs = both(app, {region.intersection(panel.content_region) for region in regions})

            assert isinstance(ours, PanelUpdate)
            assert written(app, ours) == theirs


@pytest.mark.parametrize(
    "settings", [Settings(theme="textual-light"), Settings(theme="textual-ansi"), Settings(ascii_only=True)]
)
async def test_so_it_is_in_other_looks(settings: Settings) -> None:
    app = app_of("fits", ReadSettings(settings=settings))
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        ours, theirs = both(app, {app.screen.query_one(MemoryPanel).content_region})

        assert isinstance(ours, PanelUpdate)
        assert written(app, ours) == theirs


async def test_without_colours_none_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_of("fits")
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        ours, theirs = both(app, {app.screen.query_one(MemoryPanel).content_region})

        assert ours is not None
        assert written(app, ours) == theirs


async def test_a_line_of_a_frame_is_as_the_library_composes_it() -> None:
    app = app_of("fits")
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        x, y, width, height = app.screen.query_one(MemoryPanel).region
        ours, theirs = both(app, {Region(x, y, width, 1), Region(x, y + height - 1, width, 1)})

        assert isinstance(ours, PanelUpdate)
        assert written(app, ours) == theirs


async def test_another_title_repaints_its_line_alone() -> None:
    app = app_of("fits")
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        panel = app.screen.query_one(MemoryPanel)
        await pilot.pause()
        panel.entitle(title="Something else")

        assert set(panel._exchange_repaint_regions()) == {Region(0, 0, panel.region.width, 1)}


async def test_a_whole_frame_is_the_librarys_business() -> None:
    app = app_of("fits")
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        ours, theirs = both(app, {app.screen.query_one(MemoryPanel).region})

        assert isinstance(ours, CroppedUpdate)
        assert written(app, ours) == theirs


async def test_what_lies_over_a_panel_is_not_written_over() -> None:
    app = app_of("fits")
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await settle(app, pilot)
        app.notify("\n".join(["something over the panels"] * 9), timeout=60)
        await pilot.pause()
        await pilot.pause()
        ours, theirs = both(app, {panel.content_region for panel in app.screen.query(Panel)})

        assert ours is not None
        assert written(app, ours) == theirs
        assert "something over the panels" in "".join(char for char, _ in theirs.values())


async def test_a_line_that_no_longer_fits_its_panel_is_made_anew_first() -> None:
    app = app_of("fits")
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        headline = app.screen.query_one(Headline)
        headline._made_size = Size(119, 1)
        ours, _ = both(app, {headline.region})

        assert isinstance(ours, CroppedUpdate)


async def test_a_change_beside_what_lies_over_its_panel_is_written_around_it() -> None:
    app = app_of("fits")
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await settle(app, pilot)
        app.notify("\n".join(["something over the panels"] * 9), timeout=60)
        await pilot.pause()
        await pilot.pause()
        compositor = app.screen._compositor
        assert isinstance(compositor, ThriftyCompositor)
        panels = [panel for panel in app.screen.query(Panel) if panel.content_size.area]
        lines = {
            panel: [Region(0, y, panel.content_size.width, 1) for y in range(panel.content_size.height)]
            for panel in panels
        }
        ours = compositor.update_of(list(lines.items()))
        _, theirs = both(app, {panel.content_region for panel in panels})

        assert ours is not None
        seen = written(app, ours)
        assert len(seen) < sum(panel.content_size.area for panel in panels)
        assert seen == {place: theirs[place] for place in seen}
        assert "something over" not in "".join(char for char, _ in seen.values())
