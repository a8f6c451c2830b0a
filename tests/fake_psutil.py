"""A table of processes that answers as psutil does on macOS, on Windows or on Linux.

What is None may not be asked by this user (``AccessDenied``). On macOS and Windows an attribute that psutil does not
have there is not there.
"""

from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class Error(Exception):
    pass


class NoSuchProcess(Error):  # as psutil calls it
    pass


class AccessDenied(Error):  # as psutil calls it
    pass


@dataclass
class FakeProcess:
    """One process, as its system has it."""

    words: list[str] | None
    parent: int = 1
    created: float = 1_000.0
    variables: dict[str, str] | None = None
    directory: str | None = None
    ports: list[tuple[str, int]] | None = None
    """(address, port) of each that it listens on."""
    mapped: list[tuple[str, int]] | None = None
    """(path, bytes that are resident)."""
    opened: list[str] | None = None
    memory: dict[str, int] | None = None
    reads: dict[str, int] | None = None
    name: str | None = None


class FakePsutil:
    """The library itself; ``processes`` may change from look to look."""

    Error, NoSuchProcess, AccessDenied = Error, NoSuchProcess, AccessDenied
    CONN_LISTEN = "LISTEN"

    def __init__(self, system: str, processes: dict[int, FakeProcess] | None = None) -> None:
        self.MACOS, self.WINDOWS, self.LINUX = (system == name for name in ("macos", "windows", "linux"))
        self.processes = processes if processes is not None else {}
        self.asked: Counter[str] = Counter()
        self.ended: list[tuple[int, str]] = []
        if not self.MACOS:
            self._psplatform = SimpleNamespace(ppid_map=self._parents)

    def _parents(self) -> dict[int, int]:
        self.asked["ppid_map"] += 1
        return {pid: one.parent for pid, one in self.processes.items()}

    def pids(self) -> list[int]:
        return [0, *self.processes]

    def Process(self, pid: int) -> "_Handle":  # noqa: N802  # as psutil calls it
        return _Handle(self, pid)


@dataclass
class _Handle:
    table: FakePsutil
    pid: int
    created: float = field(init=False)

    def __post_init__(self) -> None:
        if self.pid not in self.table.processes:
            raise NoSuchProcess(self.pid)
        self.created = self.table.processes[self.pid].created

    def _answer(self, question: str) -> Any:
        self.table.asked[question] += 1
        process = self.table.processes.get(self.pid)
        if process is None:
            raise NoSuchProcess(self.pid)
        if (answer := getattr(process, question)) is None:
            raise AccessDenied(self.pid)
        return answer

    def is_running(self) -> bool:
        process = self.table.processes.get(self.pid)
        return process is not None and process.created == self.created

    def terminate(self) -> None:
        self._answer("created")
        self.table.ended.append((self.pid, "terminate"))

    def kill(self) -> None:
        self._answer("created")
        self.table.ended.append((self.pid, "kill"))

    def ppid(self) -> int:
        assert not self.table.WINDOWS, "a list of all processes for each one's parent"
        return self._answer("parent")

    def name(self) -> str:
        return self._answer("name")

    def create_time(self) -> float:
        return self._answer("created")

    def cmdline(self) -> list[str]:
        return self._answer("words")

    def environ(self) -> dict[str, str]:
        return self._answer("variables")

    def cwd(self) -> str:
        return self._answer("directory")

    def net_connections(self, kind: str) -> list[SimpleNamespace]:
        assert kind == "tcp"
        own = [SimpleNamespace(status="LISTEN", laddr=SimpleNamespace(ip=a, port=p)) for a, p in self._answer("ports")]
        return [*own, SimpleNamespace(status="ESTABLISHED", laddr=SimpleNamespace(ip="127.0.0.1", port=50_000))]

    def memory_maps(self) -> list[SimpleNamespace]:
        assert not self.table.MACOS, "psutil has no memory_maps there"
        return [SimpleNamespace(path=path, rss=rss) for path, rss in self._answer("mapped")]

    def open_files(self) -> list[SimpleNamespace]:
        assert not self.table.WINDOWS, "takes seconds there"
        return [SimpleNamespace(path=path) for path in self._answer("opened")]

    def memory_info(self) -> SimpleNamespace:
        return SimpleNamespace(**self._answer("memory"))

    def io_counters(self) -> SimpleNamespace:
        assert not self.table.MACOS, "psutil has no io_counters there"
        return SimpleNamespace(**self._answer("reads"))
