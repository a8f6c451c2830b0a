"""Wires the guard to this machine: the command as it was typed, the hardware as it would see it, the terminal."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from tui.calibrations_here import calibrations_for
from tui.neighbours import launching_for, neighbours_for
from tui.own_folders import state_folder
from tui.run_flags import command_check_parser, run_parser, split
from tui.usage import UsageError

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from launches.command import Command
    from probes.snapshot import Snapshot
    from tui.claims import Claims

    Reading = Callable[[argparse.Namespace, Command], Callable[[], Snapshot]]
    """Begins to read the hardware as the command would see it; the result waits for it, and reads anew when called
    again."""


def run(words: Sequence[str], reading: Reading) -> int:
    """``plimsoll run``: the exit status, where the command did not take this process's place."""
    options, arguments = split(words)
    given = run_parser().parse_args(options)
    if not arguments:
        raise UsageError("which command? Say it behind two dashes, as in: plimsoll run -- llama-server -m model.gguf")
    if len(arguments) == 1 and " " in arguments[0] and not os.path.exists(arguments[0]):
        raise UsageError("give the command's own words, not one line in quotes: plimsoll run -- llama-server -m a.gguf")
    command = replace(typed(arguments, given), ram_limit_bytes=_own_limit_bytes(given))
    snapshot = reading(given, command)
    from tui.guard import Terminal, run_guarded  # noqa: PLC0415  # 60 ms, while the hardware is read
    from tui.handover import take_place  # noqa: PLC0415  # as above
    from tui.manner import Manner  # noqa: PLC0415  # as above

    is_there = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    return run_guarded(
        command,
        snapshot,
        Manner(
            is_strict=given.is_strict,
            is_agreed=given.is_agreed,
            wait_seconds=given.wait_seconds,
            is_quiet=given.is_quiet,
            calibrations=calibrations_for(given),
            neighbours=neighbours_for(given),
            launching=launching_for(given),
            claims=_claims_for(given),
        ),
        terminal=Terminal(is_there=is_there, ask=_ask),
        start=take_place,
    )


def check(options: Sequence[str], arguments: Sequence[str], reading: Reading) -> int:
    """``plimsoll check -- COMMAND``: the exit status of the report."""
    given = command_check_parser().parse_args(options)
    command = replace(typed(arguments, given), ram_limit_bytes=_own_limit_bytes(given))
    snapshot = reading(given, command)
    from tui.command_report import report_command  # noqa: PLC0415  # as above
    from tui.manner import Manner  # noqa: PLC0415  # as above

    return report_command(
        command,
        snapshot,
        Manner(
            is_strict=given.is_strict,
            calibrations=calibrations_for(given),
            neighbours=neighbours_for(given),
            launching=launching_for(given),
            claims=_claims_for(given),
        ),
        is_json=given.is_json,
        is_explained=given.is_explained,
    )


def _claims_for(given: argparse.Namespace) -> Claims | None:
    """None where hardware that is described or recorded stands in for this machine's."""
    if given.simulate is not None or given.replay is not None:
        return None
    from functools import cache  # noqa: PLC0415

    from probes.processes import open_processes  # noqa: PLC0415  # 10 ms with what follows, while the hardware is read
    from tui.boot import boot_name  # noqa: PLC0415
    from tui.check import say  # noqa: PLC0415
    from tui.claims import Claims  # noqa: PLC0415
    from tui.humanize import plain  # noqa: PLC0415

    return Claims(
        folder=os.path.join(state_folder(), "claims"),
        boot=boot_name(),
        processes=cache(lambda: open_processes("")),
        tell=lambda sentence: say(f"plimsoll: waiting: {plain(sentence, 300)}"),
    )


def is_command(arguments: Sequence[str]) -> bool:
    """Whether what stands behind ``check --`` is a command: a name of several words, or an engine's program."""
    return len(arguments) > 1 or (len(arguments) == 1 and is_engine(arguments))


def is_engine(arguments: Sequence[str]) -> bool:
    """Whether these words start an engine that is known."""
    from launches.errors import NoLaunch, UnknownProgram  # noqa: PLC0415
    from launches.launch import reader_of  # noqa: PLC0415
    from launches.opened import opened_of  # noqa: PLC0415

    try:
        return reader_of(opened_of(typed(arguments)).program) is not None
    except UnknownProgram:
        return False
    except NoLaunch:
        return True


def typed(arguments: Sequence[str], given: argparse.Namespace | None = None) -> Command:
    """The command of these words; one word with blanks in it is a line as it was copied.

    Where hardware is described or recorded, that is where a scheduler would start it; a copied line is judged so, too.
    """
    from launches.command import Command  # noqa: PLC0415
    from launches.elsewhere import WITHIN_A_JOB  # noqa: PLC0415

    command, environment = Command(arguments=tuple(arguments)), dict(os.environ)
    if given is not None and (given.simulate is not None or given.replay is not None):
        environment = {**WITHIN_A_JOB, **environment}
    if len(arguments) == 1 and " " in arguments[0] and not os.path.exists(arguments[0]):
        from launches.pasted import pasted  # noqa: PLC0415

        command, environment = pasted(arguments[0]), {**WITHIN_A_JOB, **environment}
    return replace(command, environment=environment, directory=os.getcwd(), reads_scripts=True)


def _own_limit_bytes(given: argparse.Namespace) -> int | None:
    """How much this process may address (``ulimit -v``), which what it becomes inherits; None: no limit.

    Nothing of hardware that is described or recorded.
    """
    if os.name == "nt" or given.simulate is not None or given.replay is not None:
        return None
    import resource  # noqa: PLC0415  # Windows has none

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def _ask(question: str) -> str:
    """The answer, asked where what is said here goes: the engine's own output stays its own."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline() or "n"
