"""One question to a server on this machine, which may be anything: bounded in time and in bytes, and never off it."""

import io
import socket
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from typing import cast

HOSTS = ("127.0.0.1", "::1")
"""Where a question may go; names are not looked up, since a hosts file may say anything."""
DEADLINE_SECONDS = 1.0
"""For all of an answer; an engine under load answers its metrics in some milliseconds."""
MOST_BYTES = 2 * 1024**2
"""vLLM's metrics of a long run have some 100 KiB (ASSUMED)."""


class NoAnswer(OSError):  # noqa: N818
    """Nothing that could be used; the message says why."""


def ask(
    port: int,
    path: str,
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> bytes:
    """The body of the answer to ``GET path``. Nothing is followed, nothing secret is sent.

    Raises:
        NoAnswer: none in time, none of status 200, or too long to be one.
    """
    end = clock() + deadline_seconds
    failure = "nothing answers"
    for host in HOSTS:
        try:
            with socket.create_connection((host, port), timeout=deadline_seconds) as connection:
                # 1.0, so that the server closes behind its answer and sends it in one piece.
                connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost:{port}\r\nAccept: */*\r\n\r\n".encode())
                return _body(_everything(connection, end, clock))
        except NoAnswer:
            raise
        except TimeoutError as error:
            raise NoAnswer(f"port {port} gives no answer within {deadline_seconds:g} s") from error
        except OSError as error:
            failure = error.strerror or str(error)
    raise NoAnswer(f"port {port}: {failure}")


def _everything(connection: socket.socket, end: float, clock: Callable[[], float]) -> bytes:
    parts: list[bytes] = []
    n_bytes = 0
    while True:
        left = end - clock()
        if left <= 0:
            raise NoAnswer("it answers too slowly")
        connection.settimeout(left)
        part = connection.recv(65536)
        if not part:
            return b"".join(parts)
        parts.append(part)
        n_bytes += len(part)
        if n_bytes > MOST_BYTES:
            raise NoAnswer(f"its answer is longer than {MOST_BYTES >> 20} MiB")


class _Received:
    """What has been received, in the shape in which the library reads a socket."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, *_: object, **__: object) -> io.BytesIO:
        return io.BytesIO(self._content)


def _body(content: bytes) -> bytes:
    response = HTTPResponse(cast("socket.socket", _Received(content)))
    try:
        response.begin()
        if response.status != 200:
            raise NoAnswer(f"it answers with status {response.status}")
        return response.read()
    except (HTTPException, ValueError, OSError) as error:
        if isinstance(error, NoAnswer):
            raise
        raise NoAnswer("it speaks no HTTP") from error
