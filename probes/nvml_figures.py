"""What a GPU has said, by kind, with its age: asked anew when due, kept through a short failure, and then dropped."""

from collections.abc import Callable, Iterable
from typing import Any

from probes import nvml_codes as codes
from probes.nvml_binding import RefusedError

UNSUPPORTED_SECONDS = 60.0
"""What a GPU has said not to support is not asked again before this."""
KEPT_SECONDS = 5.0
"""A figure that the driver then fails to give is shown for so long, with its age (ASSUMED)."""
_REST = 20.0
"""Where a figure has a period, it is not asked again before so many times what the answer took: 5 % of the time. The
driver serialises all calls of all programs (flightlessmango/MangoHud #1307), so a dear call is dear for games too."""
_LONG_AGO = float("-inf")
DETAIL_KINDS = (
    "clocks",
    "throttle",
    "memory use",
    "heat",
    "pcie",
    "traffic",
    "ecc",
    "counters",
    "links",
    "link traffic",
    "fan",
)
"""The kinds that a details reader knows (``nvml_details``), what is watched most first."""


class Figures:
    """Kind -> when it was read, and what was read."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._read: dict[str, tuple[float, Any]] = {}
        self._due: dict[str, float] = {}
        """Kind -> when it is asked again: after its period, or when it may be supported after all."""

    def __contains__(self, kind: str) -> bool:
        return kind in self._read

    @property
    def are_unread(self) -> bool:
        """Nothing is known of any kind."""
        return not self._read

    def value(self, kind: str) -> Any:
        """None where it was never read, or is not supported."""
        read = self._read.get(kind)
        return None if read is None else read[1]

    def read_seconds(self, kind: str) -> float:
        """When it was read; long ago where it never was."""
        read = self._read.get(kind)
        return _LONG_AGO if read is None else read[0]

    def all_read_seconds(self, kinds: Iterable[str]) -> tuple[float, ...]:
        """When each of those was read that is known."""
        read = self._read
        return tuple([read[kind][0] for kind in kinds if kind in read])

    def due_seconds(self, kind: str) -> float:
        """When it is asked for again; long ago where nothing stands against asking now."""
        return self._due.get(kind, _LONG_AGO)

    def once(self, kind: str, ask: Callable[[], Any]) -> None:
        """Ask for what never changes."""
        if kind not in self._read:
            self.refresh(kind, ask)
        if kind in self._read:
            self._due[kind] = float("inf")

    def refresh(self, kind: str, ask: Callable[[], Any], *, period_seconds: float = 0.0) -> None:
        """Ask for it, unless it is too early: for its period, or since the GPU has said that it does not know.

        Raises:
            RefusedError: the GPU is lost (``codes.LOST``).
        """
        now_seconds = self._clock()
        if now_seconds < self._due.get(kind, now_seconds):
            return
        try:
            value = ask()
        except RefusedError as refused:
            if refused.code in codes.LOST:
                raise
            if refused.code in codes.MISSING:
                self._due[kind] = now_seconds + UNSUPPORTED_SECONDS
            if refused.code in codes.MISSING or now_seconds - self.read_seconds(kind) > KEPT_SECONDS + period_seconds:
                self._read.pop(kind, None)
            return
        self._read[kind] = (now_seconds, value)  # from the question on: how old an answer was, no driver says
        if period_seconds:
            answered_seconds = self._clock()
            self._due[kind] = max(
                now_seconds + period_seconds, answered_seconds + _REST * (answered_seconds - now_seconds)
            )

    def hurry(self, kind: str, period_seconds: float) -> None:
        """Let it be asked after this period instead of its own, for it has probably changed."""
        read_seconds = self.read_seconds(kind)
        if kind in self._read:
            self._due[kind] = min(self._due.get(kind, read_seconds), read_seconds + period_seconds)

    def forget(self, *, but: frozenset[str]) -> None:
        """Forget all but the kinds that stay true of a GPU that was lost."""
        self._read = {kind: read for kind, read in self._read.items() if kind in but}
        self._due = {}
