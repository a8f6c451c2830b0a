"""What can go wrong with a probe.

ProbeError
├── ProbeUnavailable    there is nothing to read here, and why; asked again rarely
└── ProbeLost           what was read until now is gone, and why; the probe is closed and opened again
"""


class ProbeError(Exception):
    """The message is a sentence for the user: what is the matter, and what can be done."""


class ProbeUnavailable(ProbeError):
    """There is nothing to read here. ``is_expected`` where that is no fault: no such hardware or driver at all."""

    def __init__(self, message: str, *, is_expected: bool = False) -> None:
        super().__init__(message)
        self.is_expected = is_expected


class ProbeLost(ProbeError):
    """The driver or the device went away while it was being read."""
