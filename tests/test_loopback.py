"""A question to a server on this machine ends in time and within bounds, whatever the server does."""

import socket
import time
from itertools import count

import pytest
from loopback_server import misbehaving, serving

from probes.loopback import MOST_BYTES, NoAnswer, ask


def test_the_body_of_an_answer_is_given():
    with serving({"/props": b'{"a": 1}'}) as port:
        assert ask(port, "/props") == b'{"a": 1}'


def test_the_question_goes_without_cookies_and_keys():
    seen = []

    def answer(connection):
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nx")

    with misbehaving(answer) as port:
        ask(port, "/x")
        assert seen == [f"GET /x HTTP/1.0\r\nHost: localhost:{port}\r\nAccept: */*\r\n\r\n".encode()]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "status 401"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://example.org/\r\n\r\n", "status 302"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP"),
        (b"", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", "cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal", "cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhal", "cut short"),
        (b"\x00" * 100_000, "no HTTP"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(sent, said):
    def answer(connection):
        connection.recv(65536)
        connection.sendall(sent)

    with misbehaving(answer) as port, pytest.raises(NoAnswer, match=said):
        ask(port, "/x")


def test_an_answer_in_chunks_is_joined():
    def answer(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")

    with misbehaving(answer) as port:
        assert ask(port, "/x") == b"abcde"


def test_a_server_that_hangs_is_left_in_time():
    def answer(connection):
        connection.recv(65536)
        connection.recv(65536)  # returns once the other side has left

    with misbehaving(answer) as port, pytest.raises(NoAnswer, match=r"no answer within 0\.05 s"):
        ask(port, "/x", deadline_seconds=0.05)


def test_a_server_that_drips_is_left_in_time():
    ticks = count()

    def answer(connection):
        connection.recv(65536)
        while True:
            connection.sendall(b"H")

    with misbehaving(answer) as port, pytest.raises(NoAnswer, match="too slowly"):
        ask(port, "/x", deadline_seconds=5, clock=lambda: float(next(ticks)))


def test_a_hundred_megabytes_are_not_read():
    sent = []

    def answer(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"x" * 1_000_000)
            sent.append(1)

    with misbehaving(answer) as port, pytest.raises(NoAnswer, match="longer than"):
        ask(port, "/x", deadline_seconds=20)
    assert len(sent) * 1_000_000 < MOST_BYTES + 16_000_000, "what the kernel buffers, and no more"


def test_where_nothing_listens_that_is_said():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=f"port {port}"):
        ask(port, "/x")
    assert time.monotonic() - began < 5
