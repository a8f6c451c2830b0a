"""What a command asks an engine to load, in the estimator's terms; and who reads which program's command line."""

from collections.abc import Mapping
from dataclasses import field, replace
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol

from launches.built_for import vendor_of
from launches.command import Command, Program
from launches.errors import UnknownEngine, UnknownProgram
from launches.told import screened
from launches.withheld import withheld
from records.record import record

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


@record(frozen=True, slots=True, kw_only=True)
class Span:
    """Where a setting stands in the command, so that it can be replaced there."""

    flag: str
    """Its first name in the program's table: ``--ctx-size``."""
    first: int
    """Index of its first word in ``Command.arguments``; of a script's, among the script's words."""
    n_words: int


@record(frozen=True, slots=True, kw_only=True)
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
    # That module asks this one whether a program is an engine.
    from launches.opened import opened_of  # noqa: PLC0415

    opened = opened_of(command)
    return launches_of(opened.program, opened.command)


def launches_of(program: Program, command: Command) -> tuple[Launch, ...]:
    """The same of a program without what is around it.

    Raises:
        UnknownProgram: as ``read_launches``.
        NoLaunch: the same.
    """
    return tuple(_covered(launch, program) for launch in reader_of(program).read(program, command))


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
        doubts=tuple(type(doubt)(screened(doubt)) for doubt in (*program.doubts, *launch.doubts)),
        refusal=screened(launch.refusal),
    )
    if not sentence or launch.devices == ():
        return launch
    if program.given_devices == "assumed":
        return replace(launch, doubts=(*launch.doubts, sentence))
    if launch.engine_name in _WITHOUT_GPU:
        return replace(launch, devices=(), doubts=(*launch.doubts, sentence))
    return replace(launch, refusal=launch.refusal or sentence)


def reader_of(program: Program) -> Reader:
    """The module that reads this program's command line.

    Raises:
        UnknownProgram: there is none.
        UnknownEngine: it loads a model that nobody here can judge.
    """
    for name in PROGRAMS:
        reader = _reader(name)
        if reader.recognises(program):
            return reader
    from launches.unestimated import unestimated  # noqa: PLC0415  # for who starts no engine that is read

    if (told := unestimated(program)) is not None:
        raise UnknownEngine(told)
    raise UnknownProgram(f"{program.name} is no engine whose command line is known here")


@cache  # to ask for a module that is there takes 4 µs, and all of these are for each process of a machine
def _reader(name: str) -> Reader:
    reader: Reader = import_module(f"launches.programs.{name}")
    return reader
