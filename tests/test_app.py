import gc
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scenes import desktop, device, laptop, model, pool, server, snapshot, workstation
from textual.geometry import Region

from probes.access import Attention
from probes.snapshot import HOST_POOL, Fault, Process, Snapshot
from tui.app import PlimsollApp
from tui.aside import Aside
from tui.courtesy import Courtesy
from tui.messages import EnginesSeen, SnapshotTaken
from tui.plan import default_plan
from tui.recognised import Recognised
from tui.request import Request
from tui.screens.dashboard import Dashboard
from tui.screens.picker import Picker
from tui.settings import Alerts, Settings
from tui.settings_file import ReadSettings
from tui.widgets.listing import Listing

SIZES = ((200, 50), (61, 17), (40, 10), (5, 2), (1, 1))


def app_on(first: Snapshot | None, **options: Any) -> PlimsollApp:
    return PlimsollApp(snapshot=first, to_local=time.gmtime, courtesy=Courtesy(answer_seconds=0.0), **options)


def set_to(alerts: Alerts) -> ReadSettings:
    return ReadSettings(settings=Settings(alerts=alerts))


def text_of(app: PlimsollApp) -> str:
    """What the terminal shows, a line for each of its own."""
    size = app.screen.size
    strips = app.screen._compositor.render_strips(size)
    return "\n".join(strip.text for strip in strips)


async def show(app: PlimsollApp, pilot: Any, taken: Snapshot) -> None:
    app.post_message(SnapshotTaken(taken))
    await pilot.pause()


async def settle(app: PlimsollApp, pilot: Any) -> None:
    """Until advice and matrix are there."""
    for _ in range(100):
        await pilot.pause(0.01)
        if not app.is_busy:
            break
    await pilot.pause()


def test_a_dark_theme_of_ours_is_on_before_any_style_is_read() -> None:
    app = PlimsollApp(settings=ReadSettings(settings=Settings(theme="plimsoll-contrast")))

    assert app.theme == "plimsoll-contrast"
    assert app.theme_variables["background"] == "#000000"


async def test_first_picture_has_the_numbers_of_every_device() -> None:
    app = app_on(server())
    async with app.run_test(size=(200, 50)):
        shown = text_of(app)

    assert all(f"GPU {n} H100" in shown for n in range(8))
    assert "of  79.6 GiB" in shown


async def test_before_the_first_snapshot_it_says_so() -> None:
    app = app_on(None)
    async with app.run_test(size=(80, 24)) as pilot:
        assert "reading …" in text_of(app)

        await show(app, pilot, desktop())

        assert "RTX 4090" in text_of(app)


class Hasty(PlimsollApp):
    """Whose person opens another screen before the dashboard is drawn: what should follow its picture never comes."""

    CSS_PATH = Path(sys.modules[PlimsollApp.__module__].__file__ or "").with_name("app.tcss")

    def call_after_refresh(self, callback: Any, *args: Any, **kwargs: Any) -> bool:
        return callback == self._finish_start or super().call_after_refresh(callback, *args, **kwargs)


async def test_a_screen_that_is_opened_before_the_first_picture_finishes_the_start() -> None:
    gc.disable()  # as who opens the app does
    app = Hasty(snapshot=desktop())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("m")

        assert isinstance(app.screen, Picker)
        assert app.screen.view.places
        assert gc.isenabled()


async def test_no_size_is_too_small_or_too_large() -> None:
    app = app_on(server(64), model=model())
    async with app.run_test(size=(80, 24)) as pilot:
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            assert text_of(app).strip(), f"nothing is shown at {width}x{height}"


async def test_warning_and_bell_come_once_until_it_fits_again() -> None:
    bells = []
    app = app_on(desktop(1.2), model=model())
    app.bell = lambda: bells.append(1)  # type: ignore[method-assign]
    async with app.run_test(size=(61, 17)) as pilot:
        assert "● FITS on GPU 0" in text_of(app)

        for number, used in enumerate((12, 12.5, 13)):
            await show(app, pilot, desktop(used, at=number))
        assert "It no longer fits" in text_of(app)
        assert len(bells) == 1

        await pilot.press("escape")
        await show(app, pilot, desktop(14, at=5))
        assert "It no longer fits" not in text_of(app)
        assert len(bells) == 1

        await show(app, pilot, desktop(1, at=6))
        await show(app, pilot, desktop(14, at=7))
        assert "It no longer fits" in text_of(app)
        assert len(bells) == 2

        await show(app, pilot, desktop(1, at=8))
        assert "It no longer fits" not in text_of(app)


async def test_a_reading_that_cannot_be_judged_loses_no_warning() -> None:
    bells = []
    app = app_on(desktop(1.2), model=model(), settings=set_to(Alerts(lost_device=False)))
    app.bell = lambda: bells.append(1)  # type: ignore[method-assign]
    lost = replace(desktop(), pools=tuple(pool for pool in desktop().pools if pool.key == HOST_POOL))
    async with app.run_test(size=(61, 17)) as pilot:
        await show(app, pilot, lost)
        assert "FITS" not in text_of(app)
        assert not bells

        await show(app, pilot, desktop(14))
        assert "It no longer fits" in text_of(app)
        assert len(bells) == 1

        await show(app, pilot, lost)
        assert "It no longer fits" not in text_of(app)
        await show(app, pilot, desktop(14, at=1))
        assert "It no longer fits" in text_of(app)
        assert len(bells) == 1


async def test_a_lost_device_is_warned_of_until_it_is_read() -> None:
    bells = []
    app = app_on(desktop(4), model=model("Llama 3.1 8B"))
    app.bell = lambda: bells.append(1)  # type: ignore[method-assign]
    lost = replace(desktop(), pools=tuple(pool for pool in desktop().pools if pool.key == HOST_POOL))
    async with app.run_test(size=(100, 30)) as pilot:
        await show(app, pilot, lost)
        assert "Warning" in text_of(app)
        assert "GPU 0 NVIDIA GeForce RTX 4090 gives no figures any more" in text_of(app)

        await pilot.press("enter")
        await pilot.pause()
        assert "gives no figures" not in text_of(app)
        assert bells == [1]


async def test_a_command_is_run_with_a_warning_and_told_what_is_the_matter(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = f'printf "%s: %s" "$PLIMSOLL_ALERT" "$PLIMSOLL_MESSAGE" > {told}.new && mv {told}.new {told}'
    app = app_on(desktop(4), settings=set_to(Alerts(used_percent=90, command=command)))
    async with app.run_test(size=(100, 30)) as pilot:
        await show(app, pilot, desktop(22))
        for _ in range(200):
            await pilot.pause(0.02)
            if told.exists():
                break
    assert told.read_text() == "used: GPU 0 NVIDIA GeForce RTX 4090 is 94 % full: 1.5 GiB free"


async def test_a_snapshot_that_is_not_whole_warns_of_nothing() -> None:
    bells = []
    app = app_on(replace(desktop(1.2), pending=("apple",)), model=model())
    app.bell = lambda: bells.append(1)  # type: ignore[method-assign]
    async with app.run_test(size=(61, 17)) as pilot:
        await show(app, pilot, desktop(14))
        assert not bells

        await show(app, pilot, desktop(1.2))
        await show(app, pilot, replace(desktop(14), pending=("apple",)))
        assert not bells


@pytest.mark.parametrize("first", [None, replace(laptop(), pending=("nvidia",))])
async def test_a_device_that_was_asked_for_waits_for_its_driver(first: Snapshot | None) -> None:
    request = Request(source="it", options=default_plan(model()).options, device="0")
    app = app_on(first, request=request, reading=Aside(model))
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(100):
            await pilot.pause(0.01)
            if app._desk.plan is not None:
                break
        assert "--device 0: waiting for" in app._desk.view().reason
        assert app._desk.view().assessment is None

        await show(app, pilot, desktop())

        assert "● FITS on GPU 0" in text_of(app)
        assert app._desk.plan is not None
        assert app._desk.plan.devices == ("GPU 0",)


async def test_a_device_that_is_not_there_is_said_and_nothing_else_judged() -> None:
    request = Request(source="it", options=default_plan(model()).options, device="7")
    app = app_on(desktop(), request=request, reading=Aside(model))
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(100):
            await pilot.pause(0.01)
            if app._desk.plan is not None:
                break
        await show(app, pilot, desktop(at=1))
        assert "no device is called 7; there is GPU 0" in text_of(app)
        assert "FITS" not in text_of(app)

        await pilot.press("plus")
        assert "7 is not there" in text_of(app)

        await pilot.press("d")
        await show(app, pilot, desktop(at=2))
        assert "● FITS on GPU 0" in text_of(app)


async def test_keys_change_the_plan() -> None:
    app = app_on(desktop(), model=model())
    async with app.run_test(size=(120, 36)) as pilot:
        desk = app._desk
        seen = []
        quants = {desk.plan and desk.plan.model}
        for key in ("+", "-", "-", "[", "]", "]", "k", "d", "d"):
            await pilot.press(key)
            assert desk.plan is not None
            plan = desk.plan
            quants.add(plan.model)
            seen.append((plan.workload.context_tokens, plan.model.quant, plan.workload.kv_type, plan.devices))

    assert seen == [
        (16384, "Q4_K_M", "f16", None),
        (8192, "Q4_K_M", "f16", None),
        (4096, "Q4_K_M", "f16", None),
        (4096, "IQ4_XS", "f16", None),
        (4096, "Q4_K_M", "f16", None),
        (4096, "Q5_K_M", "f16", None),
        (4096, "Q5_K_M", "q8_0", None),
        (4096, "Q5_K_M", "q8_0", ("GPU 0",)),
        (4096, "Q5_K_M", "q8_0", ()),
    ]
    assert len(quants) == 3, "the file itself must be found again, not derived from another quant"


async def test_a_digit_applies_the_change_beside_it() -> None:
    app = app_on(desktop(4), model=model("Qwen3 32B"))
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        assert "[1]" in text_of(app)

        await pilot.press("1")

        assert "● FITS" in text_of(app)


async def test_the_matrix_marks_the_plan_and_a_click_changes_it() -> None:
    app = app_on(workstation(), model=model())
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(app, pilot)
        line = next(line for line in text_of(app).splitlines() if "Q4_K_M   " in line and "[" in line)
        assert "●]" in line

        await pilot.click("#matrix", offset=(16, 2))

        assert app._desk.plan is not None
        assert (app._desk.plan.model.quant, app._desk.plan.workload.context_tokens) == ("Q8_0", 2048)


async def test_every_screen_opens_and_escape_goes_back() -> None:
    app = app_on(workstation(), model=model("Llama 3.1 8B"))
    async with app.run_test(size=(100, 30)) as pilot:
        for key, said in (
            ("m", "verdict here now"),
            ("x", "CUDA context"),
            ("question_mark", "type of the KV cache"),
            ("g", "128 multiprocessors"),
            ("o", "--ubatch-size"),
            ("p", "llama-server"),
            ("h", "GPU 1 RTX 3060"),
            ("f", "everything could be read"),
        ):
            await pilot.press(key)
            await pilot.pause()
            assert said in text_of(app), key
            await show(app, pilot, workstation(at=1))
            await pilot.press("escape")
            await pilot.pause()
            assert isinstance(app.screen, Dashboard), key


async def test_q_quits() -> None:
    app = app_on(desktop())
    async with app.run_test() as pilot:
        await pilot.press("q")

    assert app.return_code == 0


async def test_space_pauses_and_says_so() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("space")
        assert "paused at 12:00:00" in text_of(app)

        await pilot.press("space")
        assert "paused" not in text_of(app)


async def test_hostile_names_are_shown_as_plain_text() -> None:
    evil = "[bold red]\x1b]0;owned\x07\x1b[2J\u202eevil\u200b 漢字漢字 e\u0301\nnext"
    taken = snapshot(
        [(device(0, evil), pool("gpu-0", 23.5, 1))],
        processes=[Process(pid=1, device_key="gpu-0", used_bytes=1 << 30, name=evil, command=f"{evil} --x")],
        faults=[Fault(probe="nvidia", message=evil)],
    )
    app = app_on(taken)
    async with app.run_test(size=(120, 36)) as pilot:
        shown = text_of(app)
        strips = app.screen._compositor.render_strips(app.screen.size)
        await pilot.press("p")
        await pilot.pause()
        shown += text_of(app)

    assert "[bold red]" in shown
    assert not set("\x1b\x07\u202e\u200b") & set(shown)
    assert {strip.cell_length for strip in strips} == {120}


async def test_many_devices_are_a_list_with_the_fullest_first_and_a_sum() -> None:
    app = app_on(server(64))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        shown = text_of(app)
        assert "all 64 GPUs" in shown
        assert "of 64 devices" in shown
        assert "GPU 6 H100" in shown.splitlines()[2]

        await pilot.press("pagedown")

        assert "9-" in text_of(app)


async def test_only_what_has_changed_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_on(server())
    async with app.run_test(size=(200, 50)) as pilot:
        await show(app, pilot, server(at=1))
        painted: list[Any] = []
        monkeypatch.setattr(app, "_display", lambda _, update: painted.append(update))
        await show(app, pilot, server(at=2))
        texts = [re.sub(r"\x1b\[[0-9;]*[Hm]", "", update.render_segments(app.console)) for update in painted if update]

    assert texts
    assert sum(map(len, texts)) < 200


async def test_what_was_painted_at_once_stands_in_the_next_whole_picture() -> None:
    app = app_on(desktop(4.6))
    async with app.run_test(size=(120, 36)) as pilot:
        await show(app, pilot, desktop(4.6, at=1))
        await show(app, pilot, desktop(9.8, at=2))

        assert " 9.8" in text_of(app)
        assert " 4.6 used" not in text_of(app)


async def test_a_change_at_the_end_of_a_line_writes_only_that() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()
        headline = app.screen.query_one("#headline")
        headline.refresh(Region(190, 0, 5, 1))
        app.screen._compositor.update_widgets({headline})
        update = app.screen._compositor.render_partial_update()

        assert update is not None
        assert len(update.render_segments(app.console)) < 60


async def test_it_says_when_no_snapshot_comes_any_more() -> None:
    seconds = [0.0]
    app = app_on(desktop(), clock=lambda: seconds[0])
    app._sampler = object()  # type: ignore[assignment]
    async with app.run_test(size=(80, 24)) as pilot:
        seconds[0] = 30.0
        app._notice_silence()
        await pilot.pause()

        assert "no reading for 30 s" in text_of(app)
    app._sampler = None


async def test_what_the_environment_says_of_a_spill_holds_for_loads_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GGML_CUDA_ENABLE_UNIFIED_MEMORY", "1")
    for attention, settings in ((Attention(), {"managed"}), (None, set())):
        app = app_on(desktop(), attention=attention)
        async with app.run_test(size=(100, 30)) as pilot:
            for _ in range(100):  # places are made after the first picture
                if app._desk.places:
                    break
                await pilot.pause(0.01)
            surroundings = app._desk.view().places[0].surroundings
            assert surroundings is not None
            assert surroundings.settings == settings


@pytest.mark.parametrize("recognise", [True, False])
async def test_engines_are_shown_unless_the_person_wants_none_recognised(recognise: bool) -> None:
    seen = Recognised(
        pid=7, started_ticks=1, pids=frozenset({7}), program="x", engine_name="llamacpp", model_name="Seen 4B"
    )
    app = app_on(desktop(4), settings=ReadSettings(settings=Settings(recognise=recognise)))
    async with app.run_test(size=(120, 40)) as pilot:
        app.post_message(EnginesSeen((seen,)))
        await show(app, pilot, desktop(5))
        assert ("Seen 4B" in text_of(app)) is recognise


async def test_a_reading_is_drawn_once_the_key_before_it_was_answered() -> None:
    now_seconds = 0.0
    slow = Courtesy(answer_seconds=0.1, clock=lambda: now_seconds)
    app = PlimsollApp(snapshot=desktop(1.2), to_local=time.gmtime, courtesy=slow, clock=lambda: now_seconds)
    async with app.run_test(size=(80, 24)) as pilot:
        slow.note_key()
        await show(app, pilot, desktop(7.7, at=1))
        assert "7.7" not in text_of(app)

        now_seconds = 1.0
        for _ in range(100):
            await pilot.pause(0.01)
            if "7.7" in text_of(app):
                break

        assert "7.7" in text_of(app)


async def test_a_reading_that_waits_is_drawn_before_the_next_is_taken() -> None:
    slow = Courtesy(answer_seconds=5.0)
    app = PlimsollApp(snapshot=desktop(1.2), to_local=time.gmtime, courtesy=slow)
    async with app.run_test(size=(80, 24)) as pilot:
        slow.note_key()
        await show(app, pilot, desktop(7.7, at=1))
        await show(app, pilot, desktop(8.8, at=2))

        assert "7.7" in text_of(app)


async def test_the_dashboard_shows_what_came_while_another_screen_was_seen() -> None:
    app = app_on(desktop(1.2))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("p")
        await show(app, pilot, desktop(7.7, at=1))
        await pilot.press("escape")

        assert "7.7" in text_of(app)


async def test_a_list_is_filled_for_its_width_in_its_first_picture() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(200, 50)) as pilot:
        await pilot.press("p")

        assert app.screen.query_one(Listing).head[0][0].endswith("command")
