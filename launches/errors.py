"""What can be wrong with a command.

LaunchError
├── UnknownProgram      no engine known here is started so
└── NoLaunch            a known one, that loads nothing so
"""


class LaunchError(Exception):
    """The message is one sentence for the user."""


class UnknownProgram(LaunchError):  # noqa: N818
    """No engine is known that is started so."""


class NoLaunch(LaunchError):  # noqa: N818
    """The program is known, and this command of it loads no model."""
