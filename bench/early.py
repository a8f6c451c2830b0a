"""Whether a launch without room is warned of in time, and nothing else ever is. Linux, on a simulated driver.

    python bench/early.py LIBRARY [--load-seconds 40]
    python bench/early.py LIBRARY --quiet PRESET.conf COMMANDS [--readings 3600] [--pace 20]
    python bench/early.py LIBRARY --quiet PRESET.conf COMMANDS --app --readings 300
    python bench/early.py LIBRARY --reads LLAMA_SERVER FILE

LIBRARY is a stand-in for libnvidia-ml.so.1 (``stand_in.py``). The real binding loads it, the real sampler reads it and
the real /proc, and what the app does with a reading is done with each: engines are recognised, alarms judged.

The first form loads engines beside others, with room and without, and tells at how much of its final memory the warning
came, what it says, and whether it cleared. The second takes so many readings, a second apart by the recogniser's clock,
of a preset whose processes have the command lines of a file (one a line, in turn), in which nothing is the matter. The
third has the app itself on a pty for so many seconds. The fourth starts a real llama-server that reads FILE, while the
simulated driver says that it took room for all weights within a second (as on an H100), and leaves too little for its
cache: the warning stands until the server answers, or ends. Exit status 1 where one does not hold.
"""

import argparse
import os
import queue
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from dummies import Dummies
from guard import free_port, is_ready
from screen import ESCAPES, Terminal
from stand_in import CARD, Size, config_path, run_again, write_config

from probes.probe import real_sources
from probes.process_facts import ProcessReader
from probes.sampler import Sampler
from tui.alarms import Alarms
from tui.places import places_of
from tui.recogniser import Recogniser
from tui.settings import Alerts

if TYPE_CHECKING:
    from probes.snapshot import Snapshot

ROOT = Path(__file__).parent.parent
GIB = 1 << 30
WARNED = re.compile(rb"willneed|willnotfit")
"""Of the screen without its blanks."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An engine that loads beside what is there."""

    name: str
    command: str
    from_gib: float
    to_gib: float
    """What the simulated driver says of it while it loads, and at the end."""
    ballast_gib: float = 0.0
    """Of a process that is no engine."""
    is_warned: bool


SCENES = (
    Scene(
        name="vLLM, its share is not there any more",
        command="vllm serve Qwen/Qwen2.5-32B-Instruct --max-model-len 16384 --gpu-memory-utilization 0.9",
        from_gib=0.5,
        to_gib=55.0,
        ballast_gib=24.0,
        is_warned=True,
    ),
    Scene(
        name="vLLM, with room",
        command="vllm serve Qwen/Qwen2.5-32B-Instruct --max-model-len 16384 --gpu-memory-utilization 0.9",
        from_gib=0.5,
        to_gib=71.5,
        is_warned=False,
    ),
    Scene(
        name="SGLang, whose weights have no room",
        command="python3 -m sglang.launch_server --model-path Qwen/Qwen2.5-14B-Instruct --mem-fraction-static 0.85",
        from_gib=0.5,
        to_gib=22.0,
        ballast_gib=57.0,
        is_warned=True,
    ),
    Scene(
        name="SGLang, which takes a share of what is free",
        command="python3 -m sglang.launch_server --model-path Qwen/Qwen2.5-14B-Instruct --mem-fraction-static 0.85",
        from_gib=0.5,
        to_gib=40.0,
        ballast_gib=33.0,
        is_warned=False,
    ),
)


class Follower:
    """Readings, and what is warned of in each."""

    def __init__(self, interval_seconds: float, clock: Callable[[], float]) -> None:
        self._readings: queue.Queue[Snapshot] = queue.Queue()
        self._sampler = Sampler(real_sources(tell_command=" ".join), self._readings.put, interval_seconds)
        self._recogniser, self._alarms = Recogniser(ProcessReader(), clock=clock), Alarms()
        self.snapshot: Snapshot | None = None
        self.standing: tuple[str, ...] = ()
        self.engines: set[str] = set()
        """Whatever was recognised at any time."""

    def __enter__(self) -> "Follower":
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sampler.stop(2.0)

    def news(self) -> list[str]:
        """Of launches, in the next reading."""
        self.snapshot = self._readings.get(timeout=30.0)
        engines = self._recogniser.look(self.snapshot)
        self.engines |= {f"{one.program} {one.model_name}, {one.phase.value}" for one in engines}
        news = self._alarms.news(self.snapshot, Alerts(), engines, places_of(self.snapshot))
        self.standing = tuple(alarm.message for alarm in self._alarms.standing if alarm.kind == "launch")
        return [alarm.message for alarm in news if alarm.kind == "launch"]

    def held_gib(self, pid: int) -> float:
        processes = self.snapshot.processes if self.snapshot else ()
        return sum(process.used_bytes or 0 for process in processes if process.pid == pid) / GIB


def play(scene: Scene, path: Path, load_seconds: float) -> Iterator[str]:
    """What does not hold."""
    dummies = Dummies()
    try:
        pid = dummies.start(scene.command.split())
        ballast = dummies.start(["python3", "train.py"])
        text = (
            f'{CARD}process = pid={pid} used="ramp {scene.from_gib}GiB {scene.to_gib}GiB {load_seconds}" name=python3\n'
        )
        if scene.ballast_gib:
            text += f"process = pid={ballast} used={scene.ballast_gib}GiB name=python3\n"
        write_config(path, text)
        print(f"\n{scene.name}")
        with Follower(0.5, time.monotonic) as follower:
            begun, said = time.monotonic(), False
            while time.monotonic() < begun + load_seconds + 3:
                for message in follower.news():
                    held = follower.held_gib(pid)
                    print(f"  at {held / scene.to_gib:.0%} ({held:.1f} of {scene.to_gib} GiB): {message}")
                    if said:
                        yield f"{scene.name}: said twice"
                    if str(pid) not in message:
                        yield f"{scene.name}: the warning does not name {pid}"
                    if held > scene.to_gib / 2:
                        yield f"{scene.name}: the warning comes at {held:.1f} GiB"
                    said = True
            if said != scene.is_warned:
                yield f"{scene.name}: {'a false warning' if said else 'no warning'}"
            dummies.end(pid)
            write_config(path, CARD)
            for _ in range(6):
                follower.news()
            print(f"  {'' if said else 'no warning; '}after its end {len(follower.standing)} stand")
            if follower.standing:
                yield f"{scene.name}: it does not clear"
    finally:
        dummies.end_all()


def play_reading(server: Path, file: Path, path: Path) -> Iterator[str]:
    """What does not hold of an engine that grows no more and still reads."""
    dummies, port = Dummies(), free_port()
    words = [
        str(server),
        "-m",
        str(file),
        "-c",
        "32768",
        "-ngl",
        "99",
        "--fit",
        "off",
        "-np",
        "1",
        "--cache-ram",
        "0",
        "--no-warmup",
    ]
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{server.parent}:{os.environ.get('LD_LIBRARY_PATH', '')}"}
    ballast = dummies.start(["python3", "train.py"])
    held_mib = 518 + (file.stat().st_size >> 20)
    others = f"{CARD}process = pid={ballast} used={81559 - 551 - held_mib - 2048}MiB name=python3\n"
    write_config(path, others)
    with (
        Follower(0.5, time.monotonic) as follower,
        subprocess.Popen(
            [*words, "--port", str(port)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process,
    ):
        begun, warned, n_quiet, over = time.monotonic(), None, 0, None
        try:
            while (seconds := time.monotonic() - begun) < 300 and (over is None or seconds < over + 40):
                held = held_mib if seconds > 1.0 else 518
                line = f"process = pid={process.pid} used={held}MiB name=llama-server\n"
                write_config(path, others if process.poll() is not None else others + line)
                follower.news()
                if over is None and (process.poll() is not None or is_ready(port)):
                    over = seconds
                if warned is None and follower.standing:
                    warned = seconds
                    print(f"  after {seconds:.1f} s: {follower.standing[0]}")
                n_quiet += warned is not None and over is None and not follower.standing
                if over is not None and not follower.standing:
                    break
            print(f"  it reads for {over or seconds:.0f} s; {len(follower.standing)} warnings after {seconds:.0f} s")
        finally:
            process.kill()
    dummies.end_all()
    if warned is None or n_quiet:
        yield f"a load that reads is not warned of until it is over ({n_quiet} readings without)"
    if over is None or follower.standing:
        yield "the warning does not clear once it is over"


def start_preset(preset: Path, commands: Path, path: Path, dummies: Dummies) -> int:
    """Its processes run; how many."""
    text = preset.read_text()
    found = re.search(r"^# *dummies *= *(\d+)", text, re.MULTILINE)
    lines = [line for line in commands.read_text().splitlines() if line.strip()]
    pids = [dummies.start(lines[number % len(lines)].split()) for number in range(int(found[1]) if found else 0)]
    write_config(path, re.sub(r"pid=@(\d+)", lambda one: f"pid={pids[int(one[1]) - 1]}", text))
    return len(pids)


def watch_quiet(n_readings: int, pace: float) -> list[str]:
    """What is warned of, though nothing is the matter."""
    seconds, false = 0.0, []
    with Follower(1 / pace, lambda: seconds) as follower:
        for number in range(n_readings):
            seconds += 1.0
            false += [f"reading {number}: {message}" for message in follower.news()]
        print("recognised:", *sorted(follower.engines), sep="\n  ")
    print(f"{n_readings} readings, {len(false)} warnings")
    return false


def watch_app(seconds: float) -> list[str]:
    """The same by what the app paints."""
    command = [sys.executable, "-m", "tui"]
    terminal = Terminal(command, dict(os.environ) | {"PYTHONPATH": str(ROOT)})
    begun, false = time.monotonic(), set()
    while (left := begun + seconds - time.monotonic()) > 0:
        if not terminal.read(min(1.0, left)):
            return ["the app has ended"]
        found = WARNED.search(bare := ESCAPES.sub(b"", terminal.painted))
        if found:
            false.add(bare[max(0, found.start() - 80) : found.end() + 80].decode(errors="replace"))
    size, cpu = Size(terminal.pid), terminal.cpu_seconds()
    terminal.write(b"q")
    while terminal.read(0.2):
        pass
    print(f"the app for {seconds:g} s: {len(false)} warnings; {size}; {cpu:.1f} s of CPU")
    return sorted(false)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("--load-seconds", type=float, default=40.0)
    parser.add_argument("--quiet", nargs=2, type=Path, metavar=("PRESET.conf", "COMMANDS"))
    parser.add_argument("--reads", nargs=2, type=Path, metavar=("LLAMA_SERVER", "FILE"))
    parser.add_argument("--readings", type=int, default=3600)
    parser.add_argument("--pace", type=float, default=20.0, help="readings a second")
    parser.add_argument("--app", action="store_true", help="the app itself, a second each reading")
    options = parser.parse_args(arguments)
    path = config_path()
    if path is None:
        return run_again(options.library, CARD)
    failures: list[str] = []
    if options.quiet:
        dummies = Dummies()
        try:
            print(f"{start_preset(*options.quiet, path, dummies)} processes run")
            failures = watch_app(options.readings) if options.app else watch_quiet(options.readings, options.pace)
        finally:
            dummies.end_all()
    elif options.reads:
        failures = list(play_reading(*options.reads, path))
    else:
        for scene in SCENES:
            failures += play(scene, path, options.load_seconds)
    print(*(f"DOES NOT HOLD: {failure}" for failure in failures), sep="\n", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
