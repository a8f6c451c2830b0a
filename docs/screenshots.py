"""Draws docs/*.svg anew, from machines made by hand: no hardware, no clock, the same picture every time."""

import asyncio
import itertools
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS.parent / "tests")]  # the machines are those of the tests

os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}  # as most see it, whatever terminal draws it

from scenes import desktop, engines, laptop, mixed, model, server, serving, workstation  # noqa: E402
from textual.pilot import Pilot  # noqa: E402

from estimator.model import Model  # noqa: E402
from probes.snapshot import Snapshot  # noqa: E402
from tui.app import PlimsollApp  # noqa: E402
from tui.messages import EnginesSeen, PlanChanged, SnapshotTaken  # noqa: E402
from tui.plan import default_plan  # noqa: E402
from tui.recognised import Recognised  # noqa: E402

_PATIENCE_SECONDS = 20.0
_ASIDE_SECONDS = 4.0
"""For what screens compute aside, and no flag tells of."""


async def draw(
    name: str,
    snapshots: Sequence[Snapshot],
    size: tuple[int, int],
    chosen: Model | None = None,
    *,
    then: Snapshot | None = None,
    keys: Sequence[str] = (),
    running: tuple[Recognised, ...] = (),
) -> None:
    """One picture: after these snapshots a model is chosen, one more snapshot comes, and keys are pressed."""
    hours = itertools.count(step=3600.0)  # between any two looks at the clock: nothing waits for its turn
    app = PlimsollApp(snapshot=snapshots[0], clock=lambda: next(hours), to_local=time.gmtime)
    async with app.run_test(size=size) as pilot:
        if running:
            app.post_message(EnginesSeen(running))
        for snapshot in snapshots[1:]:
            app.post_message(SnapshotTaken(snapshot))
            await pilot.pause()
        if chosen is not None:
            app.post_message(PlanChanged(default_plan(chosen), is_model_new=True))
            await settle(app, pilot)
        if then is not None:
            app.post_message(SnapshotTaken(then))
            await settle(app, pilot)
        await pilot.press(*keys)
        await settle(app, pilot)
        (DOCS / f"{name}.svg").write_text(without_links(app.export_screenshot(title="plimsoll")), "utf-8")
    print(f"docs/{name}.svg")  # noqa: T201


def without_links(picture: str) -> str:
    """The picture with the reader's own fonts: Textual's would be fetched from elsewhere."""
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)


async def settle(app: PlimsollApp, pilot: Pilot[None]) -> None:
    """Until advice and matrix are there, and the picker has judged what is in sight."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    await pilot.pause(0.1)
    while app.is_busy and time.monotonic() < deadline:
        await pilot.pause(0.02)
    await pilot.pause(_ASIDE_SECONDS)


async def main() -> None:
    quiet = [workstation(1.0, at=second) for second in range(40)]
    rising = quiet + [workstation(1.0 + n / 20, at=40 + n) for n in range(73)]
    filling = [desktop(1.2 + max(0, second - 60) / 40, at=second) for second in range(120)]
    thirty, large = model("Qwen3 30B-A3B"), model("Qwen3 32B")
    await draw("fits", rising, (120, 36), thirty)
    await draw("spills", filling, (120, 36), large, then=desktop(5.2, at=120), keys=("escape",))
    await draw("warning", filling, (120, 36), large, then=desktop(5.2, at=120))
    await draw("small", [desktop(4.6)], (80, 24), model("Qwen3 14B"))
    await draw("server", [server(8, at=second) for second in range(60)], (200, 50), model("Llama 3.3 70B"))
    await draw("no-gpu", [laptop()], (100, 30), model("Llama 3.1 8B"))
    await draw("picker", [workstation()], (100, 30), keys=("m", "f3", "f2"))
    await draw("explain", [workstation()], (120, 36), thirty, keys=("x",))
    await draw("engines", [workstation()], (100, 30), thirty, keys=("e", "down", "down"))
    await draw("compare", [desktop(4.6)], (120, 30), large, keys=("c", "escape", "[", "c", "escape", "k", "c"))
    await draw("hardware", [desktop(4.6)], (100, 30), model("Llama 3.3 70B"), keys=("w",))
    await draw("devices", [mixed(at=second) for second in range(3)], (100, 30), keys=("g",))
    await draw("history", rising, (100, 30), thirty, keys=("h",))
    await draw("launch", [serving(at=second) for second in range(3)], (120, 36), running=engines()[:2])
    await draw("settings", [desktop()], (100, 30), keys=("comma", "down"))


if __name__ == "__main__":
    asyncio.run(main())
