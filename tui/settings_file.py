r"""The settings in one TOML file, where the platform wants it. A broken file never stops the app.

``~/.config/plimsoll/config.toml`` on Linux (or below XDG_CONFIG_HOME), ``~/Library/Application Support/plimsoll`` on
macOS, ``%LOCALAPPDATA%\plimsoll`` on Windows: as platformdirs says.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

from tui.own_folders import config_folder
from tui.settings import Alerts, Settings, Switch, help_of, keys, range_of, type_of, value_of
from tui.small_file import TooLongError, read_small_file

_MOST_BYTES = 256 * 1024
"""Of a file of some twenty lines; what is longer is something else."""
_NAME = "config.toml"
_NOUNS = {bool: "boolean", int: "integer", str: "string"}


class ReadSettings(NamedTuple):
    """What holds, and what the matter is with the file; one sentence each."""

    settings: Settings = Settings()
    complaints: tuple[str, ...] = ()


def settings_path() -> Path:
    """Where the file is, or would be."""
    return Path(config_folder(), _NAME)


def read_settings(path: Path) -> ReadSettings:
    """What the file says; where it says nothing, or nonsense, the default."""
    try:
        content = read_small_file(path, _MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return ReadSettings()
    except OSError as error:
        return ReadSettings(complaints=(f"{path} cannot be read: {error.strerror}; the defaults hold",))
    except TooLongError:
        return ReadSettings(complaints=(f"{path} is too long for settings; the defaults hold",))
    if not content.strip():
        return ReadSettings()
    import tomllib  # noqa: PLC0415  # 2 ms, for those who have set something

    try:
        found = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or a number of thousands of digits
        return ReadSettings(complaints=(f"{path} is not TOML ({error}); the defaults hold",))
    return checked(found, str(path))


def checked(found: dict[str, Any], where: str) -> ReadSettings:
    """The settings of a file's content; each key that is wrong is said, and left at its default."""
    complaints: list[str] = []
    known = keys()
    flat: dict[str, Any] = {}
    for name, value in found.items():
        if name == "alerts" and isinstance(value, dict):
            flat |= {f"alerts.{inner}": item for inner, item in value.items()}
        else:
            flat[name] = value
    settings = Settings()
    for key, value in flat.items():
        if key == "alerts":
            complaints.append(f"{where}: alerts is a table: [alerts], and below it lines such as bell = true")
            continue
        if key not in known:
            complaints.append(f"{where}: {_shown(key)} is not known{_nearest(key, known)}")
            continue
        if type_of(key) == Switch and isinstance(value, bool):
            value = "on" if value else "off"  # noqa: PLW2901  # people write true where three words are meant
        try:
            settings = with_value(settings, key, _typed(type_of(key), value))
        except ValueError as error:
            complaints.append(f"{where}: {key}: {error}; {_shown(value_of(settings, key))} holds")
    return ReadSettings(settings=settings, complaints=tuple(complaints))


def _typed(declared: Any, value: Any) -> Any:
    """The value, if it is of the declared type: five are too few for pydantic, whose import takes 30 ms of the start.

    Raises:
        ValueError: it is of another; the message says what is meant.
    """
    if words := get_args(declared):
        if value not in words:
            *others, last = map(repr, words)
            raise ValueError(f"input should be {', '.join(others)} or {last}")
    elif declared is float:
        if type(value) not in (int, float):
            raise ValueError("input should be a valid number")
        with suppress(OverflowError):
            return float(value)  # else it is a whole number beyond all ranges, of which the caller says them
    elif type(value) is not declared:  # not isinstance: True is no number
        raise ValueError(f"input should be a valid {_NOUNS[declared]}")
    return value


def with_value(settings: Settings, key: str, value: Any) -> Settings:
    """The settings with one of them changed.

    Raises:
        ValueError: the number is out of range, or none (TOML has ``nan``).
    """
    least, most = range_of(key)
    if (least is not None and not value >= least) or (most is not None and not value <= most):
        raise ValueError(f"a number from {least:g} to {most:g} is meant")
    table, _, name = key.rpartition(".")
    if table:
        alerts: Alerts = replace(settings.alerts, **{name: value})
        return replace(settings, alerts=alerts)
    return replace(settings, **{name: value})


def write_settings(settings: Settings, path: Path) -> None:
    """Keep what differs from the defaults; comments and order of a file that is there already stay.

    Raises:
        OSError: it cannot be written; what was there before is unharmed.
        ValueError: what is there is not TOML, and would be lost.
    """
    import tomlkit  # noqa: PLC0415  # 20 ms, when something is changed
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    before = path.read_text(encoding="utf-8") if path.is_file() else _template(settings)
    try:
        document = tomlkit.parse(before)
    except TOMLKitError as error:
        raise ValueError(f"{path} is not TOML ({error}); mend or remove it first") from error
    defaults = Settings()
    for key in keys():
        table, _, name = key.rpartition(".")
        target: Any = document
        value = value_of(settings, key)
        if table:
            if value == value_of(defaults, key) and table not in document:
                continue
            target = document.setdefault(table, tomlkit.table())
            if not isinstance(target, MutableMapping):
                raise ValueError(f"{path}: {table} is no table; mend or remove it first")
        if value != value_of(defaults, key):
            target[name] = value
        elif name in target:
            del target[name]
    replace_file(path, tomlkit.dumps(document))


def _template(settings: Settings) -> str:
    """Every key with what it is for; a comment where it is the default, which holds once its mark is taken away."""
    import tomlkit  # noqa: PLC0415  # as above

    lines, table = ["# Settings of Plimsoll. What is commented out is the default."], ""
    for key in keys():  # those of a table behind all others
        of_table, _, name = key.rpartition(".")
        if of_table != table:
            lines += ["", f"[{of_table}]"]
            table = of_table
        value = value_of(settings, key)
        mark = "# " if value == value_of(Settings(), key) else ""
        lines += ["", f"# {help_of(key)}", f"{mark}{name} = {tomlkit.item(value).as_string()}"]
    return "\n".join(lines) + "\n"


def replace_file(path: Path, text: str) -> None:
    """Whole or not at all, also where the machine stops in between; a link still leads to it afterwards."""
    import tempfile  # noqa: PLC0415  # 5 ms, which reading need not pay

    path = Path(os.path.realpath(path))  # settings are often kept elsewhere, and linked to
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _nearest(key: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  # for a file with a slip in it

    names = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = get_close_matches(key, known, n=1) or [names[name] for name in get_close_matches(key, names, n=1)]
    return f"; is {near[0]} meant?" if near else ""


def _shown(value: object) -> str:
    return ascii(value)[:60]
