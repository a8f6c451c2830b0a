"""An hour of faults: what the readings are like while a simulated driver goes wrong in every way.

    python bench/soak.py LIBRARY [--seconds 3600] [--interval 0.1] [--pace 1] [--seed 1]

LIBRARY is a stand-in for libnvidia-ml.so.1 that simulates the GPUs which a file describes (``stand_in.py``). The real
binding loads it, and the real sampler takes the readings, all probes included. A new scene (``fault_scenes.py``) comes
every few seconds: each of them once, in about a minute, and then by chance. ``--pace 5`` makes them five times shorter.

Told at the end, exit status 1 where one does not hold:

- no crash: the process lives, and no probe failed in a way that was not foreseen;
- no leak: peak memory within 10 % of that once each scene was there, and no more threads and open files than then;
- no figure older than shown: figures of the simulated GPUs tell when the driver gave them.
"""

import argparse
import faulthandler
import os
import re
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from fault_scenes import CLOCK_UUID, Scenes, told_age_of_power_seconds, told_age_seconds
from stand_in import Size, config_path, run_again

from probes.probe import real_sources
from probes.sampler import Sampler
from probes.snapshot import Snapshot

WARM_SECONDS = 60.0
"""At least, and until each scene has been there once."""
TOLD_EACH_SECONDS = 300.0
TOLERANCE_SECONDS = 0.002
"""The simulated driver tells thousandths of watts, and so milliseconds."""
NO_CLOCK_SECONDS = 600.0
"""What seems older is no clock's: a scene has put another GPU in its place, which no driver does while it runs."""
UNFORESEEN = "failed unexpectedly"


class Ages:
    """How old figures are, beside the age that is shown with them."""

    def __init__(self) -> None:
        self.n_checked: Counter[str] = Counter()
        self.n_too_old: Counter[str] = Counter()
        self.n_of_others = 0
        self.worst: dict[str, float] = {}
        self.examples: list[str] = []
        self.margins: list[float] = []

    def check(self, snapshot: Snapshot, scene: str) -> None:
        wall = snapshot.taken_seconds
        for pool in snapshot.pools:
            if pool.key.startswith(CLOCK_UUID):
                self._note("memory", told_age_seconds(pool.free_bytes, wall), pool.late_seconds, scene)
        late = {device.key: device.late_seconds for device in snapshot.devices if device.key.startswith(CLOCK_UUID)}
        for device in snapshot.devices:
            if device.key in late and device.power_watts is not None:
                self._note("power", told_age_of_power_seconds(device.power_watts, wall), device.late_seconds, scene)
        for process in snapshot.processes:
            # all but the clocks' own processes hold less than this
            if process.device_key in late and (process.used_bytes or 0) > 1 << 30:
                told = told_age_seconds(process.used_bytes or 0, wall)
                self._note("processes", told, late[process.device_key], scene)

    def _note(self, kind: str, told: float, shown: float, scene: str) -> None:
        if told > NO_CLOCK_SECONDS:
            self.n_of_others += 1
            return
        excess = told - shown
        self.n_checked[kind] += 1
        self.worst[kind] = max(self.worst.get(kind, -1e9), excess)
        if self.n_checked[kind] % 97 == 0 and len(self.margins) < 2_000:
            self.margins.append(-excess)
        if excess > TOLERANCE_SECONDS:
            self.n_too_old[kind] += 1
            if len(self.examples) < 12:
                self.examples.append(f"{kind} in '{scene}': {told:.3f} s old, shown as {shown:.3f}")

    def lines(self) -> list[str]:
        found = [
            f"{kind}: {n} figures, {self.n_too_old[kind]} older than shown, worst {1e3 * self.worst[kind]:+.1f} ms"
            for kind, n in sorted(self.n_checked.items())
        ]
        found.append(f"not checked, since no clock gave them: {self.n_of_others}")
        if self.margins:
            usual = statistics.median(self.margins)
            found.append(f"shown age over true age: median {1e3 * usual:.1f} ms, most {max(self.margins):.2f} s")
        return [*found, *self.examples]


class Log:
    """What was seen of all readings."""

    def __init__(self, scenes: Scenes) -> None:
        self.ages = Ages()
        self.faults: Counter[str] = Counter()
        self.unforeseen: Counter[str] = Counter()
        self.n_taken = 0
        self.longest_gap_seconds = 0.0
        self._scenes, self._taken_seconds = scenes, time.monotonic()

    def take(self, snapshot: Snapshot) -> None:
        """On the sampler's thread."""
        now = time.monotonic()
        self.longest_gap_seconds = max(self.longest_gap_seconds, now - self._taken_seconds)
        self._taken_seconds = now
        self.n_taken += 1
        self.ages.check(snapshot, self._scenes.name)
        for fault in snapshot.faults:
            if UNFORESEEN in fault.message:
                self.unforeseen[fault.message] += 1
            self.faults[re.sub(r"\d+", "#", fault.message)] += 1

    def failures(self) -> list[str]:
        found = [f"unforeseen, {n} times: {message}" for message, n in self.unforeseen.items()]
        return found + [f"{n} figures of {kind} are older than shown" for kind, n in self.ages.n_too_old.items()]


def soak(scenes: Scenes, seconds: float, interval_seconds: float) -> list[str]:
    """What does not hold."""
    log, pid = Log(scenes), os.getpid()
    started = told = time.monotonic()
    warm: Size | None = None
    scene_end = started + scenes.next("well")
    sampler = Sampler(real_sources(tell_command=" ".join), log.take, interval_seconds)
    sampler.start()
    while (now := time.monotonic()) < started + seconds:
        if now >= scene_end:
            scene_end = now + scenes.next()
        is_warm = scenes.have_all_ended and now >= started + WARM_SECONDS
        if warm is None and (is_warm or now >= started + seconds / 2):
            warm = Size(pid)
            print(f"after {now - started:.0f} s: {warm}", flush=True)
        if now >= told + TOLD_EACH_SECONDS:
            told = now
            print(f"after {now - started:.0f} s: {Size(pid)}; {log.n_taken} readings", flush=True)
        time.sleep(min(0.05, interval_seconds))
    scenes.next("well")
    time.sleep(6.0)  # a call that hangs has returned by then
    end = Size(pid)
    is_stopped = sampler.stop(2.0)

    print(f"at the end: {end}")
    print(f"{log.n_taken} readings, {sum(scenes.shown.values())} scenes; longest gap {log.longest_gap_seconds:.2f} s")
    print(*log.ages.lines(), sep="\n")
    print("faults:", *(f"  {n:6} {message}" for message, n in log.faults.most_common()), sep="\n")
    failures = [*log.failures(), *(warm.growth_to(end) if warm else ())]
    return failures if is_stopped else [*failures, "the sampler did not stop within 2 s"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--interval", type=float, default=0.1, help="between two readings (default: 0.1)")
    parser.add_argument("--pace", type=float, default=1.0, help="scenes are so many times shorter (default: 1)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    path = config_path()
    if path is None:
        return run_again(options.library)
    faulthandler.enable()
    failures = soak(Scenes(path, options.seed, options.pace), options.seconds, options.interval)
    print(*(f"DOES NOT HOLD: {failure}" for failure in failures), sep="\n", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
