"""The first line: which machine, which driver, and how fresh the picture is."""

from tui.humanize import duration, plain, sentence, time_of_day
from tui.widgets.line import Line, cut_text, n_cells, spread
from tui.widgets.panel import Panel
from tui.widgets.view import View


class Headline(Panel):
    def lines(self, view: View, width: int, height: int) -> list[Line]:  # noqa: ARG002  # one line always
        machine = view.snapshot.machine if view.snapshot else None
        versions = view.snapshot.versions if view.snapshot else ()
        right = self._freshness(view)
        room = width - 15 - sum(len(text) for text, _ in right)
        about = _about(
            plain(machine.host_name, 40) if machine else "",
            [f"{plain(version.name, 20)} {plain(version.value, 24)}" for version in versions],
            room,
        )
        left: Line = ((" ⊖ ", "fits-bold"), ("plimsoll", "title"), ("   ", "text"), (cut_text(about, room), "dim"))
        return [spread(left, right, width)]

    def _freshness(self, view: View) -> Line:
        when = time_of_day(view.when) if view.when else ""
        if view.is_paused:
            return ((f"paused at {when} ", "tight-bold"),)
        if view.silent_seconds is not None:
            return ((f"no reading for {duration(view.silent_seconds)} ", "tight-bold"),)
        return ((f"{when} · every {view.interval_seconds:g} s ", "dim"),)


def _about(host_name: str, versions: list[str], room: int) -> str:
    """As many of the versions as have room whole: half of one is another."""
    for n_versions in range(len(versions), 0, -1):
        about = sentence((host_name, *versions[:n_versions]))
        if n_cells(about) <= room:
            return about
    return cut_text(host_name, room)
