"""A file of settings that a command names (``--config``), as flags below those of the command itself."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from launches.command import Command
from launches.variables import is_unset
from launches.words import Flag, Given, Manner, take_apart
from launches.yaml_file import Settings, UnreadableSettings, Value, read_settings, settings_of


def settings_at(command: Command, path: str) -> Settings:
    """Of the file that the program would open; what the command's own text writes there counts.

    Raises:
        UnreadableSettings: there is none.
    """
    whole = command.path(path)
    same = os.path.normpath(whole)
    written = next(
        (content for name, content in reversed(command.files) if os.path.normpath(command.path(name)) == same), None
    )
    return read_settings(whole) if written is None else settings_of(written)


def over_settings(
    given: Given,
    flag: str,
    command: Command,
    flags: Sequence[Flag],
    manner: Manner,
    plain: Callable[[Sequence[str]], tuple[str, ...]] = tuple,
) -> Given:
    """The same over what stands in the file that this flag names; as it is where it was not given.

    Args:
        given: the command line, taken apart.
        flag: what takes the file's path.
        command: whose directory the path begins in.
        flags: all that the program knows.
        manner: how it reads them.
        plain: what is done to the words before they are taken apart.
    """
    path = given.last(flag)
    if path is None:
        return given
    if is_unset(path):
        return replace(given, unknown=(*given.unknown, f"{flag} {path[:60]}"))
    try:
        settings = settings_at(command, path)
    except UnreadableSettings as error:
        return replace(given, refusals=(*given.refusals, str(error)))
    known = {name for each in flags for name in (*each.names, *each.negatives)}
    below = take_apart(plain(_words_of(settings.values, known)), flags, manner)
    unread = tuple(f"{path}: {line}" for line in settings.unread)
    values = {name: times for name, times in below.values.items() if name != flag}
    return given.over(replace(below, values=values, unknown=(*below.unknown, *unread), positionals=()))


def _words_of(values: dict[str, Value], known: set[str]) -> list[str]:
    """As vLLM's `load_config_file` and SGLang's `ConfigArgumentMerger` write them."""
    words: list[str] = []
    for key, value in values.items():
        if isinstance(value, bool):
            contrary = f"--no-{key}"
            words += [f"--{key}"] if value else [contrary] if contrary in known else []
        elif isinstance(value, list):
            words += [f"--{key}", *map(str, value)] if value else []
        elif isinstance(value, dict):
            words += [f"--{key}", json.dumps(value)]
        else:
            words += [f"--{key}", str(value)]
    return words
