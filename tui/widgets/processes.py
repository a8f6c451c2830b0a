"""Processes on the GPUs, the largest first, and engines in RAM."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tui.humanize import UNKNOWN, counted, gib, plain
from tui.places import HOST_NAME, device_label
from tui.widgets.bar import WEIGHTS, Part, bar
from tui.widgets.engine_text import engine_line
from tui.widgets.line import fit_text, n_cells, right_text, wrap
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.snapshot import Device, Process, Snapshot
    from tui.recognised import Predicted, Recognised
    from tui.widgets.line import Line
    from tui.widgets.view import View

NOT_VISIBLE = "not visible from here"
_INDENT = 22
"""Cells before what runs, without a bar."""
_BAR_WIDTH = 16
_LEAST_WITH_BARS = 100
"""Cells, so that what runs has the larger part of a line."""


class Standing(NamedTuple):
    """What was said of a process, and what that was made of."""

    made_of: tuple[object, ...]
    lines: tuple[Line, ...]


class ProcessPanel(Panel):
    TITLE = "Processes"
    CLICK_ACTION = "show('processes')"

    def __init__(self, **options: str) -> None:
        super().__init__(**options)
        self._standing: dict[tuple[int, str], Standing] = {}
        """By number and device, what was said of a process: a third of the GPUs list theirs anew each second, and to
        say it takes 20 µs of each."""

    def on_mount(self) -> None:
        self.entitle(title_of(self.view))

    def is_same(self, before: View, view: View) -> bool:
        """Processes are listed seldom, and stay the same objects until they are."""
        old, new = before.snapshot, view.snapshot
        return (
            old is not None
            and new is not None
            and bool(new.processes)
            and old.processes == new.processes
            and before.engines == view.engines
            and len(old.devices) == len(new.devices)
            and all(_is_called_alike(*pair) for pair in zip(old.devices, new.devices, strict=True))
        )

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        self.entitle(title_of(view))
        snapshot = view.snapshot
        if snapshot is None:
            return [(("reading …", "dim"),)]
        in_ram = [engine for engine in view.engines if not engine.is_on_device]
        if not snapshot.processes and not in_ram:
            return [((line, "dim"),) for line in wrap(none_known(snapshot), width)]
        labels = {device.key: device_label(device, snapshot.devices) for device in snapshot.devices}
        processes = sorted(snapshot.processes, key=lambda process: -(process.used_bytes or 0))
        engines = {pid: engine for engine in view.engines for pid in engine.pids}
        n_all = len(processes) + len(in_ram)
        n_shown = height - 1 if n_all < height else height - 2
        bars = _Bars(snapshot, _BAR_WIDTH if width >= _LEAST_WITH_BARS else 0)
        title = fit_text("of its memory", bars.n_cells)
        lines: list[Line] = [((f"{'PID':>8}  {'GPU':<4} {'GiB':>5}  {title}what runs", "dim"),)]
        n_spare = height - 1 - n_all
        before, self._standing = self._standing, {}
        for process in processes[: max(0, n_shown)]:
            label, engine = labels.get(process.device_key, UNKNOWN), engines.get(process.pid)
            made_of = (process, engine, label, bars.total_bytes(process), width, n_spare > 0)
            standing = before.get((process.pid, process.device_key))
            if standing is None or standing.made_of != made_of:
                standing = Standing(made_of, tuple(_lines_of(process, engine, label, bars, width, n_spare)))
            self._standing[process.pid, process.device_key] = standing
            lines += standing.lines
            n_spare -= len(standing.lines) - 1
        lines += [
            (
                (f"{engine.pid:>8}  {HOST_NAME:<4} ", "dim"),
                (right_text(gib(engine.held.get(HOST_NAME)), 5), "strong"),
                (f"  {'':>{bars.n_cells}}{engine_line(engine)}", "text"),
            )
            for engine in in_ram[: max(0, n_shown - len(processes))]
        ]
        if n_all > n_shown:
            lines.append(((f"{'':>8}  {n_all - n_shown} more: p", "dim"),))
        return lines


def _lines_of(
    process: Process, engine: Recognised | None, label: str, bars: _Bars, width: int, n_spare: int
) -> Iterator[Line]:
    """One, and a second where it is too long and there is a line to spare."""
    indent = _INDENT + bars.n_cells
    said = described(process, width) if engine is None else engine_line(engine, label)
    said, further = (said, "") if engine is None or n_spare <= 0 else _in_two(said, width - indent)
    yield (
        (f"{process.pid:>8}  {fit_text(label.removeprefix('GPU '), 4)} ", "dim"),
        (right_text(gib(process.used_bytes), 5), "strong"),
        *bars.of(process, None if engine is None else engine.predicted.get(label)),
        (f"  {said}", "text" if process.name else "dim"),
    )
    if further:
        yield ((f"{'':>{indent}}{further}", "text"),)


class _Bars:
    """What each process holds of the memory that it draws on, and what a load is predicted to take beside that.

    In whole cells, but for the first: by eighths, forty processes that move are written anew every second.
    """

    def __init__(self, snapshot: Snapshot, width: int) -> None:
        self.n_cells = width + 2 if width else 0
        """Of each, with the gap before it."""
        self._width = width
        totals = {pool.key: pool.total_bytes for pool in snapshot.pools}
        self._totals = {device.key: totals.get(device.pool_key) for device in snapshot.devices}

    def total_bytes(self, process: Process) -> int | None:
        """Of the memory that it draws on; None where that is not known."""
        return self._totals.get(process.device_key)

    def of(self, process: Process, predicted: Predicted | None) -> Line:
        total = self.total_bytes(process)
        if not self._width:
            return ()
        if not total or process.used_bytes is None:
            return ((" " * self.n_cells, "text"),)
        held = round(process.used_bytes * self._width / total) or (process.used_bytes > 0) / 8
        coming = max(0, predicted.n_bytes - process.used_bytes) * self._width / total if predicted is not None else 0
        parts = (Part(n_bytes=int(8 * held)), Part(n_bytes=8 * round(coming), glyph=WEIGHTS, style="fits"))
        return (("  ", "text"), *bar(self._width, total_bytes=8 * self._width, parts=parts))


def _in_two(said: str, width: int) -> tuple[str, str]:
    """Where it is too long for a line, as many of its parts as have room there, and the others; at least the first."""
    if n_cells(said) <= width:
        return said, ""
    first, *rest = said.split(" · ")
    while rest and n_cells(f"{first} · {rest[0]}") <= width:
        first = f"{first} · {rest.pop(0)}"
    return first, " · ".join(rest)


def _is_called_alike(old: Device, new: Device) -> bool:
    """As far as ``device_label`` goes."""
    is_one = old.key == new.key and old.index == new.index
    return is_one and old.vendor == new.vendor and old.is_integrated == new.is_integrated


def title_of(view: View) -> str:
    """What is listed: processes of devices, and engines that hold nothing there."""
    has_engines = any(not engine.is_on_device for engine in view.engines)
    if view.snapshot is None or not (view.snapshot.devices or view.snapshot.processes):
        return "Engines in RAM" if has_engines else "Processes"
    if not has_engines:
        return "Processes on the GPUs"
    return "Processes on the GPUs, engines in RAM" if view.snapshot.processes else "Engines in RAM"


def none_known(snapshot: Snapshot) -> str:
    """Why there is no process to show: that none holds memory is not said of what cannot be read."""
    if snapshot.pending:
        return "reading …"
    if not snapshot.devices:
        is_unread = any(fault.probe != "host" and not fault.is_note for fault in snapshot.faults)
        return "not known: no GPU can be read; f says why" if is_unread else "no GPU, so no processes on one"
    unread = [
        device_label(device, snapshot.devices)
        for device in snapshot.devices
        if snapshot.pool(device.pool_key) is None and not device.is_asleep
    ]
    return f"none known; {counted(unread)} cannot be read: f says why" if unread else "no process holds memory on a GPU"


def described(process: Process, limit: int) -> str:
    """The command line where it says more than the name; plain text, whatever it holds."""
    return NOT_VISIBLE if process.name is None else _described(process.name, process.command or "", limit)


@lru_cache(maxsize=256)  # they stay the same from one reading to the next
def _described(name: str, command: str, limit: int) -> str:
    name, command = plain(name, limit), plain(command, 4 * limit)
    program, _, arguments = command.partition(" ")
    program = program.rpartition("/")[2]
    if not command or not arguments or not program.startswith(name[:12]):
        return name
    return plain(f"{program} {arguments}", limit)
