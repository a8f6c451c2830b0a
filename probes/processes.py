"""Who runs on this machine, and what each was started with: one face, whatever the system tells it by."""

from typing import Protocol

from probes.access import REAL, Access
from probes.intake import Intake
from probes.process_facts import ProcessFacts, ProcessReader


class Processes(Protocol):
    """Reads processes, from look to look."""

    def all_facts(self) -> tuple[ProcessFacts, ...]:
        """Every process that runs now, as far as this user may see it; the same object as long as it is the same."""
        ...

    def has_changed(self) -> bool:
        """Whether ``all_facts`` may give others than at the last look; asked between two looks, in place of one."""
        ...

    def is_same(self, facts: ProcessFacts) -> bool:
        """Whether that process still runs."""
        ...

    def running_seconds(self, started_ticks: int) -> float | None:
        """For how long one runs that started then; None where that can't be told."""
        ...

    def own_bytes(self, pid: int) -> int | None:
        """RAM without the pages of files; None where it is not told."""
        ...

    def intake(self, pid: int) -> Intake | None:
        """What it has taken in since its start, by which it is seen to read; None where that is not told."""
        ...

    def files(self, pid: int) -> tuple[str, ...] | None:
        """Files of models that it has mapped or open, the largest first; None where they may not be seen."""
        ...

    def backends(self, pid: int) -> frozenset[str]:
        """Which of ggml's libraries for devices it has mapped, ``cuda``, ``vulkan`` ...; empty where none is told."""
        ...

    def ports(self, pid: int, stated_port: int | None = None) -> tuple[int, ...]:
        """TCP ports that it listens on, and that can be reached on this machine's loopback."""
        ...

    def path_of(self, pid: int, path: str) -> str:
        """Where this process can open a file that another one has under that path."""
        ...


def open_processes(root: str = "", access: Access = REAL) -> Processes:
    """The reader for this system: /proc where there is one, else what psutil tells.

    Args:
        root: where a /proc of another place lies (a test's); empty: this machine's.
        access: which system it is.
    """
    if root or access.system == "linux":
        return ProcessReader(root=root)
    from probes.psutil_reader import PsutilReader  # noqa: PLC0415  # psutil is 16 to 20 ms, which Linux does not pay
    from probes.vendors.host import psutil_library  # noqa: PLC0415  # as above

    return PsutilReader(psutil_library())
