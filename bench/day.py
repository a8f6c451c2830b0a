"""A day at speed: the app with all its panels is handed 86,400 readings, one a simulated second, and keys now and then.

    python bench/day.py [--hours 24] [--every 20]

All readings go through desk, history and alarms; one in 20 (``--every``) is judged and drawn as well, since drawing all
would take an hour. The app's clock is the simulated one. Every hour each screen is opened and left, and the plan
changed and changed back. Memory is told every simulated hour; exit status 1 where it has grown by more than a tenth
since the second. Linux.
"""

import argparse
import asyncio
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from screen import HARDWARE
from stand_in import Size

from estimator.reader import read_model
from probes.sampler import take_one
from probes.simulate import simulated_sources
from probes.snapshot import Snapshot
from tui.app import PlimsollApp
from tui.messages import SnapshotTaken
from tui.plan import default_plan

MODEL = "Qwen3 30B-A3B"
SCREENS, CHANGES = "phfxeomg?", "+-][dddddkkk"
HOUR_SECONDS, ROUND_SECONDS, WARM_HOURS = 3600, 3600, 2
DRAWING_SECONDS = 0.02
"""In which the screen is drawn."""
SIZE = (200, 50)
MOST_GROWTH = 0.10


def taken_at(first: Snapshot, second: int) -> Snapshot:
    """The same machine later on: memory and load rise and fall, in waves that never meet the same way."""
    pools = tuple(
        replace(pool, used_bytes=used, free_bytes=pool.total_bytes - used)
        for number, pool in enumerate(first.pools)
        for used in (int(pool.total_bytes * (0.5 + 0.45 * math.sin(second / (97 + 31 * number)))),)
    )
    devices = tuple(
        replace(device, utilization_ratio=0.5 + 0.5 * math.sin(second / (41 + number)))
        for number, device in enumerate(first.devices)
    )
    return replace(first, taken_seconds=first.taken_seconds + second, pools=pools, devices=devices)


async def live(hours: float, every: int) -> list[tuple[float, Size]]:
    """Memory after each hour."""
    first, now = take_one(simulated_sources(HARDWARE), 30.0), [0.0]
    app = PlimsollApp(plan=default_plan(read_model(MODEL)), snapshot=first, clock=lambda: now[0])
    found: list[tuple[float, Size]] = []
    began = time.monotonic()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        for second in range(1, int(hours * HOUR_SECONDS) + 1):
            now[0] = float(second)
            taken = taken_at(first, second)
            if second % every:
                app._desk.take(taken)
                app._raise_alarms(None)
            else:
                app.on_snapshot_taken(SnapshotTaken(taken))
                await asyncio.sleep(DRAWING_SECONDS)
            if second % ROUND_SECONDS == ROUND_SECONDS // 2:
                for key in SCREENS:
                    await pilot.press(key)
                    await pilot.pause(0.1)
                    await pilot.press("escape")
                    await pilot.pause()
                await pilot.press(*CHANGES)
            if second % HOUR_SECONDS == 0:
                found.append((second / HOUR_SECONDS, Size(os.getpid())))
                print(f"after {found[-1][0]:2.0f} h ({time.monotonic() - began:.0f} s): {found[-1][1]}", flush=True)
        if len(app.screen_stack) != 1:
            raise SystemExit(f"DOES NOT HOLD: {app.screen_stack} are open at the end")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--every", type=int, default=20, help="readings to one drawing (default: 20)")
    given = parser.parse_args()
    found = asyncio.run(live(given.hours, given.every))
    warm = [size for hour, size in found if hour >= WARM_HOURS]
    if len(warm) < 2:
        return 0
    growth = warm[-1].resident_kib / warm[0].resident_kib - 1
    print(f"since the second hour: {growth:+.1%}")
    return 1 if growth > MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
