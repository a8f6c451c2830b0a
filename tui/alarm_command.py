"""The command that a person wants to have run with a warning."""

import os
import subprocess
from threading import Thread

from tui.alarm import Alarm
from tui.humanize import plain

_MOST_SECONDS = 60.0
"""After which it is ended: a command that hangs is not kept for ever."""


def run_alarm_command(command: str, alarm: Alarm) -> None:
    """Run it in a shell, on a thread aside; what is the matter is in the environment, never in the command line."""
    environment = os.environ | {"PLIMSOLL_ALERT": alarm.kind, "PLIMSOLL_MESSAGE": plain(alarm.message, 400)}
    Thread(target=_run, args=(command, environment), name="alarm command", daemon=True).start()


def _run(command: str, environment: dict[str, str]) -> None:
    try:
        subprocess.run(  # noqa: S602 - the person's own command, from the person's own settings
            command,
            shell=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_MOST_SECONDS,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
