"""The hardware that a command line means, read on a thread of its own while the rest is imported."""

from __future__ import annotations

import os

from tui.usage import UsageError

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from launches.command import Command
    from probes.access import Access
    from probes.probe import ProbeSource
    from probes.snapshot import Snapshot

    _T = TypeVar("_T")

DRIVER_SECONDS = 10.0
"""How long a single reading waits for a driver. One that has to start eight GPUs first takes seconds (ASSUMED)."""


def sources_of(given: argparse.Namespace, access: Access | None = None) -> tuple[ProbeSource, ...]:
    """The hardware meant: this machine's (through ``access`` where somebody attends), a described or a recorded one."""
    from probes.errors import ProbeError

    if given.simulate is not None and given.replay is not None:
        raise UsageError("--simulate and --replay both stand in for this machine's hardware; give one of them")
    try:
        if given.simulate is not None:
            from probes.simulate import simulated_sources

            return simulated_sources(given.simulate)
        if given.replay is not None:
            return _replayed(given.replay)
    except ProbeError as error:
        raise UsageError(str(error)) from error
    return machine_sources(access)


def machine_sources(access: Access | None = None) -> tuple[ProbeSource, ...]:
    """Of this machine. Of what runs on it, nothing that may be a secret comes any further."""
    from probes.access import REAL
    from probes.probe import real_sources

    return real_sources(access or REAL, tell_command=told_command)


def told_command(words: Iterable[str]) -> str:
    """The words of a process's command, joined by blanks, as they may be shown and written down."""
    from launches.told import told  # where processes hold memory

    return told(words)


def _replayed(path: str) -> tuple[ProbeSource, ...]:
    """A recording, opened once beforehand: that it can't be read is said before anything else happens."""
    from pathlib import Path  # 5 ms

    from probes.replay import replay_sources

    sources = replay_sources(Path(path), tell_command=told_command)
    for source in sources:
        source.open().close()
    return sources


def detailed_access() -> Access:
    """The machine with clocks, links and error counters."""
    from probes.access import Access, Attention

    return Access(attention=Attention(is_on_details=True))


def reading_of(given: argparse.Namespace, access: Access | None = None) -> Callable[[], Snapshot]:
    """Starts to read the hardware; the result waits for it."""
    sources = sources_of(given, access)
    return _in_background(lambda: take_one_of(sources))


def reading_for(given: argparse.Namespace, command: Command) -> Callable[[], Snapshot]:
    """Starts to read the hardware as a program in that environment sees it; read anew at every further call."""
    from launches.errors import LaunchError
    from launches.loads import first_load
    from launches.opened import opened_of
    from probes.access import Access
    from tui.visibility import as_seen_with, for_probes

    try:
        load = first_load(command)
        environment = opened_of(command if load is None else load.command).program.environment
    except LaunchError:
        environment = command.environment
    sources = sources_of(given, Access(environment=for_probes(environment, os.environ)))
    told = {name: value for name, value in environment.items() if os.environ.get(name) != value}

    def reading() -> Snapshot:
        snapshot = take_one_of(sources)
        if given.simulate is None or not told:
            return snapshot
        return as_seen_with(told, snapshot)  # no shell here hides what is not here; the command may

    first = [_in_background(reading)]
    return lambda: first.pop()() if first else reading()


def take_one_of(sources: Sequence[ProbeSource]) -> Snapshot:
    from probes.sampler import take_one

    return take_one(sources, DRIVER_SECONDS)


def _in_background(work: Callable[[], _T]) -> Callable[[], _T]:
    """Starts the work, which raises nothing, on a thread of its own; the result waits for it."""
    from threading import Thread

    done: list[_T] = []
    thread = Thread(target=lambda: done.append(work()), daemon=True)
    thread.start()

    def result() -> _T:
        while thread.is_alive():
            thread.join(0.5)  # without a limit, Windows would not let Ctrl-C through
        return done[0]

    return result
