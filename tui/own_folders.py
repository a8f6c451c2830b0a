"""Where the platform has a program's files, as platformdirs says, whose import takes 10 ms of a short command's 60.

On Linux it is told by two variables (the XDG Base Directory Specification, 0.8); elsewhere platformdirs is asked.
"""

import os
import sys

_APP = "plimsoll"
_IS_LINUX: bool = sys.platform.startswith("linux")


def state_folder() -> str:
    """Of what is remembered from run to run."""
    if _IS_LINUX:
        return _below("XDG_STATE_HOME", "~/.local/state")
    from platformdirs import user_state_path  # noqa: PLC0415

    return str(user_state_path(_APP, appauthor=False))


def config_folder() -> str:
    """Of the settings."""
    if _IS_LINUX:
        return _below("XDG_CONFIG_HOME", "~/.config")
    from platformdirs import user_config_path  # noqa: PLC0415

    return str(user_config_path(_APP, appauthor=False))


def _below(variable: str, usual: str) -> str:
    stated = os.environ.get(variable, "")
    return os.path.join(stated if stated.strip() else os.path.expanduser(usual), _APP)
