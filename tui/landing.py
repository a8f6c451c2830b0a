"""Where bytes come to lie that have no room on the place they were meant for: in RAM, in swap space, or on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from estimator.ledger import drawing_on
from estimator.verdict import Level

if TYPE_CHECKING:
    from tui.plan import Assessment


class Landing(NamedTuple):
    """Beside what the estimate itself has there."""

    ram_bytes: int = 0
    """From the devices: what the engine would leave to the CPU, or the driver move."""
    swap_bytes: int = 0
    disk_bytes: int = 0
    """Of the model's file, what would be read again for every token."""


def landing_of(made: Assessment) -> Landing:
    """Nothing where it fits; where it fails, what the swap space has no room for is among ``swap_bytes``."""
    verdict = made.verdict
    host = next((margin for margin in verdict.margins if margin.place.kind == "host"), None)
    if verdict.level < Level.SPILLS or host is None:
        return Landing()
    name, does_spill = host.place.name, verdict.level is Level.SPILLS
    if (settled := made.settled) is not None:
        missing_bytes = settled.n_bytes(drawing_on(host.place, made.places)) - host.place.free_bytes
        return Landing(
            ram_bytes=max(0, settled.n_bytes((name,)) - made.estimate.n_bytes((name,))),
            disk_bytes=max(0, min(missing_bytes, settled.file_page_bytes((name,)))),
        )
    is_moved = does_spill and verdict.place != name and verdict.spills_into == "into RAM"
    reread_bytes = min(host.missing_bytes, made.estimate.file_page_bytes((name,))) if host.missing_bytes else 0
    return Landing(
        ram_bytes=verdict.spill_bytes if is_moved else 0,
        swap_bytes=host.missing_bytes - reread_bytes,
        disk_bytes=reread_bytes if does_spill else 0,  # what is killed reads nothing again
    )
