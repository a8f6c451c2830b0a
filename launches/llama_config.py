"""llama.cpp's own configuration: ``config.ini`` of the machine and of the person, which words and variables override.

common/arg.cpp, `common_params_apply_system_config`, and common/preset.cpp of 0c1e57098.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

from estimator.errors import UnreadableModel
from estimator.file_cursor import regular_file_bytes
from launches.command import Command
from launches.llama_table import flags_of
from launches.words import NEGATED, Flag, Given, Takes

MAX_BYTES = 1 << 20
MACHINE_PATH = "/etc/llama.cpp/config.ini"
_SECTION = re.compile(r"\[\s*([^\]]*?)\s*\]")
_ENTRY = re.compile(r"([A-Za-z_][\w.-]*)[ \t]*=[ \t]*(.*)")
_COMMENT = re.compile(r"[ \t]*[;#].*$")
_FOR_ALL = ("", "*", "default")
"""Sections that every program takes: none, all, and the one that is meant without a name."""


def with_config(given: Given, command: Command, environment: Mapping[str, str]) -> Given:
    """With what the files say of flags that nothing else says."""
    told: dict[str, tuple[tuple[str, ...], ...]] = {}
    for path in config_paths(command, environment):
        told |= dict(_told(path))
    if not told:
        return given
    return replace(given, values={**told, **given.values})


def config_paths(command: Command, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The machine's, then the person's, whose home the program's environment says."""
    home = environment.get("HOME", "")
    base = environment.get("XDG_CONFIG_HOME") or (os.path.join(home, ".config") if home else "")
    own = (command.path(os.path.join(base, "llama.cpp", "config.ini")),) if base else ()
    return (MACHINE_PATH, *own)


def _told(path: str) -> Iterator[tuple[str, tuple[tuple[str, ...], ...]]]:
    entries = list(_entries(path))
    names = _names() if entries else {}
    for name, value in entries:
        if name in names:
            flag, is_negative = names[name]
            yield flag.names[0], (_words(flag, value, is_negative=is_negative),)


@cache
def _names() -> Mapping[str, tuple[Flag, bool]]:
    """(flag, whether the name turns it off) by its names without dashes, and by its variable."""
    flags = flags_of(is_fork=False)
    by_variable = {flag.variable: (flag, False) for flag in flags if flag.variable}
    return by_variable | {
        name.lstrip("-"): (flag, name in flag.negatives) for flag in flags for name in (*flag.names, *flag.negatives)
    }


def _words(flag: Flag, value: str, *, is_negative: bool) -> tuple[str, ...]:
    if flag.takes is not Takes.NOTHING:
        return (value,)
    is_on = (value in ("on", "enabled", "true", "1")) is not is_negative
    return () if is_on else NEGATED


def _entries(path: str) -> Iterator[tuple[str, str]]:
    """(name, value) of the sections that count."""
    try:
        if regular_file_bytes(path, path) > MAX_BYTES:
            return
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_BYTES).splitlines()
    except (OSError, UnreadableModel):
        return
    section = ""
    for line in lines:
        text = _COMMENT.sub("", line).strip()
        if (found := _SECTION.fullmatch(text)) is not None:
            section = found[1]
        elif section in _FOR_ALL and (entry := _ENTRY.fullmatch(text)) is not None:
            yield entry[1], entry[2].strip()
