"""Plans side by side, and the same load on hardware that is not here."""

from dataclasses import replace

import pytest
from scenes import desktop, laptop, model, stale_driver, workstation
from test_app import app_on, text_of
from textual.pilot import Pilot

from probes.accelerators import UnknownHardware
from tui.app import PlimsollApp
from tui.comparison import MOST_PINS, Pin, compared, with_pin
from tui.places import places_of
from tui.plan import default_plan
from tui.screens.compare import _cell_lines
from tui.screens.steps import with_context_step
from tui.what_if import in_words, snapshot_of


def test_the_same_plan_is_kept_once_and_the_oldest_goes() -> None:
    plan = default_plan(model("Llama 3.1 8B"))
    pins: tuple[Pin, ...] = ()
    for _ in range(2):
        pins = with_pin(pins, Pin(plan=plan))
    assert pins == (Pin(plan=plan),)

    for _ in range(6):
        plan = with_context_step(plan, 1)
        pins = with_pin(pins, Pin(plan=plan))
    assert len(pins) == MOST_PINS
    assert pins[-1].plan.workload.context_tokens == 131072
    assert pins[0].plan.workload.context_tokens > 8192


def test_a_described_machine_has_its_own_places() -> None:
    assert [place.name for place in places_of(snapshot_of("2x RTX 3090, RAM 64GiB", desktop()))] == [
        "GPU 0",
        "GPU 1",
        "RAM",
    ]


def test_a_card_is_added_to_this_machine_as_it_is_now() -> None:
    found = snapshot_of("+ RTX 3090", workstation(8.0))

    assert [device.name for device in found.devices[2:]] == ["NVIDIA GeForce RTX 3090"]
    assert found.devices[2].index == 2
    assert found.pools[:3] == workstation(8.0).pools
    assert [place.name for place in places_of(found)] == ["GPU 0", "GPU 1", "GPU 2", "RAM"]


def test_a_card_that_is_added_to_a_described_machine_has_its_own_memory() -> None:
    found = snapshot_of("+ RTX 3090", snapshot_of("RTX 4090, used 5GiB", None))

    here, added = (found.pool(device.pool_key) for device in found.devices)
    assert here is not None
    assert added is not None
    assert here.used_bytes == 5 << 30
    assert added.used_bytes == 0


def test_no_such_product_is_said() -> None:
    with pytest.raises(UnknownHardware):
        snapshot_of("+ RTX 9999", laptop())


@pytest.mark.parametrize(("devices", "is_judged"), [(None, False), ((), True)])
def test_ram_alone_is_no_answer_where_no_gpu_can_be_read(devices: tuple[str, ...] | None, is_judged: bool) -> None:
    pin = Pin(plan=replace(default_plan(model()), devices=devices))
    (found,) = compared([pin], places_of(stale_driver()), stale_driver())

    assert (found.assessment is not None) is is_judged
    assert ("no GPU's memory is known now" in found.reason) is not is_judged


def test_each_plan_is_judged_on_its_own_machine() -> None:
    plan = default_plan(model("Qwen3 32B"))
    taken = laptop()
    pins = (Pin(plan=plan), Pin(plan=plan, hardware="RTX 5090"), Pin(plan=plan, hardware="no such thing"))

    here, there, nowhere = compared(pins, places_of(taken), taken)

    assert here.assessment is not None
    assert here.assessment.device_names == ()
    assert there.assessment is not None
    assert there.assessment.verdict.level.name == "FITS"
    assert there.pacing is not None
    assert here.pacing is not None
    assert there.pacing.speed.tokens_per_second > 3 * here.pacing.speed.tokens_per_second
    assert nowhere.assessment is None
    assert "no such thing" in nowhere.reason


async def until(app: PlimsollApp, pilot: Pilot[None], *texts: str) -> str:
    for _ in range(400):
        shown = text_of(app).replace("\N{NO-BREAK SPACE}", " ")
        if all(text in shown for text in texts):
            return shown
        await pilot.pause(0.02)
    raise AssertionError(f"not on the screen:\n{shown}")


async def test_two_plans_stand_side_by_side_and_one_is_taken() -> None:
    app = app_on(desktop(4.0), model=model("Qwen3 14B"))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("c")
        await until(app, pilot, "8 192", "● FITS on GPU 0")
        await pilot.press("escape", "plus", "plus", "c")
        await until(app, pilot, "8 192", "32 768", "tokens/s")

        await pilot.press("left", "enter")
        await pilot.pause()
        assert app._desk.plan is not None
        assert app._desk.plan.workload.context_tokens == 8192


async def test_a_plan_that_is_dropped_is_not_shown_again() -> None:
    app = app_on(desktop(4.0), model=model("Qwen3 14B"))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("c", "escape", "plus", "c", "left", "delete", "escape", "plus", "c")
        shown = await until(app, pilot, "16 384", "32 768")
        assert "8 192 " not in shown


async def test_the_same_load_on_a_typed_machine_is_compared() -> None:
    app = app_on(replace(laptop()), model=model("Llama 3.3 70B"))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("w", *"2x rtx 5090")
        await until(app, pilot, "2x NVIDIA GeForce RTX 5090 · RAM 64.0 GiB", "as typed", "● fits")
        await pilot.press("enter")
        await until(app, pilot, "this machine, as it is now", "2x NVIDIA GeForce RTX 5090", "● FITS on GPU 0 and 1")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("5090", "NVIDIA GeForce RTX 5090 · RAM 64.0 GiB"),
        ("+ 5090", "this machine + NVIDIA GeForce RTX 5090"),
        ("2x RTX 4090, used 3GiB, RAM 128GiB", "2x NVIDIA GeForce RTX 4090 · 3.0 GiB used · RAM 128 GiB"),
        ("no such card", ""),
    ],
)
def test_what_was_understood_of_a_typed_machine_is_said(typed: str, said: str) -> None:
    assert in_words(typed) == said


async def test_hardware_that_would_hold_it_is_listed() -> None:
    app = app_on(laptop(), model=model("Qwen3 32B"))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("w", *"5090")
        await until(app, pilot, "NVIDIA GeForce RTX 5090", "consumer", "● fits")


@pytest.mark.parametrize(("most", "is_whole"), [(14, True), (4, False)])
def test_what_is_told_of_a_plan_is_said_whole_where_it_may_take_as_many_lines(most: int, is_whole: bool) -> None:
    told = "left to itself, llama.cpp would keep more room: the experts of 1 of 48 layers in RAM"
    lines = _cell_lines(told, 13, most)

    assert (" ".join(lines) == told) is is_whole
    assert len(lines) <= most
    assert is_whole or lines[-1].endswith("…")
