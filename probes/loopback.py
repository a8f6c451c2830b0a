"""One question to a server on this machine, which may be anything: bounded in time and in bytes, and never off it."""

import re
import socket
import time
from collections.abc import Callable

HOSTS = ("127.0.0.1", "::1")
"""Where a question may go; names are not looked up, since a hosts file may say anything."""
DEADLINE_SECONDS = 1.0
"""For all of an answer; an engine under load answers its metrics in some milliseconds."""
MOST_BYTES = 2 * 1024**2
"""vLLM's metrics of a long run have some 100 KiB (ASSUMED)."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?")
_CHUNKED = re.compile(rb"transfer-encoding:[ \t]*chunked[ \t]*", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length:[ \t]*(\d{1,9})[ \t]*", re.IGNORECASE)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,7})[ \t]*(?:;[^\r\n]*)?")
"""Of a chunk (RFC 9112, 7.1)."""


class NoAnswer(OSError):
    """Nothing that could be used; the message says why."""


class Unavailable(NoAnswer):
    """It answers, and with status 503 (RFC 9110, 15.6.4): who still loads says so."""

    def __init__(self, body: bytes) -> None:
        super().__init__("it answers with status 503")
        self.body = body


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


def _body(content: bytes) -> bytes:
    """Of a whole answer (RFC 9112). By hand: the library's http.client takes 2 MiB of the app's memory."""
    head, blank, body = content.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(lines[0])
    if status is None or not blank:
        raise NoAnswer("it speaks no HTTP")
    if status[1] == b"503":
        raise Unavailable(body)
    if status[1] != b"200":
        raise NoAnswer(f"it answers with status {status[1].decode()}")
    if any(_CHUNKED.fullmatch(line) for line in lines[1:]):
        return _joined(body)
    length = next((int(found[1]) for line in lines[1:] if (found := _LENGTH.fullmatch(line))), len(body))
    if length > len(body):
        raise NoAnswer("its answer is cut short")
    return body[:length]


def _joined(body: bytes) -> bytes:
    """Chunks, which a server may send whatever it was asked."""
    parts: list[bytes] = []
    while True:
        line, end, body = body.partition(b"\r\n")
        size = _SIZE.fullmatch(line)
        if size is None or not end:
            raise NoAnswer("its answer is cut short")
        n_bytes = int(size[1], 16)
        if not n_bytes:
            return b"".join(parts)
        if len(body) < n_bytes + 2:
            raise NoAnswer("its answer is cut short")
        parts.append(body[:n_bytes])
        body = body[n_bytes + 2 :]
