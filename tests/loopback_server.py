"""Servers on this machine's loopback that answer as recorded, or misbehave."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def serving(answers: Mapping[str, bytes]) -> Iterator[int]:
    """The port of a server that answers each path with these bytes, and others with status 404."""

    def answer(connection: socket.socket) -> None:
        path = connection.recv(65536).split(b" ")[1].decode()
        body = answers.get(path)
        status = b"200 OK" if body is not None else b"404 Not Found"
        connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body or b"")) + (body or b""))

    with misbehaving(answer) as port:
        yield port


@contextmanager
def misbehaving(answer) -> Iterator[int]:
    """The port of a server that does what it likes with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = Event()

    def run() -> None:
        while not is_over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    answer(connection)
                except OSError:
                    continue

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        is_over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
