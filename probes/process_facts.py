"""What a running process was started with and what it has open: for those who recognise the engine in it.

From /proc/PID: proc_pid_stat(5), proc_pid_cmdline(5), proc_pid_environ(5), proc_pid_maps(5), proc_pid_fd(5),
and proc_pid_status(5). The kernel gives environment, maps and descriptors to the owner
of a process and to root only; what it does not give is ``None``. Everything here is a stranger's text.
"""

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from probes.intake import Intake, intake_in
from probes.listening import ports_of_owner, ports_of_sockets
from probes.process_start import parent_and_start
from probes.sysfs import read_bytes, whole_number
from records.record import record

YOUNG_LOOKS, _TURNS = 30, 20
"""Looks at a process that is new, and among how many the others take turns: a command line takes 12 µs to read."""
_YOUNG_SECONDS = 90
"""Who was started before that is not new, though it be seen for the first time: as long as those looks take."""
_TICKS_PER_SECOND = 100
"""USER_HZ of the kernel, in which starts are told: include/asm-generic/param.h, the same on x86, ARM, POWER, RISC-V."""
COMMAND_BYTES = 128 * 1024
"""Of a command line: an engine's with a long override list has some kilobytes (ASSUMED)."""
_ENVIRONMENT_BYTES = 256 * 1024
_MAPS_BYTES = 4 * 1024**2
"""PyTorch with CUDA has 2,000 to 6,000 mappings of some 120 bytes (ASSUMED: our own count on a CPU build is 900)."""
_MOST_DESCRIPTORS = 4096
_MOST_CHARACTERS = 4096
"""Of a variable's value."""
MOST_FILES = 64
_MODEL_FILE = re.compile(
    r"\.(gguf|safetensors|bin|pt|pth|llamafile|engine)$|[/\\]blobs[/\\]sha256[-:][0-9a-f]{64}$", re.IGNORECASE
)
_BACKEND_FILE = re.compile(
    r"[/\\](?:lib)?ggml-(cuda|hip|vulkan|sycl|opencl|musa|cann|metal)[\w.-]*(?: \(deleted\))?$", re.IGNORECASE
)
"""As ggml names them (ggml/src/CMakeLists.txt, ggml_add_backend), ``libggml-cuda.so`` and ``ggml-cuda.dll``."""
KEPT_VARIABLES = re.compile(
    r"(CUDA|HIP|ROCR|GPU|ZE|ONEAPI|NVIDIA|GGML|GGML_\w*|LLAMA|LLAMA_ARG|OLLAMA|VLLM|SGLANG|SGL|HF|HUGGINGFACE|TRTLLM|TLLM|"
    r"MLX|XDG_CACHE_HOME|HOME|MODEL_ID|QUANTIZE|NUM_SHARD|SHARDED|DTYPE|PORT|HOSTNAME|MAX|KV_CACHE_DTYPE|PYTORCH|RADV)"
    r"(_[A-Z0-9_]*)?"
)
"""Names of variables that move an engine's memory or say where it looks; nothing else of an environment is kept, and no
key or token, whatever its name."""
_RESIDENT = re.compile(rb"^(VmRSS|RssAnon|RssShmem|RssFile):\s+([0-9]{1,15}) kB$", re.MULTILINE)
"""Of proc_pid_status(5); some 60 lines stand there, and these are four."""
_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASSW|AUTH|CREDENTIAL", re.IGNORECASE)


@record(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """One process, as far as this user may see it."""

    pid: int
    started_ticks: int
    """In ticks of the reader's own (of /proc: since the machine's start): with the number, what tells it from a later
    one, and who came first."""
    parent_pid: int
    arguments: tuple[str, ...]
    environment: Mapping[str, str] | None = None
    """The variables of ``KEPT_VARIABLES``; None where it may not be read."""
    directory: str | None = None


@record(frozen=True, slots=True, kw_only=True)
class HeldFacts:
    """What a process has now; read more than once in its life."""

    files: tuple[str, ...] | None = None
    """Files of models that are mapped or open, the largest mapping first; None where they may not be seen."""
    ports: tuple[int, ...] = ()
    """TCP ports that it listens on."""
    resident_bytes: int | None = None
    """RAM, the pages of mapped files counted in."""
    own_bytes: int | None = None
    """RAM without the pages of files: RssAnon and RssShmem."""


def kept_variables(variables: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Those that move memory, or say where an engine looks."""
    return {
        name: value[:_MOST_CHARACTERS]
        for name, value in variables
        if KEPT_VARIABLES.fullmatch(name) and not _SECRET.search(name)
    }


def is_model_file(path: str) -> bool:
    """Whether a file is one of a model by its name, in either system's spelling."""
    return _MODEL_FILE.search(path) is not None


def backend_named(path: str) -> str:
    """``cuda`` of ``/usr/lib/ollama/cuda_v12/libggml-cuda.so``; empty where it is no library for devices."""
    found = _BACKEND_FILE.search(path)
    return found[1].lower() if found is not None else ""


def is_due(pid: int, arguments: Sequence[str], n_looks: int) -> bool:
    """Whether one is looked at again, so many looks after the first: it may have become another program (exec).

    A young one is each time, as is one that waits to become an engine (``plimsoll run --wait``); the others in turn.
    """
    return 0 < n_looks <= YOUNG_LOOKS or (n_looks + pid) % _TURNS == 0 or is_guard(arguments)


def is_guard(arguments: Sequence[str]) -> bool:
    """Whether it waits to become an engine."""
    return "run" in arguments and any("plimsoll" in word for word in arguments[:3])


@dataclass(slots=True)
class ProcessReader:
    """Reads processes under a root, each one's start once."""

    root: str = ""
    _names: set[str] = field(default_factory=set)
    """What /proc listed at the last look: compared as it is, for most of it stays."""
    _known: dict[int, ProcessFacts | None] = field(default_factory=dict)
    """By pid, of those that still run; None: a kernel thread, or it cannot be read."""
    _commands: dict[int, int] = field(default_factory=dict)
    """By pid, a hash of its command line: compared at many looks, and read into words where it is another."""
    _seen: dict[int, int] = field(default_factory=dict)
    """By pid, in which look it was first seen."""
    _young: set[int] = field(default_factory=set)
    _waiting: set[int] = field(default_factory=set)
    """Those that wait to become an engine."""
    _turns: tuple[set[int], ...] = field(default_factory=lambda: tuple(set() for _ in range(_TURNS)))
    """Every other one in the look that is its turn."""
    _everything: tuple[ProcessFacts, ...] | None = None
    """What the last look gave, as long as it is so."""
    _n_looks: int = 0
    _n_glances: int = 0
    """Of these, how many since the last look saw only that nothing has changed."""

    def has_changed(self) -> bool:
        """Whether a look would find another process, or another program of one that is young or waits to become one.

        A look that is spared so is counted, and whose turn it was is looked at in the next one.
        """
        self._n_looks += 1
        self._n_glances += 1
        self._grow_old()
        if (
            self._everything is not None
            and self._names == self._listed()
            and not any(map(self._is_another, self._near))
        ):
            return False
        self._n_looks -= 1
        self._n_glances -= 1
        return True

    def all_facts(self) -> tuple[ProcessFacts, ...]:
        """Every process that runs now: the same tuple as before where nothing has changed.

        The start of one is read when it is first seen. One that becomes another program (exec) keeps its number and its
        start: a young one is looked at again each time, as is one that waits to become an engine (``plimsoll run
        --wait``), and of the others a part in turn.
        """
        self._n_looks += 1
        names = self._listed()
        for pid in map(_pid, self._names - names):
            self._forget(pid)
        for pid in filter(self._is_another, self._due()):
            self._remember(pid)
        new = sorted(filter(None, map(_pid, names - self._names)))
        for pid in new:
            self._seen[pid] = self._n_looks
            self._turns[(self._n_looks - pid) % _TURNS].add(pid)
            self._remember(pid)
        self._young |= self._lately_started(new) if self._n_looks == 1 else set(new)
        self._names = names
        if self._everything is None:
            self._everything = tuple(facts for facts in self._known.values() if facts is not None)
        return self._everything

    def _lately_started(self, pids: Sequence[int]) -> set[int]:
        """Of those at the first look, who was not there for long before the newest one, which is this program."""
        starts = {pid: facts.started_ticks for pid in pids if (facts := self._known[pid]) is not None}
        oldest_ticks = max(starts.values(), default=0) - _YOUNG_SECONDS * _TICKS_PER_SECOND
        return {pid for pid, ticks in starts.items() if ticks >= oldest_ticks}

    def _due(self) -> set[int]:
        """Who is to be looked at again, of those that were there already."""
        self._grow_old()
        n_glances, self._n_glances = self._n_glances, 0
        turns = {(self._n_looks - before) % _TURNS for before in range(n_glances + 1)}
        return self._near.union(*(self._turns[turn] for turn in turns))

    @property
    def _near(self) -> set[int]:
        """Those that are likely to become another program."""
        return self._young | self._waiting

    def _is_another(self, pid: int) -> bool:
        """Whether it has become another program."""
        return _hash(self._command(pid)) != self._commands[pid]

    def _grow_old(self) -> None:
        self._young = {pid for pid in self._young if self._n_looks - self._seen[pid] <= YOUNG_LOOKS}

    def _remember(self, pid: int) -> None:
        command = self._command(pid)
        facts = self._known[pid] = self._facts(pid, command)
        self._commands[pid] = _hash(command)
        self._everything = None
        self._waiting.discard(pid)
        if facts is not None and is_guard(facts.arguments):
            self._waiting.add(pid)

    def _forget(self, pid: int | None) -> None:
        if pid is None or pid not in self._known:
            return
        del self._known[pid], self._commands[pid]
        self._turns[(self._seen.pop(pid) - pid) % _TURNS].discard(pid)
        self._young.discard(pid)
        self._waiting.discard(pid)
        self._everything = None

    def _command(self, pid: int) -> bytes:
        """Its words, each ended by a NUL; nothing of a kernel thread, or of one that is gone."""
        return read_bytes(f"{self.root}/proc/{pid}/cmdline", COMMAND_BYTES) or b""

    def is_same(self, facts: ProcessFacts) -> bool:
        """Whether that process still runs."""
        stat = parent_and_start(facts.pid, self.root)
        is_same = stat is not None and stat[1] == facts.started_ticks
        if not is_same:
            self._forget(facts.pid)
            self._names.discard(str(facts.pid))  # one that has its number now is new
        return is_same

    def running_seconds(self, started_ticks: int) -> float | None:
        """By the clock that counts from the machine's start, as starttime of proc_pid_stat(5) does."""
        if not hasattr(time, "CLOCK_BOOTTIME"):
            return None
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / os.sysconf("SC_CLK_TCK")

    def facts(self, pid: int) -> ProcessFacts | None:
        """How it was started; None where it is gone, or has no command line."""
        return self._facts(pid, self._command(pid))

    def _facts(self, pid: int, command: bytes) -> ProcessFacts | None:
        stat = parent_and_start(pid, self.root)
        if stat is None or not command:
            return None
        return ProcessFacts(
            pid=pid,
            started_ticks=stat[1],
            parent_pid=stat[0],
            arguments=tuple(word.decode(errors="replace") for word in command.rstrip(b"\0").split(b"\0")),
            environment=self._environment(pid),
            directory=self._link(f"{self.root}/proc/{pid}/cwd"),
        )

    def held(self, pid: int) -> HeldFacts:
        """What it has now. Costs up to some milliseconds: for engines only, and seldom."""
        rss = self._resident(pid)
        return HeldFacts(
            files=self.files(pid),
            ports=self.ports(pid),
            resident_bytes=rss.get("VmRSS"),
            own_bytes=self.own_bytes(pid),
        )

    def own_bytes(self, pid: int) -> int | None:
        """RAM without the pages of files. Takes 40 µs."""
        rss = self._resident(pid)
        return None if "RssAnon" not in rss else rss["RssAnon"] + rss.get("RssShmem", 0)

    def intake(self, pid: int) -> Intake | None:
        """What it has taken in since its start; None where that is not told."""
        return intake_in(self.root, pid)

    def files(self, pid: int) -> tuple[str, ...] | None:
        """Files of models that are mapped or open, the largest mapping first; None where they may not be seen."""
        mapped = self._mapped(pid)
        links = self._links(pid)
        if mapped is None and links is None:
            return None
        opened = [link for link in links or () if is_model_file(link)]
        return tuple(dict.fromkeys([*(mapped or ()), *opened]))[:MOST_FILES]

    def backends(self, pid: int) -> frozenset[str]:
        """Which of ggml's libraries for devices it has mapped; empty where that is not told. Reads its maps again."""
        content = read_bytes(f"{self.root}/proc/{pid}/maps", _MAPS_BYTES) or b""
        lines = (line.decode(errors="replace") for line in content.split(b"\n") if b"ggml-" in line)
        return frozenset(name for line in lines if (name := backend_named(line)))

    def ports(self, pid: int, stated_port: int | None = None) -> tuple[int, ...]:
        """TCP ports that it listens on, and that can be reached on this machine's loopback.

        Args:
            pid: the process.
            stated_port: where its command line says that it answers; counts where its sockets may not be seen, and
                one of its user's listens there.
        """
        links = self._links(pid)
        if links is None:
            return ports_of_owner(self.root, pid, stated_port) if stated_port else ()
        sockets = frozenset(link[8:-1] for link in links if link.startswith("socket:["))
        return ports_of_sockets(self.root, pid, sockets)

    def path_of(self, pid: int, path: str) -> str:
        """Where this process can open a file that another one has under that path: in its container, say."""
        inside = f"{self.root}/proc/{pid}/root{path}"
        return inside if path.startswith("/") and not os.path.exists(path) and os.path.exists(inside) else path

    def _listed(self) -> set[str]:
        try:
            return set(os.listdir(f"{self.root}/proc"))
        except OSError:
            return set()

    def _environment(self, pid: int) -> Mapping[str, str] | None:
        content = read_bytes(f"{self.root}/proc/{pid}/environ", _ENVIRONMENT_BYTES)
        if content is None:
            return None
        pairs = (entry.decode(errors="replace").partition("=") for entry in content.split(b"\0") if b"=" in entry)
        return kept_variables((name, value) for name, _, value in pairs)

    def _link(self, path: str) -> str | None:
        try:
            return os.readlink(path)
        except OSError:
            return None

    def _links(self, pid: int) -> list[str] | None:
        """What its descriptors are of; None where they may not be seen."""
        folder = f"{self.root}/proc/{pid}/fd"
        try:
            names = os.listdir(folder)[:_MOST_DESCRIPTORS]
        except OSError:
            return None
        return [link for name in names if (link := self._link(f"{folder}/{name}")) is not None]

    def _mapped(self, pid: int) -> tuple[str, ...] | None:
        """Files of models that are mapped, the largest first."""
        content = read_bytes(f"{self.root}/proc/{pid}/maps", _MAPS_BYTES)
        if content is None:
            return None
        sizes: dict[str, int] = {}
        for line in content.split(b"\n"):
            words = line.split(None, 5)
            if len(words) < 6 or not words[5].startswith(b"/"):
                continue
            path = words[5].decode(errors="replace")
            if not is_model_file(path):
                continue
            start, _, end = words[0].partition(b"-")
            try:
                sizes[path] = sizes.get(path, 0) + int(end, 16) - int(start, 16)
            except ValueError:
                continue
        return tuple(sorted(sizes, key=lambda path: -sizes[path]))

    def _resident(self, pid: int) -> dict[str, int]:
        """Bytes by the kernel's name of them."""
        content = read_bytes(f"{self.root}/proc/{pid}/status", 8192) or b""
        return {name.decode(): 1024 * int(n_kib) for name, n_kib in _RESIDENT.findall(content)}


def _pid(name: str) -> int | None:
    """Of a folder in /proc; others there are none of a process."""
    return whole_number(name, 10)


def _hash(command: bytes) -> int:
    """Of its words: who writes a title over them leaves more NULs or fewer behind it."""
    return hash(command.rstrip(b"\0"))
