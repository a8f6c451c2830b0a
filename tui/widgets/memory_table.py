"""The columns of the memory panel at one width: a bar for each pool, its figures, and a line of vitals under it."""

from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len

from probes.snapshot import Device, Pool
from tui.humanize import celsius, duration, gib, percent, plain, size, watts
from tui.spilled import FULL_SHARE, WORTH_SAYING_BYTES
from tui.widgets.bar import COMPUTE, LANDED, WEIGHTS, Part, bar, sparkline
from tui.widgets.bar_signs import KIND_GLYPHS
from tui.widgets.line import Line, Run, cut_to_words, fit_text, fit_words, right_text, width_of, wrap
from tui.widgets.rows import Row
from tui.widgets.view import View

MANY_DEVICES = 8
"""From here on one line a device."""
_SPARK_COLUMNS = 16
_SPARK_SECONDS = 5.0
_SPARK_NAMES = (" memory ", " mem ", "mem ")
"""What it is of: it stands behind how busy a device is."""
_CELLS_FOR_HOLDERS = 24
_CELLS_OF_A_HOLDER = 2
"""Narrower than these, a part says nothing."""
_CELLS_OF_A_NAME = 5
"""With less of it, a device's name is left out beside its number."""
_CELLS_OF_A_SUM = 8
"""``63 of 64``"""
_WIDEST_BYTES = 9999 << 30
"""More has no room in a column of figures."""
_VITALS_CELLS = 37
_REST = " … all: f"
"""Where the rest of a sentence is."""
_STYLES = ("fits", "tight", "bad", "bad")
"""By level."""


class Standing(NamedTuple):
    """What was said of a row's memory, and what that was made of."""

    made_of: tuple[object, ...]
    line: Line


@lru_cache(maxsize=256)  # the same at each reading, and each takes 3 µs: of 64 GPUs 0.2 ms
def _labelled(label: str, device_name: str, width: int) -> str:
    """Without the name where hardly any of it would be seen."""
    name = plain(device_name)
    room = width - cell_len(label) - 1
    if not name or room < min(_CELLS_OF_A_NAME, cell_len(name)):
        return label
    return f"{label} {fit_words(name, room)}"


def _is_hidden(row: Row) -> bool:
    return bool(row.devices) and all(device.hidden_by is not None for device in row.devices)


class MemoryTable:
    """Columns of the panel at one width."""

    def __init__(
        self, rows: tuple[Row, ...], view: View, width: int, standing: dict[str, Standing] | None = None
    ) -> None:
        self.view, self.width = view, width
        self._standing = {} if standing is None else standing
        longest = max((width_of(((f"{row.label} {plain(row.name)}", ""),)) for row in rows), default=3)
        most = 32 if width >= 140 else 24 if width >= 110 else 16 if width >= 90 else 15 if width >= 70 else 7
        self.label_width = max(min(longest, most), max((cell_len(row.label) for row in rows), default=3))
        is_long = sum(len(row.devices) for row in rows) >= MANY_DEVICES
        if longest > most:  # cut behind words, names may take less
            least = _CELLS_OF_A_SUM if is_long else 0
            self.label_width = max(least, *(cell_len(self._label(row).rstrip()) for row in rows))
        self.is_wordy = width >= 94
        self.figures_width = 44 if self.is_wordy else 30 if width >= 66 else 14
        self.has_vitals = is_long and width >= 150
        vitals_width = 52 if self.has_vitals else 0
        self.bar_width = max(4, width - self.label_width - self.figures_width - 4 - vitals_width)
        self._shape = (self.label_width, self.figures_width, self.bar_width)

    def _label(self, row: Row) -> str:
        return _labelled(row.label, row.name, self.label_width)

    def row(self, row: Row, *, is_whole: bool = False) -> Line:
        """``is_whole``: what is said in place of a bar goes on in the line below."""
        if row.pool is None:
            head = self._head(row)
            first, *further = self._reason(row)
            if not further or is_whole:
                return (*head, (first, "tight"))
            return (
                *head,
                *cut_to_words(((first, "tight"),), self.width - self.label_width - 2 - len(_REST)),
                (_REST, "dim"),
            )
        memory = self._memory(row, row.pool)
        return (*memory, *self.vitals(row)) if self.has_vitals else memory

    def _memory(self, row: Row, pool: Pool) -> Line:
        """As long as nothing moves, what was said before."""
        made_of = (
            *(row.name, _is_hidden(row), pool.total_bytes, pool.free_bytes, self._late_seconds(pool), row.holders),
            *(row.load_bytes, row.load_parts, row.high_bytes, row.landed_bytes, row.line_bytes, row.level),
            *self._shape,
        )
        standing = self._standing.get(row.label)
        if standing is None or standing.made_of != made_of:
            line = (*self._head(row), *self._bar(row, pool), ("  ", "text"), *self.figures(row))
            standing = self._standing[row.label] = Standing(made_of, line)
        return standing.line

    def _late_seconds(self, pool: Pool) -> float | None:
        """How old its figures are, where that is worth saying."""
        return pool.late_seconds if pool.late_seconds > 3 * self.view.interval_seconds else None

    def _head(self, row: Row) -> Line:
        return ((fit_text(self._label(row), self.label_width), "dim" if _is_hidden(row) else "strong"), ("  ", "text"))

    def _bar(self, row: Row, pool: Pool) -> Line:
        style = "fits" if row.level is None else _STYLES[row.level]
        return bar(
            self.bar_width,
            total_bytes=pool.total_bytes,
            parts=_parts(row, style, self.bar_width),
            high_bytes=row.used_bytes + row.high_bytes,
            line_bytes=row.line_bytes,
            load_style=style,
        )

    def _reason(self, row: Row) -> list[str]:
        return wrap(plain(row.reason, 400), max(12, self.width - self.label_width - 2))

    def figures(self, row: Row) -> Line:
        """``4.6 used + 18.2 load = 22.8 of 23.5 GiB``, or the age where the figures are old."""
        assert row.pool is not None
        used, load, total = row.used_bytes, row.load_bytes + row.landed_bytes, row.pool.total_bytes
        late_seconds = self._late_seconds(row.pool)
        is_over = used + load > total
        sum_style = "bad-bold" if is_over else "strong"
        if late_seconds is not None:
            age = f"{duration(late_seconds)} old"
            texts = (f"{gib(used)} of {gib(total)} GiB, {age}", age)
            text = next((text for text in texts if len(text) <= self.figures_width), age)
            return ((right_text(text, self.figures_width), "tight"),)
        return self._figures(used, load, total, sum_style)

    def _figures(self, used: int, load: int, total: int, sum_style: str) -> Line:
        if max(used + load, total) >= _WIDEST_BYTES:
            text = f"{gib(used)} + {gib(load)} of {gib(total)} GiB"
            text = text if len(text) <= self.figures_width else f"{gib(used + load)} GiB"
            return ((right_text(text, self.figures_width), sum_style),)
        if self.is_wordy:
            middle = f" + {right_text(gib(load), 5)} load = " if load else " " * 16
            return (
                (f"{right_text(gib(used), 5)} used", "text"),
                (middle, "text"),
                (right_text(gib(used + load) if load else "", 5), sum_style),
                (f" of {right_text(gib(total), 5)} GiB", "text"),
            )
        if self.figures_width >= 30:
            middle = f" + {right_text(gib(load), 4)} = " if load else " " * 10
            return (
                (right_text(gib(used), 4), "text" if load else sum_style),
                (middle, "text"),
                (right_text(gib(used + load) if load else "", 4), sum_style),
                (f" of {right_text(gib(total), 4)} GiB", "text"),
            )
        return ((right_text(gib(used + load), 5), sum_style), (f"/{right_text(gib(total), 4)} GiB", "text"))

    def sum(self, rows: list[Row]) -> Line:
        """All devices in one line."""
        known = [row for row in rows if row.pool is not None]
        total = sum(row.pool.total_bytes for row in known if row.pool)
        used, load = sum(row.used_bytes for row in known), sum(row.load_bytes for row in known)
        counted = f"all {len(rows)}" if len(known) == len(rows) else f"{len(known)} of {len(rows)}"
        label = f"{counted} GPUs" if len(counted) + 5 <= self.label_width else counted
        head = (fit_text(label, self.label_width), "strong"), ("  ", "text")
        level = max((row.level for row in known if row.level is not None), default=None)
        style = "fits" if level is None else _STYLES[level]
        parts = (Part(n_bytes=used), Part(n_bytes=load, glyph=WEIGHTS, style=style))
        drawn = bar(self.bar_width, total_bytes=total, parts=parts, load_style=style)
        return (*head, *drawn, ("  ", "text"), *self._figures(used, load, total, "strong"))

    def vitals(self, row: Row) -> Line:
        """Temperature, power, use and the last minute in one column, for a long list."""
        if not row.devices:
            return ()
        return (("   ", "text"), *self._vitals(row.devices[0]), *self._spark(row))

    def details(self, row: Row) -> list[Line]:
        """The line under a bar: of each device that draws on the pool."""
        indent = (" " * (self.label_width + 2), "text")
        room = self.width - self.label_width - 2
        if row.pool is None:
            further = self._reason(row)[1:]
            if len(further) < 2:
                return [(indent, (text, "tight")) for text in further]
            return [(indent, *cut_to_words(((further[0], "tight"),), room - len(_REST)), (_REST, "dim"))]
        return [(indent, *self._detail(device, row, room)) for device in row.devices]

    def _detail(self, device: Device, row: Row, room: int) -> Line:
        parts: list[Run] = []
        if len(row.devices) > 1 or row.place == "RAM":
            held = (
                f"holds {size(device.used_bytes)} of it"
                if device.used_bytes is not None
                else "its own part is not reported"
            )
            limit = f", may take {size(device.limit_bytes)}" if device.limit_bytes is not None else ""
            parts.append((f"{held}{limit}", "text"))
        parts += _aside(device, row)
        line: Line = tuple(run for part in parts for run in (part, (" · ", "dim")))
        left = room - width_of(line)
        texts = self._vitals_texts(device)
        while texts and len(" · ".join(texts)) > left:
            texts.pop(min(1, len(texts) - 1))  # the power goes first: the key g leads to it
        if not texts:
            return line[:-1]
        vitals = (f"{' · '.join(texts):<{min(_VITALS_CELLS, left)}}", "dim")
        spark = self._spark(row) if self.width >= 70 and len(parts) < 2 else ()
        named = next((text for text in _SPARK_NAMES if _VITALS_CELLS + len(text) + width_of(spark) <= left), None)
        return (*line, vitals, (named, "dim"), *spark) if spark and named else (*line, vitals)

    def _vitals_texts(self, device: Device) -> list[str]:
        """Each of fixed width, so that what follows stays in its place; what is not reported is left out, not zero."""
        texts = []
        if device.temperature_celsius is not None:
            texts.append(f"{celsius(device.temperature_celsius):<6}")
        if device.power_watts is not None:
            n_cells = 12 if device.power_limit_watts is not None else 5
            texts.append(right_text(watts(device.power_watts, device.power_limit_watts), n_cells))
        if device.utilization_ratio is not None:
            texts.append(f"{right_text(percent(device.utilization_ratio), 5)} busy")
        return texts or ["heat, power and use not reported"]

    def _vitals(self, device: Device) -> Line:
        return ((f"{' · '.join(self._vitals_texts(device)):<{_VITALS_CELLS}}", "dim"),)

    def _spark(self, row: Row) -> Line:
        if row.pool is None or self.view.snapshot is None or self.view.is_thrifty:
            return ()
        columns = self.view.history.columns(
            row.pool.key,
            _SPARK_COLUMNS if not self.has_vitals else 12,
            max(_SPARK_SECONDS, 2 * self.view.interval_seconds),
            self.view.snapshot.taken_seconds,
        )
        return ((sparkline(columns, row.pool.total_bytes), "used"),)


def _parts(row: Row, style: str, n_cells: int) -> list[Part]:
    """What is used, by holder where there is room to tell them apart; then the load by kind; then what would land."""
    parts: list[Part] = []
    left_bytes = row.used_bytes
    if row.pool is not None and n_cells >= _CELLS_FOR_HOLDERS:
        for held_bytes in row.holders:
            if _CELLS_OF_A_HOLDER * row.pool.total_bytes <= held_bytes * n_cells and held_bytes <= left_bytes:
                parts.append(Part(n_bytes=held_bytes))
                left_bytes -= held_bytes
    parts.append(Part(n_bytes=left_bytes))
    left_bytes = row.load_bytes
    for kind, n_bytes in row.load_parts:
        shown_bytes = min(n_bytes, left_bytes)  # on shared memory the load of a row is that of its fullest place
        parts.append(Part(n_bytes=shown_bytes, glyph=KIND_GLYPHS.get(kind, COMPUTE), style=style))
        left_bytes -= shown_bytes
    parts.append(Part(n_bytes=left_bytes, glyph=WEIGHTS, style=style))
    parts.append(Part(n_bytes=row.landed_bytes, glyph=LANDED, style="bad"))
    return parts


def _aside(device: Device, row: Row) -> Line:
    """What is out of the ordinary with a device that can be read."""
    parts: Line = ()
    if device.hidden_by is not None:
        parts = ((f"hidden by {plain(device.hidden_by, 40)}", "tight"),)
    shared = device.shared_used_bytes or 0
    if shared >= WORTH_SAYING_BYTES and row.pool is not None:
        is_spilled = row.pool.free_bytes < row.pool.total_bytes * FULL_SHARE
        parts = (
            *parts,
            (
                f"{size(shared)} of it {'spilled into' if is_spilled else 'held in'} RAM",
                "tight" if is_spilled else "text",
            ),
        )
    return parts
