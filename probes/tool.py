"""Accelerators whose figures come from a program of their maker, started seldom and never waited for on screen.

Starting a program takes tens of milliseconds to a second, so it is done every few seconds at most, on the probe's own
thread; between that, what it said last is shown, with its age.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from probes.access import Access
from probes.errors import ProbeLost
from probes.pci import numa_node
from probes.snapshot import Fault, Reading

ASKED_SECONDS = 5.0
"""How often at most. nvtop and all-smi ask such tools every 1 to 6 s; ours must not show in the machine's own load."""
KEPT_SECONDS = 30.0
"""How long figures are shown with their age while the tool fails (ASSUMED)."""
_MOST_FOLDERS = 64


class ToolProbe:
    """A probe over one command."""

    def __init__(
        self,
        vendor: str,
        tool: str,
        read: Callable[[], Reading],
        *,
        clock: Callable[[], float] = time.monotonic,
        interval_seconds: float = ASKED_SECONDS,
    ) -> None:
        """``read`` starts the tool and understands it; it raises OSError, or ProbeError with a sentence."""
        self._vendor = vendor
        self._tool = tool
        self._read = read
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._reading: Reading | None = None
        self._read_seconds = 0.0
        self._asked_seconds = float("-inf")
        self._faults: tuple[Fault, ...] = ()

    def sample(self) -> Reading:
        now_seconds = self._clock()
        if now_seconds - self._asked_seconds >= self._interval_seconds:
            self._asked_seconds = now_seconds
            self._ask(now_seconds)
        assert self._reading is not None
        return _aged(self._reading, max(0.0, self._clock() - self._read_seconds), self._faults)

    def close(self) -> None:
        """Nothing is held open."""

    def _ask(self, now_seconds: float) -> None:
        try:
            self._reading, self._faults = self._read(), ()
            # The figures are from some moment while it ran: no older than its start.
            self._read_seconds = now_seconds
        except OSError as error:
            message = f"{self._tool} {_reason(error)}"
            if self._reading is None or now_seconds - self._read_seconds > KEPT_SECONDS:
                raise ProbeLost(message) from error
            self._faults = (Fault(probe=self._vendor, message=f"{message}; the figures are from before"),)


def _aged(reading: Reading, age_seconds: float, faults: tuple[Fault, ...]) -> Reading:
    return replace(
        reading,
        pools=tuple(replace(pool, late_seconds=age_seconds) for pool in reading.pools),
        devices=tuple(replace(device, late_seconds=age_seconds) for device in reading.devices),
        faults=reading.faults + faults,
    )


def _reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "may not be run by this user; run Plimsoll as root, or ask for the right"
    if isinstance(error, TimeoutError):
        return f"does not answer: {error}"
    return f"cannot be run: {error.strerror or error}; it may need root, or a group that may use the device"


def find_tool(access: Access, name: str, folders: Sequence[str]) -> str | None:
    """Where the program is: in one of the folders, or in those of PATH."""
    searched = (*folders, *access.environment.get("PATH", "").split(os.pathsep)[:_MOST_FOLDERS])
    for folder in searched:
        path = f"{folder}/{name}"
        if folder.startswith("/") and os.path.isfile(access.path(path)):
            return path
    return None


def near_nodes(reading: Reading, access: Access) -> Reading:
    """With the node of the host's memory that each device is nearest to."""
    nodes = {device.key: numa_node(access, device.bus_address) for device in reading.devices if device.bus_address}
    return replace(
        reading, devices=tuple(replace(device, numa_node=nodes.get(device.key)) for device in reading.devices)
    )
