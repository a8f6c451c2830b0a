"""A text that was copied into one word: the command that it is about, or all of it where that is a script."""

from collections.abc import Sequence
from dataclasses import replace

from launches.command import Command
from launches.errors import LaunchError
from launches.launch import Launch
from launches.line import posted
from launches.load import Load
from launches.loads import read_loads
from launches.uncounted import Uncounted


def pasted(text: str) -> Command:
    """The command that is judged for it.

    A text about a command is no script: its prose, alternatives and remarks start nothing. One that a shell would load
    the same by, and something else beside or after it, is taken as a whole.

    Args:
        text: as it was copied.

    Raises:
        UnreadableLine: a quote is never closed, or it is too long.
    """
    meant, whole = posted(text), Command(arguments=("bash", "-c", text))
    own, loads = _loads_of(meant), _loads_of(whole)
    kinds = [_kinds(load) for load in loads]
    is_within = bool(own) and all(_kinds(load) in kinds for load in own)
    # Over several lines, words that are no command are prose as often as not.
    is_doubted = "\n" not in text.strip() and _n_doubts(loads) > _n_doubts(own)
    return whole if is_within and (len(loads) > len(own) or is_doubted) else meant


def _loads_of(command: Command) -> tuple[Load, ...]:
    """Nothing where it loads nothing."""
    try:
        return read_loads(command)
    except LaunchError:
        return ()


def _kinds(load: Load) -> tuple[Launch, ...]:
    """What is loaded, whatever stands beside it."""
    return tuple(replace(launch, doubts=(), spans=()) for launch in load.launches)


def _n_doubts(loads: Sequence[Load]) -> int:
    return sum(isinstance(doubt, Uncounted) for load in loads for launch in load.launches for doubt in launch.doubts)
