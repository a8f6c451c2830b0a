"""``plimsoll serve``: the app in a browser, through textual-serve, which is an extra.

Whoever reaches the page is the user who started it, without a password. So it listens on this machine alone unless told
otherwise, the app that it shows ends no process and writes no file, and a page of another site cannot speak to it:
browsers let any page open a websocket to a machine's own ports, and say in ``Origin`` which page it was.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tui.serve_flags import serve_parser
from tui.usage import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from aiohttp import WSMessage, web

MOST_COLUMNS, MOST_ROWS = 1000, 500
"""A page may ask for any size; twice that of the largest screens that people have is drawn, and no more."""
MOST_TYPED = 65_536
"""Characters of one message: what is pasted at once; a page's message of any other kind is far shorter."""
SHUTDOWN_SECONDS = 3.0
_TEMPLATES = Path(__file__).parent / "templates"
MISSING = 3
"""Exit status where the extra is not installed."""


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
    return subprocess.list2cmdline(command) if sys.platform == "win32" else f"exec {shlex.join(command)}"


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


def is_drawable(columns: str, rows: str) -> bool:
    """Whether a page asks for a size that a screen can have; both as it says them."""
    return all(
        text.isascii() and text.isdigit() and len(text) <= 4 and 0 < int(text) <= most
        for text, most in ((columns, MOST_COLUMNS), (rows, MOST_ROWS))
    )


def is_meant(text: str) -> bool:
    """Whether a message is one of those that our page sends: keys, another size, or that it is still there."""
    if len(text) > MOST_TYPED:
        return False
    try:
        message = json.loads(text)
        text.encode()
        match message:
            case ["stdin", str(typed)]:
                return bool(typed.encode())
            case ["resize", {"width": int(width), "height": int(height)}]:
                return is_drawable(str(width), str(height))
            case ["ping", *_]:
                return len(message) == 2
            case ["blur" | "focus", *_]:
                return True
    except (ValueError, RecursionError):  # no JSON, or half a surrogate
        pass
    return False


class _OwnMessages:
    """A page's socket as textual-serve reads it: what our page would not send is passed over."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self.send_json = socket.send_json

    async def __aiter__(self) -> AsyncIterator[WSMessage]:
        async for message in self._socket:
            if isinstance(message.data, str) and is_meant(message.data):
                yield message


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _expect_page(request: web.Request) -> None:
    """Raises HTTPBadRequest for what our page would not ask."""
    from aiohttp import web  # noqa: PLC0415  # the extra's

    if not web.WebSocketResponse().can_prepare(request).ok:
        raise web.HTTPBadRequest(text="plimsoll: a websocket is meant")
    if not is_drawable(request.query.get("width", "80"), request.query.get("height", "24")):
        raise web.HTTPBadRequest(text=f"plimsoll: up to {MOST_COLUMNS} columns and {MOST_ROWS} rows are drawn")


@contextmanager
def _noted(pages: dict[asyncio.Task[object], web.Request], request: web.Request) -> Iterator[None]:
    """While a page is open."""
    task = asyncio.current_task()
    assert task is not None
    pages[task] = request
    try:
        yield
    finally:
        del pages[task]


async def _end_all(pages: dict[asyncio.Task[object], web.Request]) -> None:
    """As if every page had been closed; one that is asked whether it may be closed may not answer."""
    for request in tuple(pages.values()):
        if request.transport is not None:
            request.transport.abort()
    if pages:
        await asyncio.wait(tuple(pages), timeout=SHUTDOWN_SECONDS)


async def _ended(app: Any) -> None:
    """Once the process of an app (textual-serve's AppService) is gone.

    textual-serve waits until it says nothing more; were the loop closed before the process is reaped, Python 3.12 and
    newer would print a traceback.
    """
    process: asyncio.subprocess.Process | None = getattr(app, "_process", None)
    if process is not None:
        await process.wait()


def _server(host: str, port: int, rest: Sequence[str]) -> Any:
    """Raises ModuleNotFoundError where textual-serve is not installed."""
    from aiohttp import web  # noqa: PLC0415  # the extra's
    from textual_serve.server import Server  # noqa: PLC0415

    pages: dict[asyncio.Task[object], web.Request] = {}
    """Those that are open, by what answers them."""
    shown: dict[asyncio.Task[object] | None, Any] = {}
    """The app that each shows."""

    class OwnServer(Server):
        """Answers our own page only, and prints nothing of its own."""

        def initialize_logging(self) -> None:
            """Requests are nobody's business, and what a stranger sends is no reason for a traceback."""
            for name in ("textual-serve", "aiohttp.server", "aiohttp.websocket"):
                logger = logging.getLogger(name)
                logger.addHandler(logging.NullHandler())
                logger.propagate = False

        async def on_startup(self, app: web.Application) -> None:
            """It was said already where the app is."""

        async def on_shutdown(self, app: web.Application) -> None:  # noqa: ARG002  # textual-serve's signature
            """End every app that is shown: who serves would else wait a minute for pages to be closed."""
            await _end_all(pages)

        async def handle_index(self, request: web.Request) -> web.StreamResponse:
            _expect_own(request)
            page: web.StreamResponse = await super().handle_index(request)
            return page

        async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
            _expect_own(request)
            _expect_page(request)
            with _noted(pages, request):
                try:
                    socket: web.WebSocketResponse = await super().handle_websocket(request)
                finally:
                    await _ended(shown.pop(asyncio.current_task(), None))
            return socket

        async def _process_messages(self, websocket: web.WebSocketResponse, app_service: Any) -> None:
            shown[asyncio.current_task()] = app_service
            await super()._process_messages(cast("web.WebSocketResponse", _OwnMessages(websocket)), app_service)

    def _expect_own(request: web.Request) -> None:
        if not is_own(request.headers.get("Origin"), request.host, is_loopback=is_local(host)):
            raise web.HTTPForbidden(text="plimsoll: this page is another site's")

    return OwnServer(app_command(rest), host=host, port=port, title="plimsoll", templates_path=_TEMPLATES)
