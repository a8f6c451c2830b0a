"""What can be typed for a command that is to be judged: ``plimsoll run -- COMMAND``, ``plimsoll check -- COMMAND``."""

from __future__ import annotations

import argparse
import re
from math import inf

from tui.flags import shared_parser
from tui.parser import Parser

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

_VALUED = frozenset({"--simulate", "--replay", "--interval"})
"""Options before the command that take a word of their own."""
_DURATION = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)([smh]?)")
_UNIT_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """(our own options, the command): the command begins behind ``--``, or with the first word that is no option."""
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            return list(words[:position]), list(words[position + 1 :])
        if not word.startswith("-"):
            break
        is_timed = word == "--wait" and _DURATION.fullmatch("".join(words[position + 1 : position + 2]).lower())
        position += 2 if word in _VALUED or is_timed else 1
    return list(words[:position]), list(words[position:])


def run_parser() -> argparse.ArgumentParser:
    """Of what stands before the command to start."""
    parser = Parser(
        "plimsoll run",
        parents=[shared_parser()],
        conflict_handler="resolve",
        usage="plimsoll run [options] -- COMMAND...",
        description="Judges what a command would load into the memory that is free now, and starts it unchanged. One "
        "that has no room is asked about on a terminal, and refused without one; one that leaves it to its engine how "
        "many layers go to the GPU is started, and it is said how much slower it will be.",
        epilog="exit status: the command's own once it is started; 1 refused, 2 wrong use, 3 can't be judged "
        "(--strict), 126 and 127 as shells have it.",
    )
    guard = parser.add_argument_group("guard")
    guard.add_argument(
        "--wait",
        dest="wait_seconds",
        nargs="?",
        type=_duration,
        const=inf,
        default=None,
        metavar="TIME",
        help="hold it until there is room, or so long: --wait 90s, --wait 10m",
    )
    guard.add_argument(
        "--strict", dest="is_strict", action="store_true", help="refuse what is tight, spills, or can't be judged"
    )
    guard.add_argument("--yes", "-y", dest="is_agreed", action="store_true", help="start it whatever is found out")
    guard.add_argument("--quiet", "-q", dest="is_quiet", action="store_true", help="say nothing of what fits")
    return parser


def command_check_parser() -> argparse.ArgumentParser:
    """Of what stands between ``check`` and a command."""
    parser = Parser(
        "plimsoll check",
        parents=[shared_parser()],
        conflict_handler="resolve",
        usage="plimsoll check [options] -- COMMAND...",
        description="Judges what a command would load, and starts nothing.",
        epilog="exit status: 0 it runs as asked: it fits, is tight, or starts and is slower, since it leaves it to its "
        "engine how many layers go to the GPU; also a command that loads nothing; 1 it does not, or its engine refuses "
        "it; 2 wrong use, or no model that can be read; 3 can't be judged, or is loaded on another machine.",
    )
    report = parser.add_argument_group("report")
    report.add_argument("--json", dest="is_json", action="store_true", help="JSON of schema 1, bytes as whole numbers")
    report.add_argument("--explain", dest="is_explained", action="store_true", help="every term, and where it is from")
    report.add_argument(
        "--strict", dest="is_strict", action="store_true", help="exit status 1 where it is tight, or spills"
    )
    return parser


def _duration(text: str) -> float:
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; say seconds, or as in 90s, 10m, 2h")
    return float(found[1]) * _UNIT_SECONDS[found[2]]
