"""A command as it would be started, and what stands before the program: ``env``, ``nohup``, ``numactl`` ..."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from launches.elsewhere import runs_elsewhere
from launches.handover import Handover, handed_over
from launches.limits import least_of, limited_by
from launches.wrappers import WRAPPERS, base_name, behind_wrapper, has_subcommand
from records.record import record

MOST_WORDS = 4096
_MOST_WRAPPERS = 32
"""In front of one program (ASSUMED; three are usual)."""
MOST_CHARACTERS = 1 << 20
"""Of all words together. Linux takes 2 MiB (execve(2)); nobody starts an engine with half of it (ASSUMED)."""
COMPOSERS = frozenset({"docker-compose", "podman-compose"})
APPTAINERS = frozenset({"apptainer", "singularity"})
RUNTIMES = frozenset({"docker", "podman", "nerdctl"}) | COMPOSERS | APPTAINERS
"""Programs that start others in containers; ``launches.container`` reads what."""
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\\w")
"""``C:\\models``, or a share of Windows."""
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_SHELLS = frozenset({"sh", "bash", "zsh", "dash"})
_PYTHON = re.compile(r"([Pp]ython|pypy)([0-9.]*)w?t?$|py$")
"""The framework build of macOS calls itself ``Python``; a build without the lock ends on ``t`` (PEP 703)."""
_PYTHON_VALUED = frozenset({"-W", "-X", "--check-hash-based-pycs"})
"""Options of ``python`` with a word of their own (docs.python.org, "Command line and environment", 3.13)."""


@record(frozen=True, slots=True, kw_only=True)
class Command:
    """What is started: nothing has been looked up yet, and every word is a stranger's."""

    arguments: tuple[str, ...]
    """The program first."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the program will see."""
    directory: str = ""
    """Where relative paths begin; empty: here."""
    ram_limit_bytes: int | None = None
    """Of what starts it (``ulimit -v`` of a shell), which holds for what it starts as well; None: no limit."""
    mounts: tuple[tuple[str, str], ...] = ()
    """Of a container: (a folder inside, where it is outside), the longest first."""
    files: tuple[tuple[str, str], ...] = ()
    """What the text that it stands in writes before it starts: (path as it is written there, content)."""
    reads_scripts: bool = False
    """Whether the files of a shell's scripts are read: where it is typed, they are here."""

    def path(self, text: str) -> str:
        """The path that the program would open; of a container's, where it is outside."""
        expanded = os.path.expanduser(text) if not self.mounts else re.sub(r"^~(?=/|$)", "/root", text)
        is_whole = os.name != "nt" and _DRIVE.match(expanded) is not None  # of another system
        is_whole = is_whole or expanded.startswith("$")  # of a variable nothing is known, not that it is relative
        expanded = expanded.removeprefix("./") if self.directory else expanded
        whole = os.path.join(self.directory, expanded) if self.directory and not is_whole else expanded
        for inside, outside in self.mounts:
            if whole == inside or whole.startswith(inside.rstrip("/") + "/"):
                return outside + whole[len(inside.rstrip("/")) :]
        return whole


@record(frozen=True, slots=True, kw_only=True)
class Further:
    """Another service of the compose file that a command starts."""

    command: Command


@record(frozen=True, slots=True, kw_only=True)
class Program:
    """The engine's own part of a command."""

    name: str
    """As it is called, without folder and ``.exe``; of ``python -m vllm.entrypoints.cli`` the module, of a script its
    name."""
    arguments: tuple[str, ...]
    """What follows the name."""
    offset: int
    """How many words of the command stand before these arguments."""
    environment: Mapping[str, str]
    """Assignments before the program counted in."""
    is_module: bool = False
    """Started by ``python -m``."""
    image: str = ""
    """Of the container that it is started in."""
    given_devices: str = "seen"
    """Whether the container that it is started in is given any: a key of ``launches.launch.GIVEN``."""
    ram_bytes: int | None = None
    """What that container, or what a wrapper limits, may use at most; None: no limit."""
    swap_bytes: int | None = None
    """Beside it; None: no limit is said."""
    may_be_value: bool = False
    """Its name stands behind an option of a wrapper that is not known, and may be its value."""
    unknown: tuple[str, ...] = ()
    """Words before it that are not understood."""
    doubts: tuple[str, ...] = ()
    """What those before it may change, a sentence each."""
    elsewhere: str = ""
    """The wrapper before it that starts it on another machine, or may."""
    is_guess: bool = False
    """Found among the words of a program that nobody knows, and that may only read them."""
    path: str = ""
    """As it stands in the command: a script, a program with its folder."""
    directory: str = ""
    """Where it is started; empty: here."""
    further: tuple[Further, ...] = ()
    """What else the compose file starts in which it stands."""


def program_of(command: Command, start: int = 0) -> Program | None:
    """The program itself, behind assignments, wrappers and ``python``; None where there is none.

    Args:
        command: as it was typed.
        start: words before it that are passed over.
    """
    words = command.arguments[:MOST_WORDS]
    passed = Handover(dict(command.environment), command.directory)
    position = start
    is_sure = True
    ram_bytes, swap_bytes = command.ram_limit_bytes, None
    unknown: tuple[str, ...] = ()
    elsewhere = ""
    n_wrappers = 0
    while position < len(words):
        word = words[position]
        if _ASSIGNMENT.match(word):
            name, _, value = word.partition("=")
            passed = replace(passed, environment={**passed.environment, name: value})
            position += 1
            continue
        name = "qemu" if base_name(word).startswith("qemu-") else base_name(word)
        if name in _SHELLS and not "".join(words[position + 1 : position + 2]).startswith("-"):
            position += 1  # a script, or a program that its header makes a script of, too (llamafile)
            continue
        if name == "nix":
            return _of_nix(replace(command, directory=passed.directory), words, position, passed.environment)
        if name not in WRAPPERS or n_wrappers >= _MOST_WRAPPERS or not has_subcommand(name, words[position + 1 :]):
            break
        n_wrappers += 1
        behind = behind_wrapper(name, words, position + 1)
        own = words[position + 1 : behind.position]
        elsewhere = elsewhere or (name if runs_elsewhere(name, own, passed.environment) else "")
        passed, limit = handed_over(name, own, passed), limited_by(name, own)
        ram_bytes, swap_bytes = least_of(ram_bytes, limit.ram_bytes), least_of(swap_bytes, limit.swap_bytes)
        unknown += limit.unknown
        position, is_sure = behind.position, behind.is_sure
    if position >= len(words):
        return None
    if _PYTHON.match(base_name(words[position])):
        found = _behind_python(words, position, passed)
        return found and replace(
            found,
            ram_bytes=ram_bytes,
            swap_bytes=swap_bytes,
            unknown=unknown,
            doubts=passed.doubts,
            elsewhere=elsewhere,
        )
    return Program(
        name=base_name(words[position]),
        arguments=tuple(words[position + 1 :]),
        offset=position + 1,
        environment=passed.environment,
        path=words[position],
        directory=passed.directory,
        ram_bytes=ram_bytes,
        swap_bytes=swap_bytes,
        may_be_value=not is_sure,
        unknown=unknown,
        doubts=passed.doubts,
        elsewhere=elsewhere,
    )


def assigned(words: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """(variables that are set before the program, as a shell sets them; the rest)."""
    n = next((number for number, word in enumerate(words) if not _ASSIGNMENT.match(word)), len(words))
    return dict(word.split("=", 1) for word in words[:n]), tuple(words[n:])


def _of_nix(command: Command, words: Sequence[str], position: int, environment: Mapping[str, str]) -> Program | None:
    """``nix run nixpkgs#ollama -- serve``, ``nix shell nixpkgs#llama-cpp -c llama-server -m a.gguf``."""
    rest = words[position + 1 :]
    if "run" not in rest:
        starting = next((n for n, word in enumerate(rest) if word in ("-c", "--command")), None)
        return (
            None if starting is None else program_of(replace(command, environment=environment), position + starting + 2)
        )
    behind = rest.index("--") + 1 if "--" in rest else len(rest)
    meant = next((word for word in rest[:behind] if "#" in word), "")
    name = meant.rpartition("#")[2].rpartition(".")[2]
    if not name:
        return None
    return Program(
        name=_NIX.get(_FLAVOUR.sub("", name), _FLAVOUR.sub("", name)),
        arguments=tuple(rest[behind:]),
        offset=position + 1 + behind,
        environment=environment,
        directory=command.directory,
    )


_FLAVOUR = re.compile(r"(?:-(?:cuda|cpu|rocm|hip|vulkan|metal|blas|sycl|rpc|rdma|master|git|unstable))+$")
"""What packages of one program are told apart by, behind its name."""
_NIX = {"llama-cpp": "llama-cli"}
"""What a package starts whose name is another (nixpkgs, pkgs/by-name/ll/llama-cpp: `meta.mainProgram`)."""


def _behind_python(words: Sequence[str], position: int, passed: Handover) -> Program | None:
    position += 1
    while position < len(words) and words[position].startswith("-") and words[position] not in ("-m", "-c", "-"):
        position += 2 if words[position] in _PYTHON_VALUED else 1
    if position + 1 < len(words) and words[position] == "-c":
        return Program(
            name="python -c",
            arguments=tuple(words[position + 1 :]),
            offset=position + 1,
            environment=passed.environment,
            directory=passed.directory,
        )
    if position >= len(words) or words[position] in ("-c", "-"):
        return None
    is_module = words[position] == "-m"
    position += is_module
    if position >= len(words):
        return None
    name = words[position] if is_module else base_name(words[position])
    return Program(
        name=name,
        arguments=tuple(words[position + 1 :]),
        offset=position + 1,
        environment=passed.environment,
        is_module=is_module,
        path=words[position],
        directory=passed.directory,
    )


def shortened(command: Command) -> Command:
    """The same within bounds: a command line is a stranger's."""
    kept: list[str] = []
    n_left = MOST_CHARACTERS
    for word in command.arguments[:MOST_WORDS]:
        n_left -= len(word) + 1
        if n_left < 0:
            break
        kept.append(word)
    return replace(command, arguments=tuple(kept))
