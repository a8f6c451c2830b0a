"""The history written out as a recording, which ``--replay`` plays: pools by the second, the minute and the hour."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from probes.recording import snapshot_to_json
from probes.snapshot import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probes.snapshot import Snapshot
    from tui.history import History


def recorded_lines(history: History, newest: Snapshot) -> Iterator[str]:
    """A snapshot a line. Of devices only what does not change is told: what they did at the time was not kept."""
    totals = {pool.key: pool for pool in newest.pools}
    devices = tuple(
        replace(
            device,
            used_bytes=None,
            utilization_ratio=None,
            temperature_celsius=None,
            power_watts=None,
            details=None,
            late_seconds=0.0,
        )
        for device in newest.devices
    )
    for taken_seconds, used in history.moments():
        pools = tuple(
            Pool(
                key=key,
                total_bytes=totals[key].total_bytes,
                used_bytes=min(used_bytes, totals[key].total_bytes),
                free_bytes=max(0, totals[key].total_bytes - used_bytes),
            )
            for key, used_bytes in used.items()
            if key in totals
        )
        then = replace(
            newest,
            taken_seconds=taken_seconds,
            pools=pools,
            devices=devices,
            processes=(),
            faults=(),
            late_seconds=0.0,
            pending=(),
        )
        yield json.dumps(snapshot_to_json(then), separators=(",", ":"))


def write_recording(history: History, newest: Snapshot, path: Path) -> int:
    """The number of snapshots that were written.

    Raises:
        OSError: it cannot be written, or a file of that name is there.
    """
    n_lines = 0
    with path.open("x", encoding="utf-8") as file:
        for line in recorded_lines(history, newest):
            file.write(f"{line}\n")
            n_lines += 1
    return n_lines
