"""What can be typed behind ``plimsoll serve``."""

import argparse
import re

from tui.parser import Parser

DEFAULT_PORT = 8747
_ADDRESS = re.compile(r"[0-9A-Za-z.:%_\[\]-]{1,255}")
"""A name, or an address of either kind: it is printed as it was typed."""


def serve_parser() -> argparse.ArgumentParser:
    """What can be typed behind ``plimsoll serve``."""
    parser = Parser(
        "plimsoll serve",
        usage="plimsoll serve [--host ADDRESS] [--port N] [MODEL and options of the app]",
        description="Shows the app in a browser. It needs textual-serve: pip install 'plimsoll-vram[serve]'.",
        epilog="There is no password: whoever reaches the address sees this machine's memory and processes.",
    )
    parser.add_argument(
        "--host", type=_address, default="localhost", metavar="ADDRESS", help="to listen on (default: localhost)"
    )
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, metavar="N", help=f"default: {DEFAULT_PORT}")
    return parser


def _address(text: str) -> str:
    if _ADDRESS.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(f"{text[:60]!r} is no address; say localhost, a name, or an IP address")


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port; say a number from 1 to 65535")
