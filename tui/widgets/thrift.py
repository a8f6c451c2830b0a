"""Writes to the terminal only the cells that were marked as changed.

Textual 8.2 (``_compositor.ChopsUpdate.render_segments``) begins each changed span at the left edge of its widget: a
figure at the right end of a wide line writes the line, and two of them write it twice. Measured at 200x50 with eight
GPUs at one reading a second: 22 kB/s, and 2.5 with this.
"""

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor


class CroppedUpdate(ChopsUpdate):
    """Spans that begin where they begin."""

    def render_segments(self, console: Console) -> str:
        parts: list[str] = []
        for y, start, end in self.spans:
            for chop_end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= end or chop_end <= start:
                    continue
                first, last = max(x, start), min(chop_end, end)
                parts.append(Control.move_to(first, y).segment.text)
                parts.append(strip.crop(first - x, last - x).render(console))
        return "".join(parts)


class ThriftyCompositor(Compositor):
    """Of a screen whose panels mark what has changed."""

    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        return None if update is None else CroppedUpdate(update.chops, update.spans, update.chop_ends)
