"""What can be wrong with a command.

LaunchError
├── UnknownProgram      no engine known here is started so
├── NoLaunch            a known one, that loads nothing so
│   └── LoadsElsewhere  on another machine, which is not judged from here
└── UnreadableLine      a line that no shell would take
"""


class LaunchError(Exception):
    """The message is one sentence for the user."""


class UnknownProgram(LaunchError):  # noqa: N818
    """No engine is known that is started so."""


class NoLaunch(LaunchError):  # noqa: N818
    """The program is known, and this command of it loads no model."""

    is_elsewhere = False
    """A model is loaded, and not on this machine."""


class LoadsElsewhere(NoLaunch):
    """Another machine loads the model: what it has room for can't be seen from here."""

    is_elsewhere = True


class UnreadableLine(LaunchError):  # noqa: N818
    """A line that no shell would take."""
