"""plimsoll run with a real llama.cpp on the CPU: what passes through, what is refused, and what is held.

    python bench/guard.py LLAMA_SERVER MODEL.gguf [--context 2048]

The model may be a header with a hole for its weights: what is held is read after the engine's own warm-up. Prints a
line for each claim; exit status 1 where one does not hold. Linux only; control groups where this user may make them.
Standard library only.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLIMSOLL = [sys.executable, "-c", "import sys; from tui.cli import main; sys.exit(main())"]
CLOSE_RATIO = 0.05
START_SECONDS = 120.0
MIB = 1 << 20


class Claims:
    """What was claimed, and whether it holds."""

    def __init__(self) -> None:
        self.n_broken = 0

    def say(self, text: str, *, holds: bool, detail: str = "") -> None:
        self.n_broken += not holds
        print(f"{'holds' if holds else 'BROKEN':<7} {text}{f'   {detail}' if detail else ''}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(
    words: Sequence[str], options: Sequence[str] = (), group: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    def join() -> None:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    return subprocess.run(
        [*PLIMSOLL, "run", *options, "--", *words],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=join,  # one thread only
    )


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


@contextmanager
def served(words: Sequence[str], port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The engine behind plimsoll run, once it answers."""
    process = subprocess.Popen(
        [*PLIMSOLL, "run", "--", *words], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + START_SECONDS
        while not is_ready(port) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def resident_bytes(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines if line.startswith(("Rss", "VmRSS")))
    return {name: int(value.split()[0]) * 1024 for name, value in found.items()}


def predicted_bytes(words: Sequence[str]) -> int:
    ended = subprocess.run(
        [*PLIMSOLL, "check", "--json", "--", *words], env=environment(), capture_output=True, text=True, check=False
    )
    places = json.loads(ended.stdout)["places"]
    return int(next(place["load_bytes"] for place in places if place["name"] == "RAM"))


@contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path | None]:
    """A control group of so much RAM; None where this user may make none."""
    folder = None
    for parent, name in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        candidate = parent / f"plimsoll-bench-{os.getpid()}"
        try:
            candidate.mkdir()
            (candidate / name).write_text(str(limit_bytes))
            folder = candidate
            break
        except OSError:
            if candidate.exists():
                candidate.rmdir()
    try:
        yield folder
    finally:
        if folder is not None:
            folder.rmdir()


def passes_through(claims: Claims, server: str) -> None:
    for words in ([server, "--version"], [server, "--no-such-option"], [server, "-m", "/no/such.gguf"]):
        plain = subprocess.run(words, capture_output=True, text=True, check=False)
        ours = run(words, ["--yes"])
        claims.say(
            f"status of {' '.join(words[1:])}",
            holds=ours.returncode == plain.returncode,
            detail=f"{ours.returncode}, without plimsoll {plain.returncode}",
        )
    claims.say(
        "output of --version",
        holds=run([server, "--version"]).stdout
        == subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout,
    )


def signals(claims: Claims, words: list[str], port: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        with served(words, port) as process:
            name = Path(f"/proc/{process.pid}/comm").read_text().strip()
            process.send_signal(number)
            status = process.wait(30)
        plain = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + START_SECONDS
        while not is_ready(port) and time.monotonic() < end:
            time.sleep(0.2)
        plain.send_signal(number)
        expected = plain.wait(30)
        claims.say(
            f"{number.name} reaches {name}, and its status is the engine's",
            holds=status == expected,
            detail=f"{status}, without plimsoll {expected}",
        )


def refusals(claims: Claims, words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        marker, wrapper = Path(folder) / "started", Path(folder) / "llama-server"
        wrapper.write_text(f'#!/bin/sh\ntouch "{marker}"\nexec "{words[0]}" "$@"\n')
        wrapper.chmod(0o755)
        marked = [str(wrapper), *words[1:]]
        limit_bytes = predicted_bytes(words) // 2
        ended = run(marked, ["--simulate", f"RAM {limit_bytes // MIB}MiB"])
        claims.say(
            "beyond a simulated limit: status 1, nothing started",
            holds=ended.returncode == 1 and not marker.exists(),
            detail=ended.stderr.splitlines()[0] if ended.stderr else "",
        )
        with memory_group(limit_bytes) as group:
            if group is None:
                print("skipped a control group: this user may make none")
                return
            ended = run(marked, group=group)
        claims.say(
            "beyond a control group's limit: status 1, nothing started",
            holds=ended.returncode == 1 and not marker.exists(),
            detail=ended.stderr.splitlines()[0] if ended.stderr else "",
        )


def held(claims: Claims, words: list[str], port: int) -> None:
    predicted = predicted_bytes(words)
    with served(words, port) as process:
        rss = resident_bytes(process.pid)
    ratio = rss["VmRSS"] / predicted - 1
    claims.say(
        f"held agrees with what was predicted within {CLOSE_RATIO:.0%}",
        holds=abs(ratio) <= CLOSE_RATIO,
        detail=f"{rss['VmRSS'] / MIB:.0f} MiB held ({rss['RssFile'] / MIB:.0f} of files), "
        f"{predicted / MIB:.0f} predicted, {ratio:+.1%}",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("model", nargs="+")
    parser.add_argument("--context", type=int, default=2048)
    given = parser.parse_args()
    claims = Claims()
    passes_through(claims, given.server)
    for number, model in enumerate(given.model):
        port = free_port()
        words = [given.server, "-m", model, "-c", str(given.context), "-np", "1", "--port", str(port)]
        print(model)
        if not number:
            signals(claims, words, port)
            refusals(claims, words)
        held(claims, words, port)
    return int(claims.n_broken > 0)


if __name__ == "__main__":
    sys.exit(main())
