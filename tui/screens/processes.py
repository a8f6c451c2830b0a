"""Every process that holds memory on a device, and engines in RAM; sorted and filtered as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from probes.ending import NotEndedError, end_process
from probes.snapshot import HOST_POOL, Process
from tui.humanize import UNKNOWN, gib, percent, plain, sentence
from tui.places import HOST_NAME, device_label
from tui.screens.browser import Browser
from tui.screens.confirm import Confirm
from tui.screens.frame import Frame
from tui.widgets.engine_text import engine_details, engine_line, engine_name
from tui.widgets.line import fit_text, right_text
from tui.widgets.listing import followed
from tui.widgets.processes import NOT_VISIBLE, described, none_known, title_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tui.recognised import Recognised
    from tui.widgets.line import Line

_WIDE = 90
"""From here on there is room for who started it, which is said below in any case."""
_WITH_COMMAND = 72
"""From here on there is room for name and command; before that, one of them is said."""
_LARGEST_FIRST = frozenset({"GiB", "busy"})
"""Columns whose largest are what one looks for."""
_WITH_USE = 112
"""From here on there is room for how busy each keeps its device."""
_END_HINT = ("del", "end it")
_COLUMNS = ("PID", "device", "GiB", "busy", "user", "name", "command")


class Processes(Browser):
    TITLE_TEXT = "Processes"
    HINTS: ClassVar = (("s", "sort"), ("r", "reverse"), ("/", "filter"), _END_HINT, ("esc", "back"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "sort by the next column"),
        Binding("r", "reverse", "sort the other way round"),
        Binding("delete,f9", "end", "end the process"),
    ]

    column = "GiB"
    is_reversed = True
    _shown: Sequence[Process] = ()
    _wanted = ""
    """What is typed, of the rows that are shown."""

    def fill(self) -> None:
        if not self.entry.display:
            self.keys.say(*self.hints)
        self.listing.entitle(title_of(self.view))
        snapshot = self.view.snapshot
        devices = snapshot.devices if snapshot else ()
        self._labels = {device.key: device_label(device, devices) for device in devices} | {HOST_POOL: HOST_NAME}
        self._engines = {pid: engine for engine in self.view.engines for pid in engine.pids}
        in_ram = [_in_ram(engine) for engine in self.view.engines if not engine.is_on_device]
        wanted = self.text.casefold()
        listed = (*(snapshot.processes if snapshot else ()), *in_ram)
        found = [process for process in listed if wanted in self._searched(process)]
        found.sort(key=self._key, reverse=self.is_reversed)
        self._follow(found, wanted)
        mark = "▼" if self.is_reversed else "▲"
        titles = [f"{title} {mark}" if title == self.column else title for title in _COLUMNS]
        pid, device, held, busy, user, name, command = titles
        self._is_wide, self._has_use = self.size.width >= _WIDE, self.size.width >= _WITH_USE
        if self._is_wide:
            use = f" {busy:>7}" if self._has_use else ""
            head = f"{pid:>9}  {device:<10} {held:>9}{use}  {user:<10} {name:<24} {command}"
        else:
            self._has_command = self.size.width >= _WITH_COMMAND
            head = f"{pid:>7} {device.replace('device', 'GPU'):<6} {held:>6}  "
            head += f"{name:<24} {command}" if self._has_command else command if self.column == "command" else name
        empty = "nothing of that name" if wanted else none_known(snapshot) if snapshot else "reading …"
        self.listing.show([self._row(process) for process in found], head=((head, "dim"),), empty=((empty, "dim"),))
        self.describe(self.listing.cursor)

    def _follow(self, found: Sequence[Process], wanted: str) -> None:
        """The cursor stays on its process, wherever that has moved; on top of what another filter finds."""
        cursor, before = self.listing.cursor, self._shown
        if wanted == self._wanted and cursor < len(before):
            own = _row(before[cursor])
            identity = _row if any(_row(process) == own for process in found) else _identity
            self.listing.cursor = followed([*map(identity, before)], cursor, [*map(identity, found)])
        self._shown, self._wanted = found, wanted

    def describe(self, index: int) -> None:
        if index >= len(self._shown):
            self.about.show()
            return
        process = self._shown[index]
        engine = self._engines.get(process.pid)
        name = plain(process.name or NOT_VISIBLE, 80)
        held = f"{gib(process.used_bytes, 2)} GiB" if process.used_bytes is not None else "not reported by the driver"
        where = self._labels.get(process.device_key, UNKNOWN)
        self.about.show(
            (f"{process.pid} {name} on {where}: {held}", "strong"),
            *(() if engine is None else engine_details(engine)),
            *_about(process),
            (plain(process.command or "", 2000), "dim"),
        )

    def _row(self, process: Process) -> Line:
        """An engine in it is said in place of the name, which is that of its program."""
        engine = self._engines.get(process.pid)
        label = self._labels.get(process.device_key, UNKNOWN)
        name, command = plain(process.name or NOT_VISIBLE), plain(process.command or "", 400)
        what = f"{fit_text(name, 24)} "
        if engine is not None:
            what = f"{engine_line(engine, None if process.device_key == HOST_POOL else label)}  "
        held = gib(process.used_bytes, 2)
        if not self._is_wide:
            if engine is None and not self._has_command:
                what, command = described(process, 80), ""
            return (
                (f"{process.pid:>7} ", "dim"),
                (f"{fit_text(label.removeprefix('GPU '), 6)} ", "text"),
                (right_text(held, 6), "strong"),
                (f"  {what}", "text"),
                (command, "dim"),
            )
        return (
            (f"{process.pid:>9}  ", "dim"),
            (f"{fit_text(label, 10)} ", "text"),
            (right_text(held, 9), "strong"),
            (f" {right_text(percent(process.utilization_ratio), 7)}" if self._has_use else "", "text"),
            (f"  {fit_text(plain(process.user or UNKNOWN), 10)} ", "dim"),
            (what, "text"),
            (command, "dim"),
        )

    def _searched(self, process: Process) -> str:
        label = self._labels.get(process.device_key, "")
        engine = self._engines.get(process.pid)
        model = engine_name(engine) if engine is not None else None
        texts = (process.name, process.command, process.user, process.container, model)
        return " ".join((str(process.pid), label, *(text or "" for text in texts))).casefold()

    def _key(self, process: Process) -> tuple[object, int]:
        keys: dict[str, object] = {
            "PID": process.pid,
            "device": self._labels.get(process.device_key, ""),
            "GiB": -1 if process.used_bytes is None else process.used_bytes,
            "busy": -1.0 if process.utilization_ratio is None else process.utilization_ratio,
            "user": process.user or "",
            "name": (process.name or "").casefold(),
            "command": process.command or "",
        }
        return keys[self.column], process.pid

    def action_sort(self) -> None:
        width = self.size.width  # rows for another size may come a step later
        is_hidden = {"busy": width < _WITH_USE, "user": width < _WIDE}
        following = _COLUMNS[_COLUMNS.index(self.column) + 1 :] + _COLUMNS
        column = next(title for title in following if not is_hidden.get(title))
        self._sort(column, is_reversed=column in _LARGEST_FIRST)

    def sort_at(self, x: int) -> None:
        """By the column whose title is nearest to the click; the other way round where it is that already."""
        head = "".join(text for text, _ in self.listing.head)
        begins = {title: head.find(title) for title in (*_COLUMNS, "GPU")}
        shown = {title: begin for title, begin in begins.items() if begin >= 0}
        nearest = min(shown, key=lambda title: _distance(x, shown[title], len(title)))
        column = "device" if nearest == "GPU" else nearest
        if column == self.column:
            self.action_reverse()
            return
        self._sort(column, is_reversed=column in _LARGEST_FIRST)

    @property
    def hints(self) -> tuple[tuple[str, str], ...]:
        return tuple(hint for hint in self.HINTS if hint != _END_HINT or self.offers("end"))

    def offers(self, action: str) -> bool:
        return action != "end" or not self.view.read_only_reason

    def action_end(self) -> None:
        """Ask first; what cannot be named is not ended."""
        if self.view.read_only_reason:
            self.notify(f"no process is ended from here: {self.view.read_only_reason}", markup=False)
            return
        if self.listing.cursor >= len(self._shown):
            return
        process = self._shown[self.listing.cursor]
        if process.device_key == HOST_POOL:
            self.notify("what holds nothing on a GPU is not ended from here", markup=False)
            return
        if process.name is None or process.is_outside:
            self.notify("which process that is cannot be told from here; it is not ended", markup=False)
            return
        name = process.name
        held = "" if process.used_bytes is None else f", which holds {gib(process.used_bytes)} GiB"
        where = self._labels.get(process.device_key, UNKNOWN)
        asked = Confirm(
            f"End {process.pid} {plain(name, 60)} on {where}{held}?",
            plain(process.command or "", 1000),
            (("enter", "end it (SIGTERM)"), ("k", "at once (SIGKILL)"), ("esc", "leave it")),
            lambda is_forced: self._end(process, name, is_forced=is_forced),
        )
        asked.set_reactive(Frame.view, self.view)
        self.app.push_screen(asked)

    def _end(self, process: Process, name: str, *, is_forced: bool) -> None:
        """The one that was asked about, whatever the list shows by now, and whoever has its number."""
        try:
            end_process(process.pid, name, process.started_ticks, is_forced=is_forced)
        except NotEndedError as error:
            self.notify(str(error), severity="warning", markup=False)
        else:
            self.notify(f"{process.pid} {'was ended' if is_forced else 'was asked to end'}", markup=False)

    def action_reverse(self) -> None:
        self._sort(self.column, is_reversed=not self.is_reversed)

    def _sort(self, column: str, *, is_reversed: bool) -> None:
        """A cursor that was moved to a process stays there; else it is on top, as before."""
        self.column, self.is_reversed = column, is_reversed
        if self.listing.cursor == 0:
            self._shown = ()
        self.fill()


def _identity(process: Process) -> tuple[int, int | None]:
    """What tells it from all others, and from a later one of its number."""
    return process.pid, process.started_ticks


def _row(process: Process) -> tuple[int, int | None, str]:
    """The same of its row: one that holds memory of two devices has two."""
    return process.pid, process.started_ticks, process.device_key


def _distance(x: int, begin: int, n_cells: int) -> int:
    """From a cell to a title, in cells; to its left it counts twice, since most rows begin where their title does."""
    return 2 * (begin - x) if x < begin else max(0, x - begin - n_cells + 1)


def _in_ram(engine: Recognised) -> Process:
    """An engine that holds nothing on a device, as one more process."""
    return Process(
        pid=engine.pid,
        device_key=HOST_POOL,
        used_bytes=engine.held.get(HOST_NAME),
        name=plain(engine.program, 80),
        started_ticks=engine.started_ticks,
    )


def _about(process: Process) -> Iterator[tuple[str, str]]:
    if process.is_outside:
        yield "the number is the host's: from inside this container it cannot be told which process that is", "tight"
    parts = []
    if process.user is not None:
        parts.append(f"user {plain(process.user, 40)}")
    if process.container is not None:
        parts.append(f"container {plain(process.container, 60)}")
    if process.utilization_ratio is not None:
        parts.append(f"{percent(process.utilization_ratio)} of the device's time")
    if process.shared_used_bytes:
        parts.append(f"{gib(process.shared_used_bytes, 2)} GiB of RAM through the device")
    if parts:
        yield sentence(parts), "text"


def open_screen() -> Processes:
    return Processes()
