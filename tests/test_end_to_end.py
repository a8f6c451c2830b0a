"""The whole way: driver's binding, probes, the sampler's threads, plan, screen and keys. Only NVML is stood in for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_nvml import GIB, FakeNvml, used_by
from measured import measured_model

from probes.access import Access
from probes.probe import Probe, ProbeSource
from probes.vendors.host import LinuxProbe
from probes.vendors.nvidia import NvidiaProbe
from tui.app import PlimsollApp

PATIENCE = 500
MEMINFO = "MemTotal: 65536000 kB\nMemAvailable: 52428800 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"


def sources(nvml: FakeNvml, root: Path) -> tuple[ProbeSource, ...]:
    proc = root / "proc"
    proc.mkdir()
    (proc / "meminfo").write_text(MEMINFO)

    def open_host() -> Probe:
        return LinuxProbe(Access(root=str(root), system="linux"))

    def open_nvidia() -> Probe:
        return NvidiaProbe(Access(root="/nonexistent", environment={}), lambda _: nvml)

    return (ProbeSource(name="host", open=open_host), ProbeSource(name="nvidia", open=open_nvidia))


def screen_text(app: PlimsollApp) -> str:
    text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
    return text.replace("\N{NO-BREAK SPACE}", " ")


async def until(app: PlimsollApp, pilot: Any, holds: Callable[[str], bool]) -> str:
    """What is on the screen once the condition holds; a reading comes every tenth of a second."""
    text = ""
    for _ in range(PATIENCE):
        text = screen_text(app)
        if holds(text):
            return text
        await pilot.pause(0.01)
    raise AssertionError(f"not on the screen:\n{text}")


async def test_a_load_that_fits_is_warned_of_when_another_program_takes_the_memory(tmp_path: Path) -> None:
    nvml, bells = FakeNvml(), []
    app = PlimsollApp(sources(nvml, tmp_path), model=measured_model("llama-3.1-8b"), interval_seconds=0.1)
    app.bell = lambda: bells.append(True)  # type: ignore[method-assign]  # a test terminal has none

    async with app.run_test(size=(120, 36)) as pilot:
        text = await until(app, pilot, lambda text: "● FITS" in text)
        assert "RTX 4090" in text
        assert "of  24.0 GiB" in text
        assert "4.0 used" in text

        gpu = nvml.gpus[0]
        gpu.answers["nvmlDeviceGetComputeRunningProcesses_v3"] = [used_by(4711, 16 * GIB)]
        gpu.memory = {"total": 24 * GIB, "free": 4 * GIB, "used": 19 * GIB, "reserved": 1 * GIB}
        text = await until(app, pilot, lambda text: "◆ SPILLS" in text and "4711" in text)
        assert "layers to the CPU" in text
        assert bells == [True]

        nvml.lose(0)
        text = await until(app, pilot, lambda text: "fell off the bus" in text)
        assert "RAM" in text

        await pilot.press("q")
    assert app.return_code == 0


async def test_the_longest_context_that_is_named_is_one_that_fits(tmp_path: Path) -> None:
    nvml = FakeNvml()
    nvml.gpus[0].memory = {"total": 24 * GIB, "free": 8 * GIB, "used": 15 * GIB, "reserved": 1 * GIB}
    app = PlimsollApp(sources(nvml, tmp_path), model=measured_model("llama-3.1-8b"), interval_seconds=0.1)

    async with app.run_test(size=(120, 36)) as pilot:
        await until(app, pilot, lambda text: "● FITS" in text)
        await pilot.press("plus", "plus", "plus", "plus")
        text = await until(app, pilot, lambda text: "◆ SPILLS" in text and "[1] context" in text)
        longest = text.split("[1] context ")[1][:6]
        await pilot.press("1")
        text = await until(app, pilot, lambda text: "● FITS" in text)
        assert longest in text.split("Context")[1][:20]
