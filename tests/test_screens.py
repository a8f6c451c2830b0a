import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scenes import desktop, engine, mixed, model, server, workstation
from test_app import app_on, show, text_of
from textual.pilot import Pilot
from textual.widgets import Input

from estimator.engine import ENGINES
from probes.access import Attention
from probes.snapshot import Process, Snapshot
from tui.app import PlimsollApp
from tui.contexts import contexts_of, contexts_shown
from tui.messages import EnginesSeen, PlanChanged, SnapshotTaken
from tui.plan import Plan, default_plan
from tui.plan_memory import PlanMemory, Recalled
from tui.request import Request
from tui.screens.dashboard import Dashboard
from tui.screens.options import fields_of, parse_value
from tui.screens.steps import with_context_step, with_devices_step, with_engine, with_quant_step
from tui.settings import Settings
from tui.settings_file import ReadSettings


def test_contexts_are_powers_of_two_and_what_the_model_has() -> None:
    assert contexts_of(model("Qwen3 30B-A3B")) == [512, 1024, 2048, 4096, 8192, 16384, 32768, 40960]


def test_steps_end_at_both_ends() -> None:
    plan = default_plan(model())
    for _ in range(20):
        plan = with_context_step(plan, 1)
    assert plan.workload.context_tokens == 40960
    assert with_context_step(plan, 1) is plan

    for _ in range(20):
        plan = with_quant_step(plan, model(), -1)
    assert plan.model.quant == "Q2_K"
    assert with_quant_step(plan, model(), -1) is plan


def test_devices_go_round() -> None:
    plan = default_plan(model())
    seen = []
    for _ in range(5):
        plan = with_devices_step(plan, ["GPU 0", "GPU 1"])
        seen.append(plan.devices)

    assert seen == [("GPU 0", "GPU 1"), ("GPU 0",), ("GPU 1",), (), None]


def test_every_option_that_the_engine_declares_can_be_set() -> None:
    plan = default_plan(model())

    assert {field.name for field in fields_of(plan)} >= set(plan.options.__dataclass_fields__)


@pytest.mark.parametrize(("text", "value"), [("8k", 8192), ("512", 512), ("8 192", 8192)])
def test_numbers_are_read_as_people_write_them(text: str, value: int) -> None:
    field = fields_of(default_plan(model()))[0]

    assert parse_value(field, text) == value


@pytest.mark.parametrize("text", ["", "-1", "0", "1.5", "x", "²", "9" * 30])
def test_what_is_no_number_is_refused_in_words(text: str) -> None:
    field = fields_of(default_plan(model()))[0]

    with pytest.raises(ValueError, match="whole number"):
        parse_value(field, text)


@pytest.mark.parametrize(
    ("taken", "size", "keys"),
    [
        (workstation(), (120, 36), ()),
        (desktop(), (80, 24), ()),
        (server(), (200, 50), ()),
        (workstation(), (80, 24), ("question_mark",)),
        (workstation(), (100, 30), ("p",)),
    ],
    ids=["workstation-120x36", "desktop-80x24", "server-200x50", "help-80x24", "processes-100x30"],
)
def test_picture(snap_compare: Any, taken: Snapshot, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    assert snap_compare(app_on(taken), terminal_size=size, press=keys)


async def test_a_model_is_picked_by_typing() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("m")
        app.screen.query_one(Input).value = "mistral 7b"
        await pilot.pause()
        await pilot.press("enter")
        for _ in range(400):  # on a busy machine reading takes its time; the plan may come after the screen has gone
            await pilot.pause(0.01)
            if app._desk.plan is not None:
                break
        assert app._desk.plan is not None
        assert "Mistral 7B" in app._desk.plan.model.name


async def test_a_file_that_cannot_be_read_is_said_in_the_picker(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF")
    app = app_on(desktop())
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("m")
        app.screen.query_one(Input).value = str(path)
        await pilot.pause()
        await pilot.press("enter")
        for _ in range(400):
            await pilot.pause(0.01)
            if app.screen._error:  # type: ignore[attr-defined]
                break
        await pilot.pause()

        assert app._desk.plan is None
        assert "broken.gguf" in text_of(app)
        assert app.screen._error  # type: ignore[attr-defined]


async def test_an_option_is_changed_by_enter() -> None:
    app = app_on(workstation(), model=model("Llama 3.1 8B"))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("o", "down", "down", "down", "down", "enter")
        await pilot.press("up", "enter", *"20", "enter")

        assert app._desk.plan is not None
        options = app._desk.plan.options
        assert options == replace(options, is_flash_attention=False, n_gpu_layers=20)


async def test_while_a_filter_is_typed_the_last_line_has_the_keys_of_typing() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("p")
        assert "s sort" in text_of(app)
        await pilot.press("slash", "x")
        assert "s sort" not in text_of(app)
        assert "enter keep the filter" in text_of(app)
        await pilot.press("escape")
        assert "s sort" in text_of(app)


async def test_processes_are_sorted_and_filtered() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("p", "s", "s", "s", "s")
        assert text_of(app).index("2210") < text_of(app).index("41233")

        await pilot.press("slash", *"xorg", "enter")
        assert "41233" not in text_of(app)

        await pilot.press("escape")
        await pilot.pause()
        assert "41233" in text_of(app)


async def test_the_engine_is_chosen_from_a_list_with_a_verdict_for_each() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(120, 36)) as pilot:
        app.post_message(PlanChanged(default_plan(model()), is_model_new=True))
        await pilot.pause()
        await pilot.press("e")
        for _ in range(100):
            await pilot.pause(0.01)
            if "fits" in text_of(app):
                break
        shown = text_of(app)
        await pilot.press("enter")
        await pilot.pause()

        assert "llama.cpp" in shown
        assert isinstance(app.screen, Dashboard)


async def test_no_engine_is_offered_before_there_is_a_model() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("e")
        await pilot.pause()

        assert isinstance(app.screen, Dashboard)


async def settled(app: PlimsollApp, pilot: Pilot[None]) -> None:
    """Until advice and matrix are there."""
    for _ in range(200):
        await pilot.pause(0.02)
        if not app.is_busy:
            return


@pytest.mark.parametrize(("chosen", "said"), [("Qwen3 14B", "speed about"), ("Qwen3 32B", "times slower")])
async def test_the_verdict_says_how_fast_it_would_run(chosen: str, said: str) -> None:
    app = app_on(desktop(4.6))
    async with app.run_test(size=(120, 36)) as pilot:
        app.post_message(PlanChanged(default_plan(model(chosen)), is_model_new=True))
        await settled(app, pilot)

        assert said in text_of(app)


async def test_models_in_the_picker_are_judged_for_this_machine() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(100, 24)) as pilot:
        await pilot.press("m", *"qwen3 235b")
        for _ in range(400):
            await pilot.pause(0.02)
            if "fails" in text_of(app) or "spills" in text_of(app):
                break

        assert "fails" in text_of(app) or "spills" in text_of(app)
        assert "● fits" not in text_of(app)


@pytest.mark.parametrize("name", ENGINES)
async def test_every_option_of_every_engine_is_listed_with_its_whole_flag(name: str) -> None:
    plan = with_engine(default_plan(model()), name)
    app = app_on(workstation())
    async with app.run_test(size=(120, 60)) as pilot:
        app.post_message(PlanChanged(plan, is_model_new=True))
        await pilot.pause()
        await pilot.press("o")
        await pilot.pause()

        shown = text_of(app)
        assert [field.flag for field in fields_of(plan) if field.flag not in shown] == []


def test_what_has_no_context_has_one_column() -> None:
    assert len(contexts_shown(default_plan(model("Whisper large v3")))) == 1


async def test_details_are_read_only_while_they_are_seen() -> None:
    attention = Attention()
    app = app_on(mixed(), attention=attention)
    async with app.run_test(size=(120, 36)) as pilot:
        assert not attention.is_on_details
        await pilot.press("g")
        await pilot.pause()
        assert attention.is_on_details
        assert "2\N{NO-BREAK SPACE}520 of 3\N{NO-BREAK SPACE}105 MHz" in text_of(app)
        assert "the power limit, heat" in text_of(app)

        await pilot.press("escape")
        app.post_message(SnapshotTaken(mixed(at=1.0)))
        await pilot.pause()
        assert not attention.is_on_details


async def test_a_key_wakes_what_sleeps_and_the_same_key_lets_it_sleep_again() -> None:
    attention = Attention()
    app = app_on(mixed(), attention=attention)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("g", "w")
        assert attention.wants_awake
        await pilot.press("w")
        assert not attention.wants_awake


async def test_a_setting_that_is_changed_holds_at_once_and_is_kept() -> None:
    kept: list[Settings] = []
    app = app_on(desktop(), keep_settings=kept.append)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("comma", "down", "down", "enter")  # auto, then on
        await pilot.pause()

        assert kept == [Settings(ascii_only="on")]
        assert text_of(app).isascii()

        await pilot.press("escape")
        await pilot.pause()
        assert text_of(app).isascii()


async def test_a_number_that_is_out_of_range_is_not_set() -> None:
    kept: list[Settings] = []
    app = app_on(desktop(), keep_settings=kept.append)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("comma", "enter", "backspace", "backspace", "backspace", *"0", "enter")
        await pilot.pause()

        assert kept == []
        assert "a number from 0.1 to 3600 is meant" in text_of(app)


async def test_settings_that_cannot_be_written_hold_until_the_app_is_left() -> None:
    def fail(_: Settings) -> None:
        raise OSError(30, "Read-only file system")

    app = app_on(desktop(), keep_settings=fail)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("comma", "down", "enter")
        await pilot.pause()

        assert app.theme == "plimsoll-light"
        assert any("kept until you leave only" in said.message for said in app._notifications)


async def test_what_is_wrong_with_the_settings_is_said_and_stops_nothing() -> None:
    found = ReadSettings(settings=Settings(theme="no such"), complaints=("config.toml: 'them' is not known",))
    app = app_on(desktop(), settings=found)
    async with app.run_test(size=(120, 36)):
        assert "settings: config.toml: 'them' is not known" in text_of(app)


async def test_without_charts_nothing_moves_but_figures() -> None:
    app = app_on(desktop(), settings=ReadSettings(settings=Settings(low_bandwidth="on")))
    async with app.run_test(size=(120, 36)):
        assert "History" not in text_of(app)
        assert "every 5 s" in text_of(app)


async def test_on_a_line_that_turns_out_slow_nothing_is_laid_out_anew() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(120, 36)) as pilot:
        app._desk.is_thrifty = True
        app._show()
        await pilot.pause()
        shown = text_of(app)
        assert "History" in shown
        assert "not drawn while the line is slow" in shown

        await pilot.resize_terminal(121, 36)
        for _ in range(5):
            await pilot.pause()
        assert "History" not in text_of(app)


async def test_another_reading_waits_while_the_terminal_is_behind_and_a_key_does_not() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(120, 36)) as pilot:
        before = text_of(app)
        app._line.is_behind = True
        await show(app, pilot, replace(desktop(), taken_seconds=desktop().taken_seconds + 3600))
        assert text_of(app) == before

        await pilot.press("space")
        assert text_of(app) != before


async def test_all_is_drawn_again_once_the_stopped_app_goes_on() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert not app.screen._layout_required
        app.app_resume_signal.publish(app)
        assert app.screen._layout_required


class FakeMemory(PlanMemory):
    def __init__(self, recalled: Recalled | None = None) -> None:
        self.recalled = recalled
        self.kept: list[tuple[str, int, str | None]] = []

    def recall(self) -> Recalled | None:
        return self.recalled

    def keep(self, plan: Plan, quant: str | None) -> None:
        self.kept.append((plan.model.name, plan.workload.context_tokens, quant))


async def test_the_app_opens_with_the_load_of_last_time() -> None:
    request = Request(source="Llama 3.1 8B", context_tokens=4096, options=default_plan(model()).options)
    memory = FakeMemory(Recalled(request=request, model=model("Llama 3.1 8B")))
    app = app_on(desktop(), memory=memory)
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(100):
            await pilot.pause(0.01)
            if app._desk.plan is not None:
                break
        assert "Llama 3.1 8B" in text_of(app)
        assert "4\N{NO-BREAK SPACE}096 of" in text_of(app)
    assert memory.kept == []


async def test_the_load_that_was_chosen_is_kept_for_next_time() -> None:
    memory = FakeMemory()
    app = app_on(desktop(), memory=memory)
    async with app.run_test(size=(120, 36)) as pilot:
        app.post_message(PlanChanged(default_plan(model("Llama 3.1 8B")), is_model_new=True))
        await pilot.pause()
        await pilot.press("plus")
    assert memory.kept == [("Llama 3.1 8B", 16384, None)]


async def test_the_command_that_starts_the_load_is_copied() -> None:
    app = app_on(desktop(), model=model("Llama 3.1 8B"))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("y")
        await pilot.pause()

        assert app.clipboard.startswith("llama-server ")
        assert "-c 8192" in app.clipboard


async def test_the_history_is_saved_where_the_app_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = app_on(desktop())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("h", "plus", "minus", "s")
        for _ in range(100):
            await pilot.pause(0.02)
            if app._notifications:
                break
    (saved,) = tmp_path.glob("plimsoll-*.jsonl")
    assert len(saved.read_text().splitlines()) == 1
    assert any(str(saved) in said.message for said in app._notifications)


async def test_ending_a_process_asks_first_and_ends_the_one_that_was_shown() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        comm = Path(f"/proc/{sleeper.pid}/comm")
        while sys.platform == "linux" and comm.read_text().strip() != "sleep":
            pass
        held = Process(pid=sleeper.pid, device_key="gpu-0", used_bytes=1 << 30, name="sleep", command="sleep 60")
        app = app_on(replace(desktop(), processes=(held,)))
        async with app.run_test(size=(120, 36)) as pilot:
            await pilot.press("p", "delete")
            await pilot.pause()
            assert f"End {sleeper.pid} sleep on GPU 0, which holds 1.0 GiB?" in text_of(app)
            await pilot.press("escape")
            await pilot.pause()
            assert sleeper.poll() is None

            await pilot.press("delete", "enter")
            await pilot.pause()
        assert sleeper.wait(10) == -signal.SIGTERM


async def test_what_is_in_ram_alone_is_not_ended() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(120, 36)) as pilot:
        app.post_message(EnginesSeen((engine(43001, "RAM", 2.6, None),)))
        await show(app, pilot, desktop(at=1))
        await pilot.press("p", "delete")
        await pilot.pause()

        assert "SIGTERM" not in text_of(app)
        assert any("holds nothing on a GPU" in said.message for said in app._notifications)


async def test_where_it_is_read_only_no_process_is_ended() -> None:
    app = app_on(workstation(), is_read_only=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("p", "delete")
        await pilot.pause()

        assert "SIGTERM" not in text_of(app)
        assert any("it is read-only" in said.message for said in app._notifications)


async def test_of_another_machine_no_process_is_ended() -> None:
    app = app_on(workstation(), is_elsewhere=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("p", "delete")
        await pilot.pause()

        assert "SIGTERM" not in text_of(app)
        assert any("not of this machine" in said.message for said in app._notifications)


async def test_help_shows_the_keys_of_where_you_are_and_leads_back() -> None:
    app = app_on(workstation())
    async with app.run_test(size=(120, 48)) as pilot:
        for opened, key, said in (("p", "question_mark", "end it"), ("m", "f1", "on disk"), ("h", "f1", "other pools")):
            await pilot.press(opened)
            await pilot.pause()
            screen = app.screen
            await pilot.press(key)
            await pilot.pause()
            shown = text_of(app).replace("\N{NO-BREAK SPACE}", " ")
            assert "Where you are" in shown
            assert said in shown

            await pilot.press(key)
            await pilot.pause()
            assert app.screen is screen
            await pilot.press("escape")
            await pilot.pause()


async def test_what_is_typed_is_of_the_row_that_was_chosen_and_a_complaint_stays() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("comma", "enter", *"x", "enter")
        await show(app, pilot, desktop(at=1))
        assert "'1.0x' is no number" in text_of(app)

        await pilot.press("backspace", *"5", "down", "enter")
        await pilot.pause()
        assert (app.settings.interval_seconds, app.settings.theme) == (1.05, "plimsoll")


async def test_an_engines_figures_are_told_in_their_units() -> None:
    app = app_on(workstation(), plan=default_plan(model("Qwen3 30B-A3B")))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("e", "down", "down")
        for _ in range(200):
            await pilot.pause(0.02)
            if "takes in any case" in text_of(app):
                break

        assert "takes in any case: 31.6 GiB" in text_of(app)
