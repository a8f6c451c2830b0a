"""What runs on macOS and Windows, and what each process was started with, as psutil tells it.

Both give command line, environment and folder of a user's own processes to that user; of others' what is asked raises
``AccessDenied``, which costs one call and leaves ``None``. Read from psutil 7.2.2, ``_psosx.py`` and ``_pswindows.py``:

- Windows: the parent of one process is looked up in a list of all, made anew for each question (``Process.ppid``,
  ``ppid_map``), so that the list is asked for once a look. ``open_files`` asks each handle under a time limit, for
  seconds: mapped files are read instead (``memory_maps``, which walks the address space), as llama.cpp maps them.
- macOS: ``memory_maps`` is not there; ``open_files`` tells what is open, and a file that is mapped and closed again
  (llama.cpp, once it has loaded) is not told at all. RAM without the pages of files is not told either.
- Windows has no exec, and macOS does: there one may become another program, as on Linux.

Nothing here was run on those systems; on Linux, this reader is held against the one of /proc
(tests/test_psutil_reader.py, ``bench/recognise.py --psutil``). Everything is a stranger's text.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from probes.intake import Intake
from probes.listening import MOST_PORTS
from probes.process_facts import (
    COMMAND_BYTES,
    MOST_FILES,
    YOUNG_LOOKS,
    HeldFacts,
    ProcessFacts,
    backend_named,
    is_due,
    is_model_file,
    kept_variables,
)
from probes.process_start import PSUTIL_TICKS_PER_SECOND, psutil_ticks

_LOOK_SECONDS = 0.1
"""For processes that are new, in one look; the others wait for the next. On Linux one takes 0.1 ms (bench/recognise.py
--psutil)."""
_YOUNG_SECONDS = 60.0
"""Who runs for so long when first seen is looked at again in turn only (ASSUMED: a start script is through by then)."""
_ANY_OR_LOOPBACK = frozenset({"0.0.0.0", "::", "::1", "::ffff:0.0.0.0"})  # noqa: S104  # compared, never bound


@dataclass(slots=True, eq=False)
class _Entry:
    """What is kept of a process that runs."""

    process: Any
    """psutil's own: it knows whether its number is another's by now."""
    parent_pid: int
    """0: it has none that lives."""
    facts: ProcessFacts | None
    """None: it has no command line, or not for this user."""
    seen_in_look: int


@dataclass(slots=True)
class PsutilReader:
    """Reads processes through a library that answers as psutil does, each one's start once."""

    library: Any
    clock: Callable[[], float] = time.perf_counter
    _known: dict[int, _Entry] = field(default_factory=dict)
    _n_looks: int = 0
    _told: tuple[ProcessFacts, ...] = ()

    def has_changed(self) -> bool:
        """Taken for granted: to ask who runs is most of what a look costs here."""
        return True

    def all_facts(self) -> tuple[ProcessFacts, ...]:
        """Every process that runs now and whose command line this user may see."""
        self._n_looks += 1
        try:
            pids = {pid for pid in self.library.pids() if pid > 0}
        except self._failures:
            pids = set(self._known)
        for pid in self._known.keys() - pids:
            del self._known[pid]
        self._look_again()
        self._look_at_new(sorted(pids - self._known.keys(), reverse=True), pids)
        told = tuple(entry.facts for entry in self._known.values() if entry.facts is not None)
        if told != self._told:
            self._told = told
        return self._told

    def _look_at_new(self, new: list[int], pids: set[int]) -> None:
        """The youngest first, where numbers are given in turn."""
        if not new:
            return
        parents = self._parents()
        end_seconds = self.clock() + _LOOK_SECONDS
        for pid in new:
            self._known[pid] = self._entry(pid, parents, pids)
            if self.clock() >= end_seconds:
                return

    def _look_again(self) -> None:
        """At those that may have become another program meanwhile, or were seen too early."""
        for pid, entry in self._known.items():
            facts = entry.facts
            if facts is not None and self.library.WINDOWS:
                continue
            arguments = facts.arguments if facts is not None else ()
            if entry.process is None or not is_due(pid, arguments, self._n_looks - entry.seen_in_look):
                continue
            if self._command(entry.process) not in ((), arguments):
                entry.facts = self._facts(entry.process, entry.parent_pid)

    def is_same(self, facts: ProcessFacts) -> bool:
        """Whether that process still runs."""
        entry = self._known.get(facts.pid)
        is_same = entry is not None and entry.facts is facts and bool(self._ask(entry.process.is_running))
        if not is_same:
            self._known.pop(facts.pid, None)
        return is_same

    def running_seconds(self, started_ticks: int) -> float | None:
        """By the clock on the wall, in which a process's start is told here."""
        return time.time() - started_ticks / PSUTIL_TICKS_PER_SECOND

    def held(self, pid: int) -> HeldFacts:
        """What it has now. For engines only, and seldom."""
        memory = self._of(pid, "memory_info")
        return HeldFacts(
            files=self.files(pid),
            ports=self.ports(pid),
            resident_bytes=None if memory is None else memory.rss,
            own_bytes=self.own_bytes(pid),
        )

    def own_bytes(self, pid: int) -> int | None:
        """RAM without the pages of files, at most.

        Windows tells what is committed for the process alone, resident or not; no more of it than what is resident
        can be in RAM. On macOS None: what is resident has the pages of a mapped model in it.
        """
        memory = self._of(pid, "memory_info")
        if memory is None:
            return None
        if self.library.WINDOWS:
            return int(min(memory.private, memory.rss))
        return int(memory.rss - memory.shared) if self.library.LINUX else None

    def intake(self, pid: int) -> Intake | None:
        """What calls have read (ReadFile, from whatever cache), and the most that was ever resident.

        Windows may have pages of a mapped file ready that are not in the working set (PrefetchVirtualMemory), so that
        there who has taken in little may still have read all. On macOS, where psutil tells neither, None.
        """
        if self.library.MACOS:
            return None
        memory, reads = self._of(pid, "memory_info"), self._of(pid, "io_counters")
        if memory is None:
            return None
        peak_bytes = memory.peak_wset if self.library.WINDOWS else memory.rss
        n_read = 0 if reads is None else getattr(reads, "read_chars", reads.read_bytes)
        return Intake(n_bytes=int(peak_bytes + n_read), is_whole=self.library.LINUX and reads is not None)

    def backends(self, pid: int) -> frozenset[str]:
        """Which of ggml's libraries for devices it has mapped; empty where that is not told."""
        mapped = None if self.library.MACOS else self._of(pid, "memory_maps")
        return frozenset(name for one in mapped or () if (name := backend_named(one.path)))

    def files(self, pid: int) -> tuple[str, ...] | None:
        """Files of models that are mapped or open, the largest mapping first; None where they may not be seen."""
        mapped = None if self.library.MACOS else self._of(pid, "memory_maps")
        opened = None if self.library.WINDOWS else self._of(pid, "open_files")
        if mapped is None and opened is None:
            return None
        largest_first = sorted(mapped or (), key=lambda one: -one.rss)
        paths = (_plain(one.path) for one in (*largest_first, *(opened or ())))
        return tuple(dict.fromkeys(path for path in paths if is_model_file(path)))[:MOST_FILES]

    def ports(self, pid: int, stated_port: int | None = None) -> tuple[int, ...]:
        """TCP ports that it listens on, and that can be reached on this machine's loopback.

        Where its sockets may not be seen, nobody can be told apart from it at the stated port: none is given.
        """
        del stated_port
        listening: Iterable[Any] = self._of(pid, "net_connections", "tcp") or ()
        ports = (
            one.laddr.port
            for one in listening
            if one.status == self.library.CONN_LISTEN and one.laddr and _is_reached(one.laddr.ip)
        )
        return tuple(dict.fromkeys(ports))[:MOST_PORTS]

    def path_of(self, pid: int, path: str) -> str:
        """The same: nothing here runs in a root of its own."""
        del pid
        return path

    def _entry(self, pid: int, parents: Mapping[int, int] | None, pids: set[int]) -> _Entry:
        process = self._ask(self.library.Process, pid)
        if process is None:
            return _Entry(process=None, parent_pid=0, facts=None, seen_in_look=self._n_looks)
        parent = self._ask(process.ppid) if parents is None else parents.get(pid)
        parent_pid = self._living_parent(process, parent, pids)
        facts = self._facts(process, parent_pid)
        seen_in_look = self._n_looks - YOUNG_LOOKS * self._is_old(process)
        return _Entry(process=process, parent_pid=parent_pid, facts=facts, seen_in_look=seen_in_look)

    def _is_old(self, process: Any) -> bool:
        """Whether it ran before it could be seen, and so will hardly become another program: most do, at the start."""
        created_seconds = self._ask(process.create_time)
        return created_seconds is not None and time.time() - created_seconds > _YOUNG_SECONDS

    def _facts(self, process: Any, parent_pid: int) -> ProcessFacts | None:
        created_seconds, command = self._ask(process.create_time), self._command(process)
        if created_seconds is None or not command:
            return None
        environment = self._ask(process.environ)
        directory = self._ask(process.cwd)
        return ProcessFacts(
            pid=process.pid,
            started_ticks=psutil_ticks(created_seconds),
            parent_pid=parent_pid,
            arguments=command,
            environment=None
            if environment is None
            else kept_variables((name, _plain(value)) for name, value in environment.items()),
            directory=_plain(directory) if directory else None,
        )

    def _command(self, process: Any) -> tuple[str, ...]:
        words: list[str] = []
        n_left = COMMAND_BYTES
        for word in self._ask(process.cmdline) or ():
            n_left -= len(word) + 1
            if n_left < 0:
                break
            words.append(_plain(word))
        return tuple(words) if any(words) else ()

    def _parents(self) -> Mapping[int, int] | None:
        """Pid -> parent of all processes, where the system gives them at once; None where each is asked for its own.

        psutil's own functions use it so (``Process.children`` of 7.2.2); it has no public name.
        """
        table = getattr(getattr(self.library, "_psplatform", None), "ppid_map", None)
        return None if table is None else self._ask(table)

    def _living_parent(self, process: Any, parent: int | None, pids: set[int]) -> int:
        """Windows keeps the number of a parent that is gone, and may give it to another one: who is younger is none."""
        if not parent or parent not in pids:
            return 0
        if not self.library.WINDOWS:
            return parent
        above = self._ask(self.library.Process, parent)
        started, own = self._ask(above.create_time) if above else None, self._ask(process.create_time)
        return 0 if started is not None and own is not None and started > own else parent

    @property
    def _failures(self) -> tuple[type[BaseException], ...]:
        """Psutil's own, what a system answers beside them, and what its C functions raise when they meet neither."""
        return (self.library.Error, OSError, ValueError, RuntimeError, SystemError)

    def _of(self, pid: int, question: str, *words: str) -> Any:
        entry = self._known.get(pid)
        process = entry.process if entry is not None else self._ask(self.library.Process, pid)
        method = getattr(process, question, None)
        return None if method is None else self._ask(method, *words)

    def _ask(self, question: Callable[..., Any], *words: object) -> Any:
        """The answer; None where there is none for this user."""
        try:
            return question(*words)
        except self._failures:
            return None


def _plain(text: str) -> str:
    """Without what is no text: bytes that no encoding names, and halves of UTF-16."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _is_reached(address: str) -> bool:
    """Whether who listens there is reached on loopback."""
    return address in _ANY_OR_LOOPBACK or address.startswith(("127.", "::ffff:127."))
