"""Every device, and all that is known of the one under the cursor. Only while this is open are details read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.humanize import plain
from tui.messages import PlanChanged
from tui.places import device_label
from tui.screens.browser import Browser
from tui.widgets.device_facts import facts_of
from tui.widgets.device_table import DeviceTable
from tui.widgets.line import n_cells
from tui.widgets.rows import short_name

if TYPE_CHECKING:
    from probes.snapshot import Device, Snapshot


_FRAME_CELLS = 4
"""Frame, the cell of the cursor's sign, and a blank."""
_PATIENCE = 4
"""Readings after which details that have not come are not waited for: simulated and replayed machines have none."""


class Devices(Browser):
    TITLE_TEXT = "Devices"
    HINTS: ClassVar = (
        ("enter", "plan on it"),
        ("d", "others"),
        ("a", "hidden, too"),
        ("w", "wake"),
        ("/", "filter"),
        ("esc", "back"),
    )
    WANTS_DETAILS = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "app.wake_devices", "wake what sleeps"),
        Binding("a", "app.toggle_hidden", "plan for hidden devices, too"),
        Binding("d", "app.step_devices", "devices"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._described: Snapshot | None = None
        self._n_readings = 0

    def fill(self) -> None:
        snapshot = self.view.snapshot
        wanted = self.text.casefold()
        self._shown: list[Device] = []
        for device in snapshot.devices if snapshot else ():
            label = device_label(device, snapshot.devices) if snapshot else ""
            if wanted in f"{label} {device.name} {device.bus_address} {device.key}".casefold():
                self._shown.append(device)
        table = DeviceTable(self._shown, snapshot, self.size.width - _FRAME_CELLS) if snapshot else None
        self._n_name = table.n_name if table else 0
        rows = [table.row(device) for device in self._shown] if table else []
        head = table.head() if table and rows else ""
        empty = "no device of that name" if wanted else _none(snapshot)
        self.listing.show(rows, head=((head, "dim"),) if head else (), empty=((empty, "dim"),))
        self.describe(self.listing.cursor)

    def describe(self, index: int) -> None:
        snapshot = self.view.snapshot
        if snapshot is None or index >= len(self._shown):
            self.about.show()
            return
        device = self._shown[index]
        if snapshot is not self._described:
            self._described, self._n_readings = snapshot, self._n_readings + 1
        facts = list(facts_of(device, snapshot, is_awaited=self._n_readings <= _PATIENCE))
        if n_cells(plain(short_name(device.name))) > self._n_name:
            facts.insert(0, ("name", plain(device.name)))
        self.about.n_indent = 11
        self.about.show(*((f"{title:<10} {text}", "dim" if title == "identity" else "text") for title, text in facts))

    def choose(self, index: int) -> None:
        """The load goes on this device alone."""
        plan, snapshot = self.view.plan, self.view.snapshot
        if snapshot is None or index >= len(self._shown):
            return
        label = device_label(self._shown[index], snapshot.devices)
        if plan is None:
            self.notify("first choose a model: press m", markup=False, timeout=3)
            return
        self.post_message(PlanChanged(replace(plan, devices=(label,))))
        self.notify(f"planned on {label} alone; d leads to the others", markup=False, timeout=3)


def _none(snapshot: Snapshot | None) -> str:
    if snapshot is None or snapshot.pending:
        return "reading …"
    if any(fault.probe != "host" and not fault.is_note for fault in snapshot.faults):
        return "no GPU can be read; press f for why"
    return "no GPU was found; press f for what was looked for"


def open_screen() -> Devices:
    return Devices()
