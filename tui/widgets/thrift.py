"""Writes to the terminal only the cells that were marked as changed, and only what of a style is another.

Textual 8.2 (``_compositor.ChopsUpdate.render_segments``) begins each changed span at the left edge of its widget: a
figure at the right end of a wide line writes the line, and two of them write it twice. Measured at 200x50 with eight
GPUs at one reading a second: 22 kB/s; 3.6 with spans that begin where they begin, and 2.6 with a pen that remembers its
colours.

And it composes the screen anew for them: of each widget that any change lies in or between, every line is filtered and
cut where widgets end. Where changes lie inside panels with nothing over them, as they do at each reading, their runs go
to the terminal as the panels made them.
"""

from collections.abc import Iterable

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region

from tui.widgets.panel import Panel
from tui.widgets.pen import Codes, Pen


class CroppedUpdate(ChopsUpdate):
    """Spans that begin where they begin."""

    def render_segments(self, console: Console) -> str:
        color_system = console._color_system
        pen = Pen(color_system) if color_system is not None else None
        kept = []  # while the pen knows styles by identity
        parts: list[str] = []
        for y, start, end in self.spans:
            for chop_end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= end or chop_end <= start:
                    continue
                first, last = max(x, start), min(chop_end, end)
                parts.append(Control.move_to(first, y).segment.text)
                cropped = strip.crop(first - x, last - x)
                if pen is None:
                    parts.append(cropped.render(console))
                    continue
                kept.append(cropped)
                parts += (pen.write(text, style) for text, style, _ in cropped)
        if pen is not None:
            parts.append(pen.finish())
        return "".join(parts)


class PanelUpdate(ChopsUpdate):
    """Runs of panels, each with the line and the cell where it begins."""

    def __init__(self, pieces: list[tuple[int, int, list[tuple[str, Codes]]]], pen: Pen) -> None:
        super().__init__([], [], [])
        self._pieces, self._pen = pieces, pen

    def render_segments(self, console: Console) -> str:  # noqa: ARG002  # as the library calls it
        put = self._pen.put
        parts: list[str] = []
        for y, x, runs in self._pieces:
            parts.append(f"\x1b[{y + 1};{x + 1}H")
            parts += [put(text, codes) for text, codes in runs]
        parts.append(self._pen.finish())
        return "".join(parts)


class ThriftyCompositor(Compositor):
    """Of a screen whose panels mark what has changed."""

    def render_partial_update(self) -> ChopsUpdate | None:
        if (direct := self._panel_update(self._dirty_regions)) is not None:
            self._dirty_regions.clear()
            return direct
        update = super().render_partial_update()
        return None if update is None else CroppedUpdate(update.chops, update.spans, update.chop_ends)

    def update_of(self, changes: Iterable[tuple[Panel, list[Region]]]) -> PanelUpdate | None:
        """The changes of panels, each as regions of its lines; None where they can't be written as they are.

        What lies over a panel, a warning say, stays as it is: the rest of a line is written around it.
        """
        if self.root is None or (color_system := self.root.app.console._color_system) is None:
            return None
        pieces = []
        for panel, changed in changes:
            if panel not in self.visible_widgets:
                continue
            region, clip = self.visible_widgets[panel]
            if clip.intersection(region) != region:
                return None
            covers = self._covers_of(panel, region)
            to_x, to_y = panel.gutter_offset
            for x, y, width, _ in changed:
                x, y = x + to_x, y + to_y  # noqa: PLW2901  # from here on, counted from the frame's first
                for start, end in _around(covers, region.y + y, region.x + x, region.x + x + width):
                    runs = panel.cells(y, start - region.x, end - region.x, region.size, color_system)
                    if runs is None:
                        return None
                    pieces.append((region.y + y, start, runs))
        return PanelUpdate(pieces, Pen(color_system)) if pieces else None

    def _covers_of(self, panel: Panel, region: Region) -> list[Region]:
        """Where other widgets lie over this one."""
        covers = []
        for widget, (its_region, clip) in self.visible_widgets.items():  # from front to back
            if widget is panel:
                break
            if cover := clip.intersection(its_region).intersection(region):
                covers.append(cover)
        return covers

    def _panel_update(self, regions: Iterable[Region]) -> PanelUpdate | None:
        """None where a change is not all within the lines of one panel, or something else lies over it."""
        if self.root is None or (color_system := self.root.app.console._color_system) is None:
            return None
        pieces = []
        for y, start, end in self._regions_to_spans(regions):
            for widget, (region, clip) in self.visible_widgets.items():  # from front to back
                left, top, width, height = clip.intersection(region)
                if not (top <= y < top + height and left < end and start < left + width):
                    continue
                if not isinstance(widget, Panel) or (left, top, width, height) != region:
                    return None
                runs = widget.cells(y - top, start - left, end - left, region.size, color_system)
                if runs is None:
                    return None
                pieces.append((y, start, runs))
                break
        return PanelUpdate(pieces, Pen(color_system)) if pieces else None


def _around(covers: Iterable[Region], y: int, start: int, end: int) -> list[tuple[int, int]]:
    """What is seen of the cells of a line from one up to another."""
    seen = [(start, end)] if start < end else []
    for left, top, width, height in covers:
        if top <= y < top + height:
            sides = [
                side for first, last in seen for side in ((first, min(last, left)), (max(first, left + width), last))
            ]
            seen = [(first, last) for first, last in sides if first < last]
    return seen
