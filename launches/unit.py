"""What a unit of systemd sets for the program that it starts: its lines count wherever they stand (systemd.exec(5))."""

import re
import shlex

from launches.variables import NAME

_EXEC = re.compile(r"^[ \t]*ExecStart=", re.MULTILINE | re.IGNORECASE)
_ENVIRONMENT = re.compile(r"^[ \t]*Environment=([^\r\n]{0,4000})$", re.MULTILINE)
_MOST_SETTINGS = 200
"""Of one unit (ASSUMED bound)."""


def settings_of(text: str) -> dict[str, str] | None:
    """Its ``Environment=`` lines, the last of a name; None where the text is no unit, or several.

    Args:
        text: with continued lines joined.
    """
    if len(_EXEC.findall(text)) != 1:
        return None
    settings: dict[str, str] = {}
    for line in _ENVIRONMENT.findall(text)[:_MOST_SETTINGS]:
        if not line.strip():  # what was set before is taken back
            settings.clear()
        try:
            words = shlex.split(line)
        except ValueError:
            continue
        for word in words:
            name, equals, value = word.partition("=")
            if equals and NAME.fullmatch(name):
                settings[name] = value
    return settings
