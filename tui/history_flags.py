"""What can be typed behind ``plimsoll history`` and ``plimsoll forget``."""

import argparse

from tui.parser import Parser

SHOWN_LOADS = 20
"""Unless told otherwise: with its head and its sum, the table is in one look."""
_EPILOG = "exit status: 0; 2 wrong use; 3 where what is kept cannot be read or written, or a newer plimsoll keeps it."


def history_parser() -> argparse.ArgumentParser:
    parser = Parser(
        "plimsoll history",
        usage="plimsoll history [N] [--json]",
        description="Lists the newest loads that were watched from their start to rest while the app was open: what "
        "was predicted, and what they held; and what all of them show of driver and libraries, by which later "
        "predictions are corrected where the setting calibrate is on. They are kept on this machine alone, where the "
        "setting learn is on.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "n_loads",
        nargs="?",
        type=number_of,
        default=SHOWN_LOADS,
        metavar="N",
        help=f"at most so many (default: {SHOWN_LOADS})",
    )
    parser.add_argument("--json", dest="is_json", action="store_true", help="JSON of schema 1, bytes as whole numbers")
    return parser


def forget_parser() -> argparse.ArgumentParser:
    parser = Parser(
        "plimsoll forget",
        usage="plimsoll forget [all | N | ENGINE] [--yes]",
        description="Removes loads that plimsoll history lists, and what was learned from them, after a question on a "
        "terminal.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "which", nargs="?", default="all", metavar="all | N | ENGINE", help="all, the newest N, or those of an engine"
    )
    parser.add_argument("--yes", "-y", dest="is_agreed", action="store_true", help="ask nothing")
    return parser


def number_of(text: str) -> int:
    """A number of loads."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of loads; say one from 1 on")
    return int(text)
