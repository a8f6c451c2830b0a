"""What a command asks an engine to load, in the estimator's terms; and who reads which program's command line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol

from launches.built_for import vendor_of
from launches.command import RUNTIMES, Command, Further, Program, program_of, shortened
from launches.elsewhere import runs_elsewhere
from launches.errors import LoadsElsewhere, NoLaunch, UnknownProgram
from launches.limits import least_of
from launches.shell import commanded, known_in, others_in, script_index
from launches.uncounted import Uncounted
from launches.withheld import withheld

PROGRAMS: tuple[str, ...] = (
    "llamacpp",
    "llama_bench",
    "llama_run",
    "llama_cpp_python",
    "llamafile",
    "koboldcpp",
    "lmstudio",
    "ollama",
    "vllm",
    "sglang",
    "trtllm",
    "mlx",
    "tgi",
    "transformers",
    "tabbyapi",
)
"""Modules of ``launches.programs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where a setting stands in the command, so that it can be replaced there."""

    flag: str
    """Its first name in the program's table: ``--ctx-size``."""
    first: int
    """Index of its first word in ``Command.arguments``; of a script's, among the script's words."""
    n_words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One model that a command loads, with everything that decides how much memory it takes."""

    program: str
    """As people call it: ``llama-server``, ``vllm serve``."""
    engine_name: str
    """A key of ``estimator.engine.ENGINES``."""
    source: str | None
    """What ``read_model`` takes: an absolute path, ``owner/name``, ``owner/name:Q4_K_M``. None: the command names no
    model, and loads what it is asked for later (``ollama serve``)."""
    quant: str | None = None
    """As if the checkpoint were quantised so while it is loaded (``--quantization fp8``); None: as stored."""
    is_converted_after_loading: bool = False
    """All of the stored weights are on the devices before any is quantised."""
    context_tokens: int | None = 0
    """Of all sequences together. 0: as many as the model was made for. None: the engine decides by the devices' memory
    (Ollama)."""
    is_context_free: bool = False
    """It may be shortened to what there is room for, since nobody asked for one (llama.cpp's --fit)."""
    is_length_bound: bool = False
    """It refuses a longer context than the model was made for, and is told of no way to scale positions."""
    n_sequences: int = 1
    kv_type: str | None = None
    """A key of the engine's ``KV_TYPES``; None: its default."""
    options: Any
    """The engine's own ``Options``, its defaults included."""
    fetches_projector: bool = False
    """An image part that the model is published with would be fetched and loaded too; none is known to be here."""
    devices: tuple[str, ...] | None = None
    """As the engine names or counts them: ``CUDA1``, ``Vulkan0``, ``1``. None: all it sees, or ``n_devices`` of them.
    Empty: the CPU alone."""
    n_devices: int | None = None
    """It takes so many of those that it sees, the first ones; None: all."""
    n_machines: int = 1
    """That share the model, this one among them."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the program sees; which devices are hidden from it is told there (``CUDA_VISIBLE_DEVICES``)."""
    address: tuple[str, int] | None = None
    """(host, port) where it will answer, by flags, environment or the engine's default; None: it serves nothing."""
    unknown: tuple[str, ...] = ()
    """Words that are not understood, each with its value; they may move memory."""
    doubts: tuple[str, ...] = ()
    """One sentence each: what is not sure; of ``Uncounted``, what is not counted."""
    refusal: str = ""
    """Why the engine itself would not start so: a value that it does not take."""
    spans: tuple[Span, ...] = ()
    """Of every setting given as words."""
    ram_limit_bytes: int | None = None
    """Of the container that it is started in, or of what limits it (systemd, Slurm, ulimit); None: none is said."""
    swap_limit_bytes: int | None = None
    """Of the same, beside it; None: none is said."""
    is_guess: bool = False
    """Its program stands among the words of one that nobody knows, and that may start nothing: ``claude "vllm serve
    a/b"``."""
    vendor: str = ""
    """Whose devices its image is built for; empty: any, or nobody says."""


class Reader(Protocol):
    """A module of ``launches.programs``: one engine's command line."""

    def recognises(self, program: Program) -> bool:
        """Whether the command line is this engine's. Cheap: only names are looked at."""
        ...

    def read(self, program: Program, command: Command) -> tuple[Launch, ...]:
        """What it loads: several where they follow one another (``llama-bench -m a -m b``), the first one first.

        Raises:
            NoLaunch: it loads nothing (``--version``, ``ollama list``).
        """
        ...


def read_launches(command: Command) -> tuple[Launch, ...]:
    """What the command would load, read as its program would read it.

    Raises:
        UnknownProgram: no engine is known that is started so.
        NoLaunch: a known program that loads nothing so.
    """
    opened = opened_of(command)
    launches = reader_of(opened.program).read(opened.program, opened.command)
    return tuple(_covered(launch, opened.program) for launch in launches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One of the commands of a script, or of the services of a compose file."""

    command: Command
    launches: tuple[Launch, ...]
    """None where it comes to nothing that is judged."""
    beside: tuple[int, ...] = ()
    """Which loads before it still run when it starts."""


def read_loads(command: Command) -> tuple[Load, ...]:
    """All that it loads: what ``read_launches`` reads, then what else a script or a compose file starts.

    Raises:
        UnknownProgram: as ``read_launches``, of the first one.
        NoLaunch: the same.
    """
    loads = [Load(command=command, launches=read_launches(command))]
    for other in opened_of(command).program.further:
        try:
            launches = read_launches(other.command)
        except (NoLaunch, UnknownProgram):
            launches = ()
        loads.append(Load(command=other.command, launches=launches, beside=other.beside))
    return tuple(loads)


GIVEN: Mapping[str, str] = MappingProxyType(
    {
        "seen": "",
        "assumed": "the container is given its GPUs by NVIDIA's runtime, which is taken to be Docker's usual one",
        "none": "the container is given no GPU (--gpus all), and sees none unless NVIDIA's runtime is usual here",
        "cpu image": "this image is built for the CPU alone; one for a GPU has it in its tag (server-cuda)",
    }
)
"""What a container is given of the machine's devices -> what is said of it."""
_WITHOUT_GPU = frozenset({"llamacpp", "ollama", "transformers"})
"""Engines that make do with the CPU."""


def _covered(launch: Launch, program: Program) -> Launch:
    """With what the containers and wrappers around it take away."""
    sentence = GIVEN[program.given_devices]
    launch = replace(
        launch,
        ram_limit_bytes=program.ram_bytes,
        swap_limit_bytes=program.swap_bytes,
        vendor=vendor_of(program.image) if program.image else "",
        is_guess=program.is_guess,
        unknown=tuple(map(withheld, (*program.unknown, *launch.unknown))),
        doubts=(*program.doubts, *launch.doubts),
    )
    if not sentence or launch.devices == ():
        return launch
    if program.given_devices == "assumed":
        return replace(launch, doubts=(*launch.doubts, sentence))
    if launch.engine_name in _WITHOUT_GPU:
        return replace(launch, devices=(), doubts=(*launch.doubts, sentence))
    return replace(launch, refusal=launch.refusal or sentence)


_SEVERAL = Uncounted("more of the script's commands load a model if they are reached, and those are not counted")
_MOST_COVERS = 8
"""Containers and shells around a program (ASSUMED; two are usual)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A command without the containers and shells around it."""

    command: Command
    """As it is inside."""
    program: Program
    scripts: tuple[int, ...] = ()
    """Where it stood in one word of a shell, ``bash -c "vllm serve ..."``: which of the command's words that is, and
    which of the words in there the next one."""


def opened_of(command: Command) -> Opened:
    """The program itself, behind containers and shells too.

    Raises:
        UnknownProgram: there is none.
        LoadsElsewhere: it is started on another machine.
        NoLaunch: a container's program starts no container so.
    """
    command = shortened(command)
    program = program_of(command)
    container: Program | None = None
    scripts: tuple[int, ...] = ()
    limits: list[int | None] = []
    swap_bytes: int | None = None
    unknown: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    is_guess = False
    others: tuple[Further, ...] = ()
    for _ in range(_MOST_COVERS):
        if program is None:
            break
        _expect_here(program)
        command = replace(command, directory=program.directory)  # behind ``env -C``
        if program.name in RUNTIMES:
            from launches.container import contained  # noqa: PLC0415  # which few commands need

            limits = [program.ram_bytes, *limits] if program.name == "podman" else []  # others ask a server to start it
            command, program = contained(replace(command, directory=program.directory), program)
            container, others = program, _joined(others, program.further)
            limits.append(program.ram_bytes)
        elif (index := script_index(program.name, program.arguments)) is not None:
            limits.append(program.ram_bytes)
            swap_bytes = least_of(swap_bytes, program.swap_bytes)
            unknown += program.unknown
            more, left_out = _others(program, index)
            others, doubts = _joined(others, more), (*doubts, *program.doubts, *left_out)
            scripts = (*scripts, program.offset + index)
            told = commanded(program.arguments[index], known_in(program.name, program.arguments, program.environment))
            inside = replace(command, environment=program.environment, directory=program.directory)
            command = shortened(replace(inside, arguments=told.arguments, files=(*command.files, *told.files)))
            program = program_of(command)
        elif (further := _further(command, program)) is not None:
            is_guess = is_guess or further.is_guess
            program = further
        elif (quoted := _quoted(command, program)) is not None:
            limits.append(program.ram_bytes)
            unknown += (*program.unknown, program.name)
            doubts += program.doubts
            is_guess = True
            index, command = quoted
            scripts, program = (*scripts, index), program_of(command)
        else:
            break
    if program is None:
        raise UnknownProgram("there is no program in this command")
    if container is not None:
        program = replace(program, image=container.image, given_devices=container.given_devices)
    program = replace(
        program,
        ram_bytes=least_of(program.ram_bytes, *limits),
        swap_bytes=least_of(program.swap_bytes, swap_bytes),
        unknown=(*unknown, *program.unknown),
        doubts=(*doubts, *program.doubts),
        is_guess=is_guess,
        further=others,
    )
    return Opened(command=replace(command, directory=program.directory), program=program, scripts=scripts)


def _expect_here(program: Program) -> None:
    """Raises: LoadsElsewhere where it starts another on another machine, or is started there."""
    if program.elsewhere or runs_elsewhere(program.name, program.arguments, program.environment):
        name = program.elsewhere or program.name
        raise LoadsElsewhere(f"what {name} starts runs on another machine, or may, and is not judged here")


def _others(program: Program, index: int) -> tuple[tuple[Further, ...], tuple[str, ...]]:
    """(what else the shell starts, with its variables, in its folder; what is said of what is left out)."""
    known = known_in(program.name, program.arguments, program.environment)
    found, is_left_out = others_in(program.arguments[index], known)
    more = tuple(
        replace(
            other,
            command=replace(
                other.command,
                environment=program.environment,
                directory=program.directory,
                ram_limit_bytes=program.ram_bytes,
            ),
        )
        for other in found
    )
    return more, (_SEVERAL,) if is_left_out else ()


def _joined(before: tuple[Further, ...], more: tuple[Further, ...]) -> tuple[Further, ...]:
    """Both count the same load as the first one; what stands within is counted behind."""
    n = len(before)
    return (*before, *(replace(each, beside=tuple(place and place + n for place in each.beside)) for each in more))


_MOST_SKIPPED, _MOST_BEFORE = 8, 3
"""Words that are tried as a value, and as a program behind one that nobody knows (ASSUMED)."""
_READING = frozenset(
    "ack ag apt apt-get awk bat brew cargo cat chmod chown code cp curl diff dnf dotnet du echo emacs file gh git glab "
    "go grep head hg jj journalctl kill killall less ln logger ls make man more mv nano notify-send npm nvim pacman "
    "pgrep pip pip3 pkill pnpm printf ps pytest rg rm rsync scp sed stat svn systemctl tail tar tee touch type vi vim "
    "whereis which xdg-open yarn yum zgrep".split()
)
"""Programs whose words name others without starting them."""
_PREPARING = frozenset({"cd", "export", "source", ".", "set", "ulimit", "exec"})


def _further(command: Command, program: Program) -> Program | None:
    """An engine behind words that are not understood: the value of an option, or a wrapper that is not known.

    ``uvx --torch-backend auto vllm serve a/b`` where nobody knows that this option has a value; ``secrets run -- vllm
    serve a/b``. It has to load something, and to be told what: what only names an engine starts none.
    """
    positions = tuple(_where_else(program)) if program.name not in _READING else ()
    if not positions or _is_engine(program):
        return None
    inside = replace(command, environment=program.environment, directory=program.directory)
    for position in positions:
        found = program_of(inside, position)
        if found is None or not found.arguments:
            continue
        is_cover = found.name in RUNTIMES or script_index(found.name, found.arguments) is not None
        if (is_cover and not _is_bare(program)) or _loads(found, command):
            first = program.offset - 1 - program.may_be_value  # the option too, whose value it may be
            skipped = " ".join(command.arguments[first:position])[:80].removesuffix(" --")
            unknown = (*program.unknown, skipped, *found.unknown)
            limit, doubts = least_of(program.ram_bytes, found.ram_bytes), (*program.doubts, *found.doubts)
            return replace(
                found, ram_bytes=limit, unknown=unknown, doubts=doubts, is_guess=found.is_guess or _is_bare(program)
            )
    return None


def _quoted(command: Command, program: Program) -> tuple[int, Command] | None:
    """An engine in one word of a program that nobody knows, and which: ``pm2 start --name a "vllm serve a/b"``.

    It has to begin with it, or with what prepares it: a sentence that mentions one starts none.
    """
    if program.name in _READING or not _is_bare(program) or _is_engine(program):
        return None
    told_in_one = [(n, word) for n, word in enumerate(program.arguments) if " " in word.strip()]
    for number, word in told_in_one[:_MOST_BEFORE]:
        told = commanded(word, program.environment)
        first = word.split()[0]
        if first not in told.arguments and first not in _PREPARING:
            continue
        inside = replace(
            command,
            arguments=told.arguments,
            environment=program.environment,
            directory=program.directory,
            files=(*command.files, *told.files),
        )
        found = program_of(inside)
        if found is not None and _loads(found, inside):
            return program.offset + number, inside
    return None


def _where_else(program: Program) -> Iterator[int]:
    """Where in the command another program may stand."""
    words = program.arguments
    if program.may_be_value:
        for number, word in enumerate(words[:_MOST_SKIPPED]):
            if not word.startswith("-"):
                yield program.offset + number
                if number == 0 or not words[number - 1].startswith("--"):
                    break
    if "--" in words:
        yield program.offset + words.index("--") + 1
    elif _is_bare(program):
        for number, word in enumerate(words[:_MOST_BEFORE]):
            if word.endswith(":"):  # of a sentence
                break
            if not word.startswith("-"):
                yield program.offset + number


def _is_bare(program: Program) -> bool:
    """Whether nothing but its place says that a program may stand behind it: ``some-wrapper vllm serve a/b``."""
    is_plain = not (program.may_be_value or program.is_module or program.image or "--" in program.arguments)
    return is_plain and re.fullmatch(r"[A-Za-z0-9][\w.+-]*", program.name) is not None


def _is_engine(program: Program) -> bool:
    try:
        return reader_of(program) is not None
    except UnknownProgram:
        return False


def _loads(program: Program, command: Command) -> bool:
    try:
        return bool(reader_of(program).read(program, command))
    except (UnknownProgram, NoLaunch):
        return False


def reader_of(program: Program) -> Reader:
    """The module that reads this program's command line.

    Raises:
        UnknownProgram: there is none.
    """
    for name in PROGRAMS:
        reader: Reader = import_module(f"launches.programs.{name}")
        if reader.recognises(program):
            return reader
    raise UnknownProgram(f"{program.name} is no engine whose command line is known here")
