"""``plimsoll serve``: the app in a browser, through textual-serve, which is an extra.

Whoever reaches the page is the user who started it, without a password. So it listens on this machine alone unless told
otherwise, the app that it shows ends no process and writes no file, and a page of another site cannot speak to it:
browsers let any page open a websocket to a machine's own ports, and say in ``Origin`` which page it was.
"""

from __future__ import annotations

import argparse
import ipaddress
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.flags import UsageError, parser_of

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PORT = 8747
_TEMPLATES = Path(__file__).parent / "templates"
MISSING = 3
"""Exit status where the extra is not installed."""


def serve_parser() -> argparse.ArgumentParser:
    """What can be typed behind ``plimsoll serve``."""
    parser = parser_of(
        "plimsoll serve",
        usage="plimsoll serve [--host ADDRESS] [--port N] [MODEL and options of the app]",
        description="Shows the app in a browser. It needs textual-serve: pip install 'plimsoll-vram[serve]'.",
        epilog="There is no password: whoever reaches the address sees this machine's memory and processes.",
    )
    parser.add_argument("--host", default="localhost", metavar="ADDRESS", help="to listen on (default: localhost)")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, metavar="N", help=f"default: {DEFAULT_PORT}")
    return parser


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port; say a number from 1 to 65535")


def run_serve(words: Sequence[str]) -> int:
    """Serve until interrupted, and return the exit status."""
    given, rest = serve_parser().parse_known_args(words)
    try:
        server = _server(given.host, given.port, rest)
    except ModuleNotFoundError:
        print("plimsoll serve needs textual-serve: pip install 'plimsoll-vram[serve]'", file=sys.stderr)
        return MISSING
    if is_local(given.host):
        print(f"plimsoll is on http://{given.host}:{given.port} for this machine alone; ctrl+c ends it", flush=True)
    else:
        print(
            f"plimsoll is on http://{given.host}:{given.port} WITHOUT A PASSWORD: whoever reaches that address sees "
            "this machine's memory and processes; ctrl+c ends it",
            file=sys.stderr,
        )
    try:
        server.serve()
    except OSError as error:
        raise UsageError(f"{given.host}:{given.port} can't be listened on: {error.strerror or error}") from error
    return 0


def app_command(rest: Sequence[str]) -> str:
    """The command that shows the app, for a shell."""
    command = [sys.executable, "-m", "tui", *rest, "--read-only"]
    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)


def is_local(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_own(origin: str | None, host: str, *, is_loopback: bool) -> bool:
    """Whether a request comes from our own page.

    Args:
        origin: what the browser says of the page that asks; None where it is no browser's page.
        host: to which name the request was addressed.
        is_loopback: only this machine is served: then the name has to be one of its own, for a name that another site
            has let point here would be its own origin.
    """
    if is_loopback and not is_local(_without_port(host)):
        return False
    return origin is None or origin.partition("://")[2] == host


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _server(host: str, port: int, rest: Sequence[str]) -> Any:
    """Raises ModuleNotFoundError where textual-serve is not installed."""
    from aiohttp import web  # noqa: PLC0415  # the extra's
    from textual_serve.server import Server  # noqa: PLC0415

    class OwnServer(Server):
        """Answers our own page only, and prints nothing of its own."""

        def initialize_logging(self) -> None:
            """Requests are nobody's business."""

        async def on_startup(self, app: web.Application) -> None:
            """It was said already where the app is."""

        async def handle_index(self, request: web.Request) -> web.StreamResponse:
            _expect_own(request)
            page: web.StreamResponse = await super().handle_index(request)
            return page

        async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
            _expect_own(request)
            socket: web.WebSocketResponse = await super().handle_websocket(request)
            return socket

    def _expect_own(request: web.Request) -> None:
        if not is_own(request.headers.get("Origin"), request.host, is_loopback=is_local(host)):
            raise web.HTTPForbidden(text="plimsoll: this page is another site's")

    return OwnServer(app_command(rest), host=host, port=port, title="plimsoll", templates_path=_TEMPLATES)
