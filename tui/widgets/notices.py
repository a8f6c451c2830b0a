"""What could not be read, and what else a person should know: the lines under the bars."""

from dataclasses import replace
from functools import lru_cache

from probes.snapshot import Fault, Snapshot
from tui.humanize import plain
from tui.places import fault_text
from tui.widgets.line import Line, cut_to_words, wrap
from tui.widgets.view import View

_VENDORS = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "apple": "Apple"}
"""Those that most people have; all others are in the list that the key f opens."""


@lru_cache(maxsize=2)  # a view is one moment, for which the panel asks, and who arranges the panels
def notices_of(view: View) -> list[Fault]:
    """What a person should know: that no GPU was found, then faults of whole probes, then of devices."""
    snapshot = view.snapshot
    if snapshot is None:
        return []
    faults = [
        replace(fault, message=fault_text(fault, snapshot).removeprefix(f"{fault.probe}: "))
        for fault in sorted(snapshot.faults, key=lambda fault: fault.device_key is not None)
    ]
    faults += [Fault(probe=name, message="asked, and no answer yet …") for name in snapshot.pending]
    if not snapshot.devices and not snapshot.pending:
        probes = [fault for fault in faults if fault.probe != "host"]
        reason = probes[0].message if probes else _looked_for(snapshot)
        others = [fault for fault in faults if fault not in probes[:1]]
        is_unread = bool(probes) and not probes[0].is_note  # there may well be one
        said = (
            f"no GPU can be read: {reason}" if is_unread else f"no GPU found: {reason}; the engine would run on the CPU"
        )
        return [Fault(probe="", message=said), *others]
    faults += [Fault(probe="settings", message=complaint) for complaint in view.complaints]
    if view.store_notice:
        faults.append(Fault(probe="learning", message=view.store_notice))
    unknown = {device.key for device in snapshot.devices if snapshot.pool(device.pool_key) is None}
    return [fault for fault in faults if fault.device_key not in unknown]  # those are said in the device's own row


def _looked_for(snapshot: Snapshot) -> str:
    names = [_VENDORS[absence.probe] for absence in snapshot.absences if absence.probe in _VENDORS]
    return f"looked for {', '.join(names)}" if names else "nothing was looked for"


def notice_lines(notices: list[Fault], width: int, n_lines: int) -> list[Line]:
    """As many as have room; the last line says how to see the rest."""
    wrapped: list[tuple[str, str]] = []
    n_said = 0
    for fault in notices:
        label = f"{fault.probe}: " if fault.probe else ""
        parts = wrap(plain(f"{label}{fault.message}", 500), max(10, width - 2))
        wrapped += [("! " if number == 0 else "  ", text) for number, text in enumerate(parts)]
        n_said += len(wrapped) <= n_lines
    shown = wrapped[: max(0, n_lines)]
    lines: list[Line] = [((mark, "tight-bold"), (text, "tight")) for mark, text in shown]
    if len(shown) < len(wrapped) and lines:
        n_rest = len(notices) - n_said
        rest = " … all: f" if n_rest <= 1 else f" … {n_rest} more: f"
        mark, text = shown[-1]
        kept = cut_to_words(((text, "tight"),), max(1, width - 2 - len(rest)))
        lines[-1] = ((mark, "tight-bold"), *kept, (rest, "dim"))
    return lines
