"""The command line. Where something is typed it imports argparse, and nothing heavier until it knows what is wanted.

``--help`` and ``--version`` answer in 25 ms; everything else reads the hardware on a thread of its own while the rest
is imported and the model is read.
"""

from __future__ import annotations

import gc
import os
import sys

from tui.console import drop_output, is_coloured, writable
from tui.usage import DEFAULT_INTERVAL_SECONDS, UsageError

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from typing import NoReturn, TypeVar

    from estimator.engine import Engine
    from launches.command import Command
    from probes.access import Access
    from probes.probe import ProbeSource
    from probes.snapshot import Snapshot
    from tui.request import Request

    _T = TypeVar("_T")

USAGE_ERROR = 2
UNKNOWN = 3
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
BROKEN_PIPE = 141
"""128 + SIGPIPE: whoever reads has seen enough."""
COMMANDS = (
    "check",
    "plan",
    "run",
    "models",
    "history",
    "forget",
    "snapshot",
    "doctor",
    "serve",
    "completions",
    "alias",
)
APART = ("models", "history", "forget", "serve", "completions", "alias")
"""Those that read no hardware themselves, and take none of the options about it."""
_WEB_DRIVER = "web_driver"
"""Of textual, in TEXTUAL_DRIVER: a browser at the other end of two pipes stands for the terminal."""
DEFAULT_ENGINE = "llamacpp"
"""Whose options are declared where no engine is named; a model that it does not run gets its usual one."""
DRIVER_SECONDS = 10.0
"""How long a single reading waits for a driver. One that has to start eight GPUs first takes seconds (ASSUMED)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    sys.stdout, sys.stderr = writable(sys.stdout), writable(sys.stderr)
    try:
        status = _run(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except UsageError as error:
        _complain(str(error))
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        drop_output()
        return BROKEN_PIPE
    except OSError as error:  # a full disk, a terminal that is gone
        drop_output()
        _complain(f"{error.filename or 'the output could not be written'}: {error.strerror or error}")
        return UNKNOWN
    return status


def _run(arguments: list[str]) -> int:
    if not arguments and _has_terminal():
        return _open_app()
    if arguments and arguments[0] in APART:
        return _run_apart(arguments[0], arguments[1:])
    if arguments[:1] == ["run"]:
        from tui.guarding import run  # noqa: PLC0415

        return run(arguments[1:], _reading_for)
    if arguments[:1] == ["check"] and (found := _command_in(arguments[1:])) is not None:
        from tui.guarding import check  # noqa: PLC0415

        return check(*found, _reading_for)
    from tui.flags import doctor_parser, shared_parser, snapshot_parser  # noqa: PLC0415  # 6 ms, with argparse

    shared, rest = shared_parser().parse_known_args(arguments)
    command = rest.pop(0) if rest and rest[0] in COMMANDS else "app"
    if command == "snapshot":
        return _run_snapshot(snapshot_parser().parse_args(rest, shared))
    if command == "doctor":
        return _run_doctor(doctor_parser().parse_args(rest, shared))
    if command == "check":
        return _run_check(rest, shared)
    if command == "plan":
        return _run_plan(rest, shared)
    return _run_app(rest, shared)


_PROGRAMS = tuple(
    "llama- llama. llamafile main server ollama vllm sglang python koboldcpp mlx_ mlx. text-generation-launcher "
    "transformers trtllm lms docker podman nerdctl bash sh env sudo nohup numactl uv CUDA_ LLAMA_ OLLAMA_".split()
)
"""How commands that start an engine begin."""


def _command_in(words: list[str]) -> tuple[list[str], list[str]] | None:
    """(options of check, command), where check is asked about a command: behind two dashes, or an engine's own."""
    if "--" in words:
        from tui.guarding import is_command  # noqa: PLC0415

        position = words.index("--")
        return (words[:position], words[position + 1 :]) if is_command(words[position + 1 :]) else None
    # Looking closer costs 30 ms, which names of models need not pay.
    first = words[0].split(" ", 1)[0].rpartition("/")[2] if words else ""
    if not first.startswith(_PROGRAMS) or words[0].endswith((".gguf", ".json", ".safetensors")):
        return None
    from tui.guarding import is_engine  # noqa: PLC0415

    is_line = len(words) > 1 or " " in words[0]
    return ([], words) if is_line and is_engine(words) else None


def _run_apart(command: str, words: list[str]) -> int:
    if command == "serve":
        from tui.serve import run_serve  # noqa: PLC0415

        return run_serve(words)
    if command == "models":
        from tui.models import run_models  # noqa: PLC0415

        return run_models(words)
    if command in ("history", "forget"):
        from tui.load_history import run_forget, run_history  # noqa: PLC0415

        return run_history(words) if command == "history" else run_forget(words)
    from tui.shells import run_alias, run_completions  # noqa: PLC0415

    return run_alias(words) if command == "alias" else run_completions(words)


def _run_snapshot(given: argparse.Namespace) -> int:
    from tui.dump import run_follow, run_snapshot  # noqa: PLC0415

    if given.is_followed and (given.is_prometheus or given.output is not None):
        raise UsageError("--follow prints lines of JSON; leave it out for --prometheus and --output")
    if given.is_json and given.is_prometheus:
        raise UsageError("--json and --prometheus are two formats; give one of them")
    if given.n_processes and not given.is_prometheus:
        raise UsageError("--processes is for --prometheus; text and JSON have all of them")
    sources = _sources(given, _detailed_access() if given.is_detailed else None)
    if given.is_followed:
        return run_follow(sources, given.interval or DEFAULT_INTERVAL_SECONDS)
    return run_snapshot(
        lambda: _take_one(sources),
        is_json=given.is_json,
        is_prometheus=given.is_prometheus,
        n_processes=given.n_processes,
        output=given.output,
    )


def _run_doctor(given: argparse.Namespace) -> int:
    from probes.access import Access  # noqa: PLC0415

    access = _detailed_access() if given.is_thorough else Access()
    snapshot = _reading(given, access)
    from tui.doctor import run_doctor  # noqa: PLC0415  # 60 ms, while the hardware is read

    return run_doctor(
        snapshot,
        access,
        is_json=given.is_json,
        has_versions=given.is_thorough,
        is_described=given.simulate is not None or given.replay is not None,
    )


def _run_check(rest: list[str], shared: argparse.Namespace) -> int:
    # 4 of 90 ms: nothing that is imported or read becomes garbage before the end.
    gc.disable()
    try:
        return _check(rest, shared)
    finally:
        gc.enable()


def _check(rest: list[str], shared: argparse.Namespace) -> int:
    is_help = not {"-h", "--help"}.isdisjoint(rest)
    snapshot = _no_snapshot if is_help else _reading(shared)
    engine = _engine(shared.engine or DEFAULT_ENGINE)
    from tui.flags import check_parser  # noqa: PLC0415  # loaded already

    # argparse would take the model for the program of a --verify that may stand alone.
    spelled = [
        word.replace("--verify=", "--verify-with=", 1) if word.startswith("--verify=") else word for word in rest
    ]
    given = check_parser(engine).parse_args(spelled, shared)
    request = _request(given, engine)
    if request is None:
        raise UsageError("which model? Give a .gguf file or a name, as in: plimsoll check model.gguf")
    from tui.calibrations_here import calibrations_for  # noqa: PLC0415
    from tui.check import run_check  # noqa: PLC0415
    from tui.neighbours import neighbours_for  # noqa: PLC0415

    return run_check(
        request,
        snapshot,
        is_json=given.is_json,
        is_explained=given.is_explained,
        is_strict=given.is_strict,
        is_coloured=is_coloured(),
        has_hardware=given.has_hardware,
        is_verified=given.is_verified or given.verifier is not None,
        verifier=given.verifier,
        disk_free_bytes=_disk_free_bytes(shared),
        calibrations=calibrations_for(shared),
        neighbours=neighbours_for(shared),
    )


def _disk_free_bytes(given: argparse.Namespace) -> int | None:
    """At home, where the caches of Hugging Face, Ollama and LM Studio lie, unless told otherwise."""
    if given.simulate is not None or given.replay is not None:
        return None
    import os  # noqa: PLC0415  # loaded already

    from probes.storage import free_bytes  # noqa: PLC0415

    return free_bytes(os.path.expanduser("~"))


def _run_plan(rest: list[str], shared: argparse.Namespace) -> int:
    from tui.flags import plan_parser  # noqa: PLC0415  # loaded already

    engine = _engine(shared.engine or DEFAULT_ENGINE)
    given = plan_parser(engine).parse_args(rest, shared)
    request = _request(given, engine)
    if request is None:
        raise UsageError("which model? Give a .gguf file or a name, as in: plimsoll plan model.gguf")
    from tui.proposal import run_plan  # noqa: PLC0415

    return run_plan(request, is_json=given.is_json)


def _run_app(rest: list[str], shared: argparse.Namespace) -> int:
    misplaced = next((word for word in rest if word in COMMANDS), None)
    if misplaced is not None and "--model" not in rest:
        raise UsageError(
            f"say plimsoll {misplaced} first, then its options; a model of that name is plimsoll ./{misplaced}"
        )
    if not {"-h", "--help", "--version"}.isdisjoint(rest):
        from tui.flags import app_parser  # noqa: PLC0415  # loaded already

        app_parser(None).parse_args(rest, shared)  # prints, and ends
    return _open_app(rest, shared) if _has_terminal() else _report_once(rest, shared)


def _has_terminal() -> bool:
    """Or what stands for one; one that calls itself dumb (an editor's window, say) cannot place what is drawn."""
    if _WEB_DRIVER in os.environ.get("TEXTUAL_DRIVER", ""):
        return True
    if os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty() and sys.stdin is not None and sys.stdin.isatty()


def _report_once(rest: list[str], shared: argparse.Namespace) -> int:
    """Without a terminal: what is there, and the verdict where a model is given."""
    snapshot = _reading(shared)
    request = _wanted(rest, shared)
    from tui.dump import run_snapshot  # noqa: PLC0415

    status = run_snapshot(snapshot)
    if request is None:
        return status
    from tui.calibrations_here import calibrations_for  # noqa: PLC0415
    from tui.check import run_check  # noqa: PLC0415

    print()
    return run_check(request, snapshot, calibrations=calibrations_for(shared))


def _open_app(rest: Sequence[str] = (), shared: argparse.Namespace | None = None) -> int:
    """The full screen; where nothing was typed, without what reads it: 6 of 250 ms to the first picture."""
    # Until the first picture (``PlimsollApp``): what is imported stays, and looking through it again and again costs
    # 25 ms, 5 of them before the sampler starts.
    gc.disable()
    request = None if shared is None else _wanted(rest, shared)
    from probes.access import Access  # noqa: PLC0415

    access = Access()
    sources = _real_sources(access) if shared is None else _sources(shared, access)
    is_real = shared is None or (shared.simulate is None and shared.replay is None)
    from tui.launch import run_app  # noqa: PLC0415

    return run_app(
        sources,
        request,
        interval_seconds=None if shared is None else shared.interval,
        attention=access.attention if is_real else None,
        is_read_only=shared is not None and shared.is_read_only,
    )


def _wanted(rest: Sequence[str], shared: argparse.Namespace) -> Request | None:
    """The load that the app begins with. Without one, the engine need not be imported: 35 ms."""
    if not rest:
        return None
    from tui.flags import app_parser  # noqa: PLC0415  # loaded already

    engine = _engine(shared.engine or DEFAULT_ENGINE)
    return _request(app_parser(engine).parse_args(rest, shared), engine)


# Hardware


def _sources(given: argparse.Namespace, access: Access | None = None) -> tuple[ProbeSource, ...]:
    """The hardware meant: this machine's (through ``access`` where somebody attends), a described or a recorded one."""
    from probes.errors import ProbeError  # noqa: PLC0415

    if given.simulate is not None and given.replay is not None:
        raise UsageError("--simulate and --replay both stand in for this machine's hardware; give one of them")
    try:
        if given.simulate is not None:
            from probes.simulate import simulated_sources  # noqa: PLC0415

            return simulated_sources(given.simulate)
        if given.replay is not None:
            return _replayed(given.replay)
    except ProbeError as error:
        raise UsageError(str(error)) from error
    return _real_sources(access)


def _real_sources(access: Access | None) -> tuple[ProbeSource, ...]:
    from probes.probe import real_sources  # noqa: PLC0415

    return real_sources() if access is None else real_sources(access)


def _replayed(path: str) -> tuple[ProbeSource, ...]:
    """A recording, opened once beforehand: that it can't be read is said before anything else happens."""
    from pathlib import Path  # noqa: PLC0415  # 5 ms

    from probes.replay import replay_sources  # noqa: PLC0415

    sources = replay_sources(Path(path))
    for source in sources:
        source.open().close()
    return sources


def _detailed_access() -> Access:
    """The machine with clocks, links and error counters."""
    from probes.access import Access, Attention  # noqa: PLC0415

    return Access(attention=Attention(is_on_details=True))


def _reading(given: argparse.Namespace, access: Access | None = None) -> Callable[[], Snapshot]:
    """Starts to read the hardware; the result waits for it."""
    sources = _sources(given, access)
    return _in_background(lambda: _take_one(sources))


def _reading_for(given: argparse.Namespace, command: Command) -> Callable[[], Snapshot]:
    """Starts to read the hardware as a program in that environment sees it; read anew at every further call."""
    from launches.errors import LaunchError  # noqa: PLC0415
    from launches.launch import opened_of  # noqa: PLC0415
    from probes.access import Access  # noqa: PLC0415
    from tui.visibility import as_seen_with, for_probes  # noqa: PLC0415

    try:
        environment = opened_of(command).program.environment
    except LaunchError:
        environment = command.environment
    sources = _sources(given, Access(environment=for_probes(environment, os.environ)))
    told = {name: value for name, value in environment.items() if os.environ.get(name) != value}

    def reading() -> Snapshot:
        snapshot = _take_one(sources)
        if given.simulate is None or not told:
            return snapshot
        return as_seen_with(told, snapshot)  # no shell here hides what is not here; the command may

    first = [_in_background(reading)]
    return lambda: first.pop()() if first else reading()


def _take_one(sources: Sequence[ProbeSource]) -> Snapshot:
    from probes.sampler import take_one  # noqa: PLC0415

    return take_one(sources, DRIVER_SECONDS)


def _no_snapshot() -> NoReturn:
    raise AssertionError("help was asked for, which reads no hardware")


def _in_background(work: Callable[[], _T]) -> Callable[[], _T]:
    """Starts the work, which raises nothing, on a thread of its own; the result waits for it."""
    from threading import Thread  # noqa: PLC0415

    done: list[_T] = []
    thread = Thread(target=lambda: done.append(work()), daemon=True)
    thread.start()

    def result() -> _T:
        while thread.is_alive():
            thread.join(0.5)  # without a limit, Windows would not let Ctrl-C through
        return done[0]

    return result


# The load that is asked for


def _engine(name: str) -> Engine:
    from estimator.engine import load_engine  # noqa: PLC0415
    from estimator.errors import EstimatorError  # noqa: PLC0415

    try:
        return load_engine(name)
    except EstimatorError as error:
        raise UsageError(f"--engine: {error}") from error


def _request(given: argparse.Namespace, engine: Engine) -> Request | None:
    """What was asked for, or None where no model was named."""
    from tui.flags import flagged  # noqa: PLC0415  # loaded already
    from tui.request import Request  # noqa: PLC0415

    if given.model is not None and given.model_option is not None:
        raise UsageError("one model at a time: give it as it is, or with --model")
    source = given.model if given.model_option is None else given.model_option
    if source is None:
        return None
    chosen = {field.name: getattr(given, field.name) for field in flagged(engine) if hasattr(given, field.name)}
    return Request(
        source=source,
        quant=given.quant,
        context_tokens=given.context,
        n_sequences=given.sequences,
        kv_type=given.kv_type,
        ram_bytes_per_second=None if given.ram_bandwidth is None else given.ram_bandwidth * 1e9,
        engine_name=given.engine or DEFAULT_ENGINE,
        is_engine_given=given.engine is not None or bool(chosen),
        options=engine.Options(**chosen),
        device=given.device,
        has_hidden=given.has_hidden,
        settings=_settings(given),
    )


def _settings(given: argparse.Namespace) -> frozenset[str]:
    """What this shell's environment says of a load without room; nothing of hardware that is not here."""
    import os  # noqa: PLC0415  # loaded already

    from tui.places import spill_settings  # noqa: PLC0415

    is_here = getattr(given, "simulate", None) is None and getattr(given, "replay", None) is None
    return spill_settings(os.environ) if is_here else frozenset()


def _complain(message: str) -> None:
    from tui.humanize import plain  # noqa: PLC0415

    print(f"plimsoll: {plain(message, 1000)}", file=sys.stderr)
