"""What can be typed behind ``plimsoll``, read off the parsers: commands, their options, and what each option takes."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from estimator.engine import ENGINES, load_engine
from records.record import record
from tui.flags import app_parser, check_parser, doctor_parser, plan_parser, snapshot_parser
from tui.history_flags import forget_parser, history_parser
from tui.models_flags import models_parser
from tui.run_flags import run_parser
from tui.serve_flags import serve_parser
from tui.shell_flags import alias_parser, completions_parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from estimator.engine import Engine

NOTHING, ANYTHING, CHOICE, FILE, FOLDER, MODEL, COMMAND = (
    "nothing",
    "anything",
    "choice",
    "file",
    "folder",
    "model",
    "command",
)
"""What is taken."""
APP = ""
"""The name of what is typed without a command."""
_BY_METAVAR = {"FILE": FILE, "FOLDER": FOLDER, "MODEL": MODEL}


@record(frozen=True, slots=True, kw_only=True)
class Option:
    """One option, under all of its names."""

    flags: tuple[str, ...]
    takes: str
    choices: tuple[str, ...] = ()
    help: str = ""
    engine: str = ""
    """The only engine that has it; nothing where it is for all."""


@record(frozen=True, slots=True, kw_only=True)
class Words:
    """One command."""

    name: str
    help: str
    takes: str
    """Words that are no options."""
    choices: tuple[str, ...] = ()
    options: tuple[Option, ...]


def completion_table() -> tuple[Words, ...]:
    """All commands, and first what is typed without one."""
    return (
        _with_engines(APP, MODEL, "the full-screen app", app_parser),
        _with_engines("check", MODEL, "whether a load fits here now", check_parser),
        _with_engines("plan", MODEL, "known hardware that would hold a load", plan_parser),
        _words("run", COMMAND, "judge a command, then start it unchanged", run_parser()),
        _words("models", FOLDER, "what lies on this machine", models_parser()),
        _words("history", NOTHING, "loads that were watched here", history_parser()),
        _words("forget", CHOICE, "remove loads that were watched here", forget_parser(), ("all", *ENGINES)),
        _words("snapshot", NOTHING, "what is there now", snapshot_parser()),
        _words("doctor", NOTHING, "what was found here, and what is wrong", doctor_parser()),
        _words("serve", MODEL, "the app in a browser", serve_parser()),
        _words("completions", CHOICE, "a script for a shell", completions_parser()),
        _words("alias", CHOICE, "wrappers of engines for a shell", alias_parser()),
    )


def _words(name: str, takes: str, text: str, parser: argparse.ArgumentParser, offered: tuple[str, ...] = ()) -> Words:
    own = [action.choices for action in parser._actions if not action.option_strings and action.choices]
    choices = offered or tuple(own[0] if own and own[0] else ())
    return Words(name=name, help=text, takes=takes, choices=choices, options=tuple(_options(parser)))


def _with_engines(name: str, takes: str, text: str, parser_for: Callable[[Engine], argparse.ArgumentParser]) -> Words:
    """Options that all engines share once, and those of each engine marked as its own."""
    tables = {engine: {o.flags: o for o in _options(parser_for(load_engine(engine)), engine)} for engine in ENGINES}
    shared = set.intersection(*(set(table) for table in tables.values()))
    first = next(iter(tables.values()))
    alike = [_merged([table[flags] for table in tables.values()]) for flags in first if flags in shared]
    own = [
        replace(option, engine=engine)
        for engine, table in tables.items()
        for flags, option in table.items()
        if flags not in shared
    ]
    return Words(name=name, help=text, takes=takes, options=(*alike, *own))


def _merged(options: list[Option]) -> Option:
    """One that all engines have, with the choices of all."""
    return replace(options[0], choices=tuple(dict.fromkeys(each for option in options for each in option.choices)))


def _options(parser: argparse.ArgumentParser, engine: str = "llamacpp") -> Iterator[Option]:
    for action in parser._actions:
        if not action.option_strings or action.help is argparse.SUPPRESS:
            continue
        takes, choices = _takes(action, engine)
        yield Option(
            flags=tuple(action.option_strings),
            takes=takes,
            choices=choices,
            help=" ".join((action.help or "").replace("%%", "%").replace("%(default)s", "").split()),
        )


def _takes(action: argparse.Action, engine: str) -> tuple[str, tuple[str, ...]]:
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        return NOTHING, ()
    if action.choices is not None:
        return CHOICE, tuple(map(str, action.choices))
    if action.dest == "engine":
        return CHOICE, tuple(ENGINES)
    if action.dest == "kv_type":
        return CHOICE, tuple(load_engine(engine).KV_TYPES)
    if action.nargs == "?":
        return NOTHING, ()  # an option that may stand alone, as --wait: what follows is no value of it
    return _BY_METAVAR.get(str(action.metavar), ANYTHING), ()
