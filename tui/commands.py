"""The commands that read the hardware, once their words are known."""

from __future__ import annotations

import gc
import os

from tui.console import is_coloured
from tui.flags import app_parser, check_parser, doctor_parser, plan_parser, snapshot_parser
from tui.sources import detailed_access, reading_of, sources_of, take_one_of
from tui.typed_load import typed_engine, typed_request
from tui.usage import DEFAULT_INTERVAL_SECONDS, UsageError

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import NoReturn

    from tui.request import Request


def snapshot_command(words: Sequence[str], shared: argparse.Namespace) -> int:
    given = snapshot_parser().parse_args(words, shared)
    from tui.dump import run_follow, run_snapshot

    if given.is_followed and (given.is_prometheus or given.output is not None):
        raise UsageError("--follow prints lines of JSON; leave it out for --prometheus and --output")
    if given.is_json and given.is_prometheus:
        raise UsageError("--json and --prometheus are two formats; give one of them")
    if given.n_processes and not given.is_prometheus:
        raise UsageError("--processes is for --prometheus; text and JSON have all of them")
    sources = sources_of(given, detailed_access() if given.is_detailed else None)
    if given.is_followed:
        return run_follow(sources, given.interval or DEFAULT_INTERVAL_SECONDS)
    return run_snapshot(
        lambda: take_one_of(sources),
        is_json=given.is_json,
        is_prometheus=given.is_prometheus,
        n_processes=given.n_processes,
        output=given.output,
    )


def doctor_command(words: Sequence[str], shared: argparse.Namespace) -> int:
    given = doctor_parser().parse_args(words, shared)
    from probes.access import Access

    access = detailed_access() if given.is_thorough else Access()
    snapshot = reading_of(given, access)
    from tui.doctor import run_doctor  # 60 ms, while the hardware is read

    return run_doctor(
        snapshot,
        access,
        is_json=given.is_json,
        has_versions=given.is_thorough,
        is_described=given.simulate is not None or given.replay is not None,
    )


def check_command(rest: list[str], shared: argparse.Namespace) -> int:
    # 4 of 90 ms: nothing that is imported or read becomes garbage before the end.
    gc.disable()
    try:
        return _check(rest, shared)
    finally:
        gc.enable()


def _check(rest: list[str], shared: argparse.Namespace) -> int:
    is_help = not {"-h", "--help"}.isdisjoint(rest)
    snapshot = _no_snapshot if is_help else reading_of(shared)
    engine = typed_engine(shared)
    # argparse would take the model for the program of a --verify that may stand alone.
    spelled = [
        word.replace("--verify=", "--verify-with=", 1) if word.startswith("--verify=") else word for word in rest
    ]
    given = check_parser(engine).parse_args(spelled, shared)
    request = typed_request(given, engine)
    if request is None:
        raise UsageError("which model? Give a .gguf file or a name, as in: plimsoll check model.gguf")
    from tui.calibrations_here import calibrations_for
    from tui.check import run_check
    from tui.neighbours import neighbours_for

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
    from probes.storage import free_bytes

    return free_bytes(os.path.expanduser("~"))


def plan_command(rest: list[str], shared: argparse.Namespace) -> int:
    engine = typed_engine(shared)
    given = plan_parser(engine).parse_args(rest, shared)
    request = typed_request(given, engine)
    if request is None:
        raise UsageError("which model? Give a .gguf file or a name, as in: plimsoll plan model.gguf")
    from tui.proposal import run_plan

    return run_plan(request, is_json=given.is_json)


def report_once(rest: list[str], shared: argparse.Namespace) -> int:
    """Without a terminal: what is there, and the verdict where a model is given."""
    snapshot = reading_of(shared)
    request = wanted(rest, shared)
    from tui.dump import run_snapshot

    status = run_snapshot(snapshot)
    if request is None:
        return status
    from tui.calibrations_here import calibrations_for
    from tui.check import run_check

    print()
    return run_check(request, snapshot, calibrations=calibrations_for(shared))


def wanted(rest: Sequence[str], shared: argparse.Namespace) -> Request | None:
    """The load that the app begins with. Without one, the engine need not be imported: 35 ms."""
    if not rest:
        return None
    engine = typed_engine(shared)
    return typed_request(app_parser(engine).parse_args(rest, shared), engine)


def _no_snapshot() -> NoReturn:
    raise AssertionError("help was asked for, which reads no hardware")


BY_NAME = {"snapshot": snapshot_command, "doctor": doctor_command, "check": check_command, "plan": plan_command}
