"""Everything that could not be read, in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tui.humanize import plain
from tui.places import missing_places
from tui.screens.browser import Browser
from tui.widgets.line import wrap
from tui.widgets.notices import notices_of

if TYPE_CHECKING:
    from tui.widgets.line import Line


class Notices(Browser):
    TITLE_TEXT = "What could not be read"
    HAS_CURSOR = False
    HINTS: ClassVar = (("/", "filter"), ("esc", "back"))

    def fill(self) -> None:
        snapshot = self.view.snapshot
        said = [(fault.probe, fault.message) for fault in notices_of(self.view)]
        said += [(place.name, place.reason) for place in (missing_places(snapshot) if snapshot else ())]
        absences = snapshot.absences if snapshot else ()
        wanted = self.text.casefold()
        width = max(20, self.size.width - 8)
        rows: list[Line] = []
        for who, message in said:
            text = plain(message if not who or message.startswith(who) else f"{who}: {message}", 1000)
            if wanted in text.casefold():
                for number, line in enumerate(wrap(text, width)):
                    rows.append((("! " if number == 0 else "  ", "tight-bold"), (line, "text")))
        for absence in absences:
            text = plain(f"not here: {absence.probe}: {absence.reason}", 1000)
            if wanted in text.casefold():
                rows += [(("  ", "dim"), (line, "dim")) for line in wrap(text, width)]
        self.listing.show(rows, empty=(("everything could be read", "dim"),))


def open_screen() -> Notices:
    return Notices()
