"""The engines that run here now, for the advice of a command that ends: looked for only where a load has no room."""

from __future__ import annotations

import os
import re
import time

from tui.own_folders import config_folder

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from probes.snapshot import Snapshot
    from tui.recognised import Recognised

    Neighbours = Callable[[Snapshot], tuple[Recognised, ...]]


def nobody(snapshot: Snapshot) -> tuple[Recognised, ...]:
    """Where nobody is looked for."""
    del snapshot
    return ()


def neighbours_for(given: argparse.Namespace) -> Neighbours:
    """None where hardware that is described or recorded stands in for this machine's."""
    return engines_here if given.simulate is None and given.replay is None else nobody


def launching_for(given: argparse.Namespace) -> Neighbours:
    """As ``neighbours_for``, for a load that has room as it is now."""
    return launching_here if given.simulate is None and given.replay is None else nobody


def launching_here(snapshot: Snapshot) -> tuple[Recognised, ...]:
    """The engines, where one of them may still load; nobody is looked for where none holds memory of a device."""
    names = (f"{one.name} {one.command}" for one in snapshot.processes if not one.is_outside)
    return engines_here(snapshot) if any(_MAY_BE_ENGINE.search(name) for name in names) else ()


_MAY_BE_ENGINE = re.compile(
    r"llama|vllm|sglang|python|mlx|kobold|text-generation|trtllm|lms|tabby|main|server", re.IGNORECASE
)
"""In the name or the command line of a process: all programs of ``launches.programs``, and what starts with Python."""


def engines_here(snapshot: Snapshot) -> tuple[Recognised, ...]:
    """By their command lines alone, each with its children; none where the setting ``recognise`` is off."""
    if not _is_wanted():
        return ()
    # 40 ms with what reads processes and command lines, for a load that does not start at once.
    from probes.processes import open_processes  # noqa: PLC0415
    from tui.recogniser import Recogniser  # noqa: PLC0415

    processes = open_processes("")
    recogniser = Recogniser(processes, clock=time.monotonic, running_seconds=processes.running_seconds)
    return recogniser.look(snapshot)


def _is_wanted() -> bool:
    if not os.path.exists(os.path.join(config_folder(), "config.toml")):
        return True
    from tui.settings_file import read_settings, settings_path  # noqa: PLC0415  # 15 ms, where there is such a file

    return read_settings(settings_path()).settings.recognise
