"""One thing that is worth a warning."""

from typing import NamedTuple


class Alarm(NamedTuple):
    """One thing that is the matter now."""

    kind: str
    """``used``, ``temperature``, ``spilled``, ``lost``, ``launch`` or ``verdict``: what a command is told."""
    key: str
    """What it is about; with ``kind``, what makes it one and the same at the next reading."""
    message: str
