"""What a launch meets on a real NVIDIA GPU: the guard before it, the app while it loads, the store after it.

    python bench/real_launches.py LLAMA_SERVER FILE... [--context 8192] [--leave 6] [--wait 6]

Four claims, a line for each; exit status 1 where one does not hold.

* ``plimsoll run`` refuses the first FILE with status 1, and nothing has started, while another program holds all but
  so many GiB (``--leave``); with ``--wait`` it starts once that program is gone, and its status is the engine's.
* With the app open, the largest FILE is loaded by hand, where its weights have room and its cache has half of what it
  needs: that is warned of before the engine ends. (llama.cpp takes its buffer for weights before it reads them, so one
  whose weights have no room ends within the second, before any reading: there, only the guard helps.)
* With the app open, all FILEs are loaded one beside the other, and asked once; each is kept in the store with what was
  predicted and what it held, and what is held lies in the band. (A load rests for 20 s before it is kept.)
* What the loads show of driver and libraries is told, as ``plimsoll history`` prints it.

The app is Plimsoll's own on a pty, with a home of its own. Plain memory is allocated, and no setting of the card is
changed.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from guard import PLIMSOLL, Claims, free_port, is_ready
from llama_run import MIB, Driver, Server
from screen import ESCAPES, Terminal

ROOT = Path(__file__).parent.parent
GIB = 1 << 30
REST_SECONDS = 45.0
"""``tui.watched.REST_SECONDS``, what a store is written in, and a request before."""
WARNED = (b"willneed", b"willnotfit")


@contextmanager
def all_held_but(leave_bytes: int) -> "Iterator[subprocess.Popen[str]]":
    """Another program holds all but so much, until its input ends."""
    command = [sys.executable, str(ROOT / "bench/hold_gpu_memory.py"), str(leave_bytes), "--leave"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield holder
        finally:
            holder.stdin.close()


@contextmanager
def app(env: dict[str, str]) -> Iterator[Terminal]:
    """Open and past its first reading."""
    terminal = Terminal([sys.executable, "-m", "tui"], env)
    try:
        watch(terminal, 3.0)
        yield terminal
    finally:
        terminal.write(b"q")
        end = time.monotonic() + 5
        while terminal.read(0.2) and time.monotonic() < end:
            pass
        terminal.end()


def watch(terminal: Terminal, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not terminal.read(min(0.2, left)):
            sys.exit("the app has ended")


def options_of(file: Path, context: int) -> list[str]:
    options = ["-c", str(context), "-ngl", "99", "--fit", "off", "-np", "1", "--cache-ram", "0"]
    return ["-m", str(file), *options]


def started(words: Sequence[str], env: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def guard(claims: Claims, words: list[str], port: int, leave_bytes: int, seconds: float, env: dict[str, str]) -> None:
    with all_held_but(leave_bytes):
        begun = time.monotonic()
        ended = subprocess.run(
            [*PLIMSOLL, "run", "--", *words], env=env, capture_output=True, text=True, check=False, timeout=60
        )
        taken = time.monotonic() - begun
    print(ended.stderr.strip())
    claims.say("refused with status 1, nothing started", holds=ended.returncode == 1, detail=f"{taken:.2f} s")
    with all_held_but(leave_bytes) as holder:
        process = started([*PLIMSOLL, "run", "--wait", "60s", "--", *words], env)
        with socket.socket() as probe:
            time.sleep(seconds)
            has_waited = process.poll() is None and probe.connect_ex(("127.0.0.1", port)) != 0
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait(10)
        begun = time.monotonic()
        while not is_ready(port) and process.poll() is None and time.monotonic() < begun + 60:
            time.sleep(0.1)
        taken = time.monotonic() - begun
        is_up = is_ready(port)
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)
    claims.say(f"--wait holds it for {seconds:g} s", holds=has_waited)
    claims.say(
        "and starts it once there is room; status is the engine's",
        holds=is_up and status == 0,
        detail=f"answers {taken:.1f} s after, status {status}",
    )


def room_for_half_a_cache(words: list[str], env: dict[str, str]) -> tuple[int, int]:
    """(bytes where the weights have room and the cache has not, what the load needs), of the first device."""
    told = subprocess.run(
        [*PLIMSOLL, "check", "--json", "--", *words], env=env, capture_output=True, text=True, check=False
    )
    terms = [term for term in json.loads(told.stdout)["estimate"]["terms"] if term["place"] == "GPU 0"]
    early = sum(term["bytes"] for term in terms if term["kind"] in ("weights", "runtime"))
    return early + sum(term["bytes"] for term in terms if term["kind"] == "kv_cache") // 2, sum(
        t["bytes"] for t in terms
    )


def warned(claims: Claims, words: list[str], driver: Driver, env: dict[str, str]) -> None:
    """The launch by hand, with the app open: its weights have room, and are read; its cache has none."""
    leave_bytes, need_bytes = room_for_half_a_cache(words, env)
    with all_held_but(leave_bytes), app(env) as terminal:
        begun, process = time.monotonic(), started(words, env)
        at, held, ended, most = None, 0, None, 0
        while time.monotonic() < begun + 60:
            terminal.read(0.05)
            most = max(most, driver.held_bytes(process.pid) or 0)
            if at is None and any(text in ESCAPES.sub(b"", terminal.painted) for text in WARNED):
                at, held = time.monotonic() - begun, driver.held_bytes(process.pid) or 0
            if ended is None and process.poll() is not None:
                ended = time.monotonic() - begun
            if ended is not None and (at is not None or time.monotonic() > begun + ended + 3):
                break
        if process.poll() is None:
            process.kill()
        process.wait()
    outcome = "never ended" if ended is None else f"ended after {ended:.1f} s with {process.returncode}"
    said = "never" if at is None else f"after {at:.1f} s, {held / MIB:.0f} MiB held"
    claims.say(
        "warned of before it ends",
        holds=at is not None and (ended is None or at < ended),
        detail=f"warned {said}; the engine {outcome}, most held {most / MIB:.0f} of {need_bytes / MIB:.0f} MiB",
    )


def kept(claims: Claims, server: str, files: Sequence[Path], context: int, env: dict[str, str]) -> None:
    """All beside each other, with the app open, and what the store says of them then."""
    servers: list[Server] = []
    with app(env) as terminal, open(os.devnull, "w", encoding="utf-8") as log:
        try:
            for file in files:
                servers.append(Server(Path(server), options_of(file, context), log, env))
                end = time.monotonic() + 60
                while not servers[-1].is_up() and servers[-1].process.poll() is None and time.monotonic() < end:
                    terminal.read(0.1)
                has_answered = servers[-1].ask(min(600, context // 2), 60.0)
                print(f"{file.name}: {'answered' if has_answered else 'did not answer'}")
            watch(terminal, REST_SECONDS)
        finally:
            for one in servers:
                one.leave()
    told = subprocess.run([*PLIMSOLL, "history", "--json"], env=env, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(told.stdout or "{}")
    loads = found.get("loads", [])
    claims.say("each load is kept", holds=len(loads) == len(files), detail=f"{len(loads)} of {len(files)}")
    for load in loads:
        for place in load["places"]:
            held, low, high = place["held_bytes"], place["low_bytes"], place["high_bytes"]
            claims.say(
                f"{load['model']} {load['quant']} on {place['name']} holds what its band says",
                holds=low <= held <= high,
                detail=f"{held / MIB:.0f} of {low / MIB:.0f} to {high / MIB:.0f} MiB, "
                f"predicted {place['predicted_bytes'] / MIB:.0f} ({held / place['predicted_bytes'] - 1:+.2%})",
            )
    print(subprocess.run([*PLIMSOLL, "history"], env=env, capture_output=True, text=True, check=False).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("server")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--context", type=int, default=8192)
    parser.add_argument("--leave", type=float, default=4.0, help="GiB that another program leaves free")
    parser.add_argument("--wait", type=float, default=6.0, help="seconds")
    options = parser.parse_args()
    claims, driver, leave_bytes = Claims(), Driver(0), int(options.leave * GIB)
    print(f"{driver.name()}, driver {driver.version()}")
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "HOME": home, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
        env |= {"XDG_STATE_HOME": f"{home}/state", "XDG_CONFIG_HOME": f"{home}/config"}
        library = f"{Path(options.server).parent}:{os.environ.get('LD_LIBRARY_PATH', '')}"
        env["LD_LIBRARY_PATH"] = library
        port = free_port()
        words = [options.server, *options_of(options.files[0], options.context)]
        words += ["--host", "127.0.0.1", "--port", str(port)]
        guard(claims, words, port, leave_bytes, options.wait, env)
        largest = max(options.files, key=lambda file: file.stat().st_size)
        warned(claims, [options.server, *options_of(largest, options.context)], driver, env)
        kept(claims, options.server, options.files, options.context, env)
    return 1 if claims.n_broken else 0


if __name__ == "__main__":
    sys.exit(main())
