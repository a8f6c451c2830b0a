"""Units: what systemd's sets for its program, wherever the line stands, and Podman's as a command.

systemd.exec(5), podman-systemd.unit(5).
"""

import re
import shlex

from launches.variables import NAME

_EXEC = re.compile(r"^[ \t]*ExecStart=", re.MULTILINE | re.IGNORECASE)
_HOME = re.compile(r"(?<!%)%h(?=[/\s\"':]|$)")
_ENVIRONMENT = re.compile(r"^[ \t]*Environment=([^\r\n]{0,4000})$", re.MULTILINE)
_MOST_SETTINGS = 200
"""Of one unit (ASSUMED bound)."""
_CONTAINER = re.compile(r"^[ \t]*\[Container\][ \t]*\n((?:(?![ \t]*\[[A-Z]\w+\][ \t]*$).*\n?){0,200})", re.MULTILINE)
_SETTING = re.compile(r"^[ \t]*([A-Za-z]{1,30})[ \t]*=[ \t]*(\S.*)$", re.MULTILINE)
_CONTINUED = re.compile(r"\\[ \t]*\n[ \t]*")
_FLAGS = {
    "AddDevice": "--device",
    "Entrypoint": "--entrypoint",
    "EnvironmentFile": "--env-file",
    "Memory": "--memory",
    "Network": "--network",
    "PublishPort": "--publish",
    "ShmSize": "--shm-size",
    "Volume": "--volume",
    "WorkingDir": "--workdir",
}
"""Of podman run, by podman-systemd.unit(5)."""


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
        for word in _words(line):
            name, equals, value = word.partition("=")
            if equals and NAME.fullmatch(name):
                settings[name] = value
    return settings


def specified(text: str) -> str:
    """The text with what systemd puts for ``%h``, the home, in a unit (systemd.unit(5), "SPECIFIERS").

    Args:
        text: as it was posted.
    """
    return _HOME.sub("~", text) if _EXEC.search(text) else text


def as_podman(text: str) -> str:
    """The text with each ``[Container]`` of Podman's units as the command that it stands for, ``podman run ...``.

    Args:
        text: as it was posted.
    """
    return _CONTAINER.sub(lambda found: f"{_podman(found[1]) or found[0]}\n", text)


def _podman(section: str) -> str:
    options: list[str] = []
    image, inside = "", ""
    for name, told in _SETTING.findall(_CONTINUED.sub(" ", section)):
        value = told.strip()
        if name == "Image":
            image = value.strip("\"'")
        elif name == "Exec":
            inside = value
        elif name == "PodmanArgs":
            options.append(value)
        elif name == "Environment":
            options += [f"-e {shlex.quote(word)}" for word in _words(value)]
        elif name in _FLAGS:
            options.append(f"{_FLAGS[name]} {shlex.quote(value.strip(chr(34)).replace('%h', '~').lstrip('-'))}")
    return " ".join(["podman run", *options, image, inside]) if image else ""


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return []
