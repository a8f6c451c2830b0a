"""What can be wrong with a command.

LaunchError
├── UnknownProgram      no engine known here is started so
│   └── UnknownEngine   one that loads a model, and of which there is no estimate
├── NoLaunch            a known one, that loads nothing so
│   └── LoadsElsewhere  on another machine, which is not judged from here
└── UnreadableLine      a line that no shell would take
"""

from launches.told import screened


class LaunchError(Exception):
    """The message is one sentence for the user, without what may be a secret."""

    def __init__(self, message: str) -> None:
        """As given, a command's words in it."""
        super().__init__(screened(message))


class UnknownProgram(LaunchError):
    """No engine is known that is started so."""


class UnknownEngine(UnknownProgram):
    """It loads a model, and what that takes is not known here."""


class NoLaunch(LaunchError):
    """The program is known, and this command of it loads no model."""

    is_elsewhere = False
    """A model is loaded, and not on this machine."""


class LoadsElsewhere(NoLaunch):
    """Another machine loads the model: what it has room for can't be seen from here."""

    is_elsewhere = True


class UnreadableLine(LaunchError):
    """A line that no shell would take."""
