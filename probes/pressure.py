"""Pressure stall information: how long tasks waited for memory. https://docs.kernel.org/accounting/psi.html."""

from typing import NamedTuple

from probes.sysfs import read_text

MACHINE = "/proc/pressure/memory"


class Pressure(NamedTuple):
    """Shares of the last ten seconds."""

    stalled_ratio: float | None = None
    """In which some task waited."""
    fully_stalled_ratio: float | None = None
    """In which all that could run did."""


def read_pressure(path: str) -> Pressure:
    """What the file says: of the machine, or of a control group. Nothing where the kernel keeps no account."""
    return parse_pressure(read_text(path, 512) or "")


def parse_pressure(text: str) -> Pressure:
    """Of ``some avg10=1.50 avg60=0.30 avg300=0.07 total=1234`` and ``full ...``; figures are per cent."""
    ratios: dict[str, float] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        name, _, figure = rest.partition(" ")[0].partition("=")
        whole, _, part = figure.partition(".")
        if name == "avg10" and len(figure) < 16 and f"{whole}{part}".isascii() and f"{whole}{part}".isdigit():
            ratios[kind] = min(1.0, float(figure) / 100)
    return Pressure(stalled_ratio=ratios.get("some"), fully_stalled_ratio=ratios.get("full"))
