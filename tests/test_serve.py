"""The app in a browser: who may reach it, and that it is the app that is reached."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tui.serve import MOST_TYPED, app_command, is_drawable, is_local, is_meant, is_own
from tui.serve_flags import serve_parser
from tui.usage import UsageError

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("host", ["", "a b", "x\n", "\x1b[2J", "\u202e1.1.1.1", "a" * 256])
def test_what_is_no_address_is_not_listened_on(host: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        serve_parser().parse_known_args(["--host", host])


@pytest.mark.parametrize("host", ["0.0.0.0", "::1", "[::1]", "fe80::1%eth0", "gpu-box.lan", "my_host"])
def test_addresses_of_either_kind_and_names_are_listened_on(host: str) -> None:
    assert serve_parser().parse_known_args(["--host", host])[0].host == host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "[::1]", "127.8.9.1"])
def test_this_machine_alone_is_served_there(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_others_can_reach_what_listens_there(host: str) -> None:
    assert not is_local(host)


@pytest.mark.parametrize(
    ("origin", "host", "is_answered"),
    [
        (None, "localhost:8747", True),
        ("http://localhost:8747", "localhost:8747", True),
        ("http://127.0.0.1:8747", "127.0.0.1:8747", True),
        ("https://evil.example", "localhost:8747", False),
        ("http://localhost:9999", "localhost:8747", False),
        ("null", "localhost:8747", False),
        ("http://evil.example:8747", "evil.example:8747", False),
    ],
)
def test_another_sites_page_is_not_answered(origin: str | None, host: str, is_answered: bool) -> None:
    assert is_own(origin, host, is_loopback=True) == is_answered


def test_what_is_served_ends_no_process() -> None:
    assert app_command(["--simulate", "RTX 4090"]).endswith("-m tui --simulate 'RTX 4090' --read-only")


@pytest.mark.parametrize(
    ("columns", "rows"), [("0", "24"), ("80", "-1"), ("999999999", "24"), ("80", "501"), ("x", "²")]
)
def test_a_size_that_no_screen_has_is_not_drawn(columns: str, rows: str) -> None:
    assert is_drawable("1000", "500")
    assert not is_drawable(columns, rows)


@pytest.mark.parametrize(
    "text",
    [
        '["stdin", "q"]',
        '["stdin", "\\u00e9\\ud83d\\ude00"]',
        '["resize", {"width": 1000, "height": 500}]',
        '["ping", 7]',
        '["focus"]',
        '["blur"]',
    ],
)
def test_what_our_page_sends_is_heard(text: str) -> None:
    assert is_meant(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '{"stdin": "q"}',
        '["stdin"]',
        '["stdin", 3]',
        '["stdin", "\\ud800"]',
        '["ping"]',
        '["quit"]',
        '["resize", {"width": 80}]',
        '["resize", {"width": 1001, "height": 24}]',
        '["resize", {"width": -1, "height": 24}]',
        '["resize", {"width": true, "height": 24}]',
        '["resize", {"width": 1e308, "height": 24}]',
        f'["resize", {{"width": {"9" * 5000}, "height": 24}}]',
        "[" * 50_000,
        json.dumps(["stdin", "x" * MOST_TYPED]),
    ],
    ids=lambda text: text[:40],
)
def test_what_it_would_not_send_is_passed_over(text: str) -> None:
    assert not is_meant(text)


@pytest.fixture
def served() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tui", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--simulate", "RTX 4090"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        server.stdout.readline()
        yield f"127.0.0.1:{port}"
        server.terminate()
        assert server.stderr.read() == b"", "no traceback, whatever was sent"


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def page_of(client: aiohttp.ClientSession, address: str) -> str:
    """Once the server listens."""
    for _ in range(500):
        try:
            async with client.get(f"http://{address}/") as answer:
                return await answer.text()
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.02)
    raise AssertionError("nobody listens")


async def test_the_app_is_shown_in_a_page_that_fetches_nothing_from_elsewhere(
    served: str, client: aiohttp.ClientSession
) -> None:
    page = await page_of(client, served)
    assert f"ws://{served}/ws" in page
    assert "https://" not in page

    async with client.ws_connect(f"ws://{served}/ws?width=100&height=30") as app:
        shown = b""
        while b"RTX 4090" not in shown:
            message = await app.receive(timeout=30)
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
            shown += message.data if isinstance(message.data, bytes) else message.data.encode()
        for nonsense in ("{", "[]", '["stdin", "\\ud800"]', '["resize", {"width": 99999, "height": 99999}]'):
            await app.send_str(nonsense)
        await app.send_str(json.dumps(["ping", "still there"]))
        while (message := await app.receive(timeout=30)).data != '["pong", "still there"]':
            assert message.type == aiohttp.WSMsgType.BINARY, message
        await app.send_str(json.dumps(["stdin", "q"]))


async def test_a_page_of_another_site_cannot_speak_to_it(served: str, client: aiohttp.ClientSession) -> None:
    await page_of(client, served)

    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect(f"ws://{served}/ws", origin="https://evil.example")
    assert refused.value.status == 403


@pytest.mark.parametrize("query", ["?width=999999999&height=24", ""])
async def test_what_is_no_page_of_ours_is_a_bad_request(served: str, client: aiohttp.ClientSession, query: str) -> None:
    await page_of(client, served)

    async with client.get(f"http://{served}/ws{query}") as answer:
        assert answer.status == 400
