"""Opens ``plimsoll serve`` in a real headless Chromium: how long until it is drawn, a picture, and what y copies.

python bench/browser.py --picture FILE.png [--chromium PROGRAM] [arguments of the app]
"""

import argparse
import asyncio
import base64
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[1]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_SECONDS, COPY_SECONDS = 30.0, 5.0
LEAST_COLOURS = 200
"""Of a picture with text and bars in it, in samples of its pixels; an empty page has one."""
COUNT_COLOURS = """(async () => {
  const seen = new Set();
  for (const canvas of document.querySelectorAll('canvas')) {
    const copy = document.createElement('canvas');
    copy.width = canvas.width; copy.height = canvas.height;
    const context = copy.getContext('2d');
    context.drawImage(canvas, 0, 0);
    const pixels = context.getImageData(0, 0, copy.width, copy.height).data;
    for (let i = 0; i < pixels.length; i += 4) seen.add((pixels[i] << 16) | (pixels[i + 1] << 8) | pixels[i + 2]);
  }
  return seen.size;
})()"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Page:
    """One page of the browser, over its debugging protocol."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._connection = connection
        self._n_calls = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._n_calls += 1
        await self._connection.send_json({"id": self._n_calls, "method": method, "params": parameters})
        async for message in self._connection:
            answer = json.loads(message.data)
            if answer.get("id") == self._n_calls:
                return dict(answer.get("result", {}))
        raise RuntimeError("the browser is gone")

    async def evaluate(self, expression: str) -> Any:
        found = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return found.get("result", {}).get("value")


async def copied(page: Page, url: str) -> str:
    """What the key y leaves in the browser's clipboard."""
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    await page.call("Browser.grantPermissions", origin=url.rstrip("/"), permissions=permissions)
    await page.call("Page.bringToFront")
    await page.evaluate("navigator.clipboard.writeText('')")
    await page.call("Input.dispatchKeyEvent", type="keyDown", text="y", key="y", code="KeyY", windowsVirtualKeyCode=89)
    await page.call("Input.dispatchKeyEvent", type="keyUp", key="y", code="KeyY", windowsVirtualKeyCode=89)
    end = time.monotonic() + COPY_SECONDS
    while not (text := await page.evaluate("navigator.clipboard.readText()")) and time.monotonic() < end:
        await asyncio.sleep(0.1)
    return str(text or "")


async def look(debug_port: int, url: str, picture: Path) -> tuple[float, str]:
    """Seconds from opening the address to a drawn screen, and what y has copied."""
    async with aiohttp.ClientSession() as session:
        began = time.monotonic()
        while True:
            try:
                async with session.put(f"http://127.0.0.1:{debug_port}/json/new?{url}") as answer:
                    target = await answer.json()
                    break
            except aiohttp.ClientConnectionError:
                if time.monotonic() - began > PATIENCE_SECONDS:
                    raise
                await asyncio.sleep(0.05)
        opened = time.monotonic()
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as connection:
            page = Page(connection)
            while (n_colours := await page.evaluate(COUNT_COLOURS) or 0) < LEAST_COLOURS:
                if time.monotonic() - opened > PATIENCE_SECONDS:
                    raise SystemExit(f"not drawn within {PATIENCE_SECONDS:g} s: {n_colours} colours")
                await asyncio.sleep(0.05)
            drawn_seconds = time.monotonic() - opened
            await asyncio.sleep(2.0)
            shot = await page.call("Page.captureScreenshot", format="png")
            picture.write_bytes(base64.b64decode(shot["data"]))
            text = await copied(page, url)
    return drawn_seconds, text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--chromium", default=next((name for name in PROGRAMS if shutil.which(name)), None))
    given, rest = parser.parse_known_args()
    if given.chromium is None:
        raise SystemExit(f"no Chromium is on the path ({', '.join(PROGRAMS)})")
    port, debug_port = free_port(), free_port()
    server = [sys.executable, "-m", "tui", "serve", "--host", "127.0.0.1", "--port", str(port), *rest]
    with tempfile.TemporaryDirectory() as profile:
        browser = [given.chromium, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1300,800",
                   f"--user-data-dir={profile}", f"--remote-debugging-port={debug_port}", "about:blank"]  # fmt: skip
        with (
            subprocess.Popen(server, cwd=ROOT, stdout=subprocess.DEVNULL) as serving,
            subprocess.Popen(browser, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browsing,
        ):
            try:
                seconds, text = asyncio.run(look(debug_port, f"http://127.0.0.1:{port}/", given.picture))
                print(f"drawn {seconds:.2f} s after the address was opened; {given.picture} shows it")
                print(f"y has copied: {text}" if text else "y has copied nothing")
            finally:
                browsing.kill()
                serving.terminate()


if __name__ == "__main__":
    main()
