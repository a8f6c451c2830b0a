"""What a command asks an engine to load, in the estimator's terms; and who reads which program's command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Protocol

from launches.command import RUNTIMES, Command, Program, program_of, shortened
from launches.errors import UnknownProgram
from launches.shell import SHELLS, commanded, script_index

PROGRAMS: tuple[str, ...] = (
    "llamacpp",
    "llama_bench",
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
    context_tokens: int | None = 0
    """Of all sequences together. 0: as many as the model was made for. None: the engine decides by the devices' memory
    (Ollama)."""
    is_context_free: bool = False
    """It may be shortened to what there is room for, since nobody asked for one (llama.cpp's --fit)."""
    n_sequences: int = 1
    kv_type: str | None = None
    """A key of the engine's ``KV_TYPES``; None: its default."""
    options: Any
    """The engine's own ``Options``, its defaults included."""
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
    """One sentence each: what is not counted, or not sure."""
    refusal: str = ""
    """Why the engine itself would not start so: a value that it does not take."""
    spans: tuple[Span, ...] = ()
    """Of every setting given as words."""


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
    return reader_of(opened.program).read(opened.program, opened.command)


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
        NoLaunch: a container's program starts no container so.
    """
    command = shortened(command)
    program = program_of(command)
    image = ""
    scripts: tuple[int, ...] = ()
    for _ in range(_MOST_COVERS):
        if program is None:
            break
        if program.name in RUNTIMES:
            from launches.container import contained  # noqa: PLC0415  # which few commands need

            command, program = contained(command, program)
            image = program.image
        elif program.name in SHELLS and (index := script_index(program.arguments)) is not None:
            scripts = (*scripts, program.offset + index)
            words = commanded(program.arguments[index])
            command = shortened(replace(command, arguments=words, environment=program.environment))
            program = program_of(command)
        else:
            break
    if program is None:
        raise UnknownProgram("there is no program in this command")
    return Opened(command=command, program=replace(program, image=image), scripts=scripts)


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
