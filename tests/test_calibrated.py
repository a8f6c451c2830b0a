"""From loads that are watched to a prediction that is corrected by them, and back again."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands_found import find_command
from gguf_files import llama_metadata, llama_tensors, write_gguf
from kept_loads import lesson_loads
from proc_tree import make_process
from scenes import workstation

from estimator.calibration import Calibration
from estimator.engine import load_engine
from estimator.ledger import Kind
from estimator.reader import read_model
from launches.command import Command
from launches.launch import Launch
from probes.process_facts import ProcessReader
from probes.snapshot import Process, Snapshot
from tui.app import PlimsollApp
from tui.check import run_check
from tui.launched import places_seen
from tui.learner import Learner
from tui.lesson_file import read_calibrations
from tui.load_history import DONE, run_forget, run_history
from tui.messages import AsideDone, SettingsChanged
from tui.places import places_of
from tui.plan import default_plan
from tui.recognised import Phase, Predicted, Recognised
from tui.recogniser import Recogniser
from tui.request import Request
from tui.store import Store

GIB, MIB = 1 << 30, 1 << 20
PID = 7
PRODUCT, DRIVER = "NVIDIA GeForce RTX 4090", "580.159.04"


def holding(n_bytes: int, *, pid: int = PID, n_processes: int = 1, used: int = 500 * MIB) -> Snapshot:
    """A machine on which an engine holds so much in all."""
    empty = workstation(0.5)
    processes = tuple(
        Process(pid=pid + n, device_key=empty.devices[0].key, used_bytes=n_bytes // n_processes)
        for n in range(n_processes)
    )
    return replace(empty, processes=processes)


def engine(number: int, predicted: Predicted, held: int) -> Recognised:
    return Recognised(
        pid=PID, started_ticks=number, pids=frozenset({PID, PID + 1}), program="llama-server", engine_name="llamacpp",
        model_name=f"model {number}", quant="Q4_K_M", predicted={"GPU 0": predicted}, held={"GPU 0": held},
        phase=Phase.RESTING,
    )  # fmt: skip


class Machine:
    """Watches loads one after another, as the app does."""

    def __init__(self, path: Path) -> None:
        self.path = path / "loads.sqlite3"
        self.told: list[str] = []
        self.calibrations: tuple[Calibration, ...] = ()
        self.now = 0.0
        self.learner = Learner(
            self.path, self.told.append, host="here", boot="boot", on_calibrations=self.take,
            wall_clock=lambda: 1.79e9 + self.now,
        )  # fmt: skip
        self.learner.learn((), workstation(), self.now)

    def take(self, found: tuple[Calibration, ...]) -> None:
        self.calibrations = found

    def load(self, number: int, more: int, *, n_processes: int = 1, corrected: int = 0) -> None:
        """One that holds so much more than predicted, where the prediction had been corrected by so much."""
        plain = Predicted(n_bytes=5 * GIB, low_bytes=5 * GIB, high_bytes=5 * GIB + 192 * MIB, runtime_bytes=500 * MIB)
        shown = replace(plain, n_bytes=5 * GIB + corrected, plain=plain) if corrected else plain
        held = 5 * GIB + more
        for seconds in (1, 21):
            found = engine(number, shown, held)
            self.learner.learn((found,), holding(held, n_processes=n_processes), self.now + seconds)
        self.now += 100
        self.learner.learn((), workstation(), self.now)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    for number, more in enumerate((60, 64, 62)):
        made.load(number, more * MIB)
    return made


def test_loads_that_are_watched_calibrate(machine: Machine) -> None:
    (found,) = machine.calibrations
    assert (found.product, found.driver, found.n_bytes // MIB, found.n_loads) == (PRODUCT, DRIVER, 62, 3)
    assert machine.told == []


def test_it_is_written_where_short_commands_read_it(machine: Machine) -> None:
    path = machine.path.with_name("calibrations.json")
    assert read_calibrations(path, "here").calibrations == machine.calibrations


def test_what_was_corrected_is_not_learned_from(machine: Machine) -> None:
    for number in range(3, 8):
        machine.load(number, 62 * MIB, corrected=62 * MIB)
    (found,) = machine.calibrations
    assert (found.n_bytes // MIB, found.n_loads) == (62, 8)
    newest = Store(machine.path).loads(1)[0].places[0]
    assert (newest.predicted_bytes, newest.calibrated_bytes) == (5 * GIB, 5 * GIB + 62 * MIB)


def test_what_is_forgotten_meanwhile_corrects_nothing_any_more(machine: Machine) -> None:
    assert run_forget(["all", "--yes"], machine.path) == DONE
    machine.learner.learn((), workstation(), machine.now)
    assert machine.calibrations == ()


def test_what_another_app_learns_corrects_here_too(machine: Machine, tmp_path: Path) -> None:
    other = Machine(tmp_path)
    machine.load(9, 70 * MIB)
    other.learner.learn((), workstation(), other.now)
    assert other.calibrations == machine.calibrations != ()


def test_several_processes_of_one_engine_do_not_tell(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    for number in range(4):
        machine.load(number, 60 * MIB, n_processes=2)
    assert machine.calibrations == ()
    assert all(load.places[0].runtime_bytes is None for load in Store(machine.path).loads())


def test_where_the_file_cannot_be_written_it_is_said_and_the_load_is_kept(tmp_path: Path) -> None:
    (tmp_path / "calibrations.json").mkdir()
    machine = Machine(tmp_path)
    for number in range(3):
        machine.load(number, 60 * MIB)
    assert len(machine.told) == 1
    assert "not corrected" in machine.told[0]
    assert len(Store(machine.path).loads()) == 3


# What is predicted of an engine that runs


def test_a_launch_is_judged_against_what_loads_here_took(tmp_path: Path) -> None:
    make_process(tmp_path, PID, "llama-server", "-hf", "Qwen/Qwen3-8B-GGUF:Q4_K_M", "-c", "8192", "-ngl", "99")
    learned = Calibration(
        engine_name="llamacpp", product=PRODUCT, driver=DRIVER, n_bytes=62 * MIB, low_bytes=45 * MIB,
        high_bytes=79 * MIB, n_loads=3,
    )  # fmt: skip
    found = []
    for calibrations in ((), (learned,)):
        recogniser = Recogniser(
            ProcessReader(root=str(tmp_path)), clock=lambda: 0.0, calibrations=lambda known=calibrations: known
        )
        (one,) = recogniser.look(holding(GIB))
        found.append(one.predicted["GPU 0"])
    plain, corrected = found
    assert corrected.n_bytes - plain.n_bytes == 62 * MIB
    assert (plain.plain, corrected.plain) == (None, plain)


# The app


def launched(**options: Any) -> PlimsollApp:
    plan = replace(default_plan(read_model("Qwen3 8B", "Q4_K_M")), devices=("GPU 0",))
    return PlimsollApp(snapshot=workstation(0.5), plan=plan, to_local=time.gmtime, **options)


def runtime_bytes(app: PlimsollApp) -> int:
    made = app.screen.view.assessment
    return made.estimate.n_bytes(("GPU 0",), Kind.RUNTIME)


async def test_the_dashboard_is_corrected_while_the_setting_is_on(machine: Machine) -> None:
    app = launched(learned=lambda: machine.calibrations)
    async with app.run_test(size=(120, 36)) as pilot:
        while not app._learned:  # it is read after the first picture
            await pilot.pause()
        corrected = runtime_bytes(app)
        app.post_message(SettingsChanged(replace(app.settings, calibrate=False)))
        while app.settings.calibrate:
            await pilot.pause()
        plain = runtime_bytes(app)
    assert corrected - plain == machine.calibrations[0].n_bytes


async def test_a_load_that_is_kept_counts_at_once(machine: Machine) -> None:
    app = launched()
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        plain = runtime_bytes(app)
        app.post_message(AsideDone(lambda: app._take_learned(machine.calibrations)))
        while not app._learned:
            await pilot.pause()
        assert runtime_bytes(app) - plain == machine.calibrations[0].n_bytes


# What a person sees


def check(capsys: pytest.CaptureFixture[str], found: tuple[Calibration, ...], **shown: bool) -> str:
    request = Request(
        source="Qwen3 8B", quant="Q4_K_M", context_tokens=8192, options=load_engine("llamacpp").Options(), device="0"
    )
    assert run_check(request, lambda: workstation(0.5), calibrations=found, **shown) == 0
    return capsys.readouterr().out


def test_check_explains_it(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    path = machine.path.with_name("calibrations.json")
    text = check(capsys, read_calibrations(path, "here").calibrations, is_explained=True)
    assert "= calibrated from 3 loads here: " in text
    assert "+ 62 MiB" in " ".join(text.split())
    assert "loads here" not in check(capsys, (), is_explained=True)


def test_json_has_the_loads_and_the_plain_figure(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    plain, found = (
        next(
            term
            for term in json.loads(check(capsys, learned, is_json=True))["estimate"]["terms"]
            if term["kind"] == "runtime" and term["place"] == "GPU 0"
        )
        for learned in ((), machine.calibrations)
    )
    assert (plain["loads_here"], plain["uncalibrated_bytes"]) == (0, None)
    assert (found["loads_here"], found["uncalibrated_bytes"], found["basis"]) == (3, plain["bytes"], "calibrated")
    assert found["bytes"] == plain["bytes"] + machine.calibrations[0].n_bytes


@pytest.mark.parametrize("changes", [{"driver": "570.86.15"}, {"product": "NVIDIA GeForce RTX 3060"}])
def test_another_driver_or_device_is_predicted_as_before(
    changes: dict[str, Any], machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    other = replace(machine.calibrations[0], **changes)
    assert check(capsys, (other,), is_explained=True) == check(capsys, (), is_explained=True)


def test_a_command_is_judged_with_it(machine: Machine) -> None:
    words = ("llama-server", "-hf", "Qwen/Qwen3-8B-GGUF:Q4_K_M", "-c", "8192", "-ngl", "99", "--device", "CUDA0")
    plain, corrected = (
        find_command(Command(arguments=words), workstation(0.5), calibrations=learned).assessment
        for learned in ((), machine.calibrations)
    )
    assert plain is not None
    assert corrected is not None
    difference = corrected.estimate.n_bytes(("GPU 0",)) - plain.estimate.n_bytes(("GPU 0",))
    assert difference == machine.calibrations[0].n_bytes


@pytest.mark.parametrize(("program", "is_corrected"), [("llama-cli", True), ("koboldcpp", False), ("llamafile", False)])
def test_programs_with_libraries_of_their_own_are_not_corrected(
    program: str, is_corrected: bool, machine: Machine
) -> None:
    launch = Launch(program=program, engine_name="llamacpp", source="a.gguf", options=None)
    (gpu, *_) = places_seen(launch, workstation(), machine.calibrations)
    assert bool(gpu.calibrations) == is_corrected


@pytest.mark.parametrize(("family", "is_corrected"), [("", True), ("0.12", False)])
def test_a_command_is_not_judged_by_loads_of_other_versions(family: str, is_corrected: bool, machine: Machine) -> None:
    words = ("/opt/llama-b6168/llama-server", "-hf", "Qwen/Qwen3-8B-GGUF:Q4_K_M", "-c", "8192", "-ngl", "99")
    learned = (replace(machine.calibrations[0], family=family),)
    found = find_command(Command(arguments=words), workstation(0.5), calibrations=learned).assessment
    assert found is not None
    assert (found.estimate.plain is not found.estimate) == is_corrected


@pytest.mark.parametrize(("family", "is_corrected"), [("", True), ("0.12", False)])
def test_an_engine_that_runs_is_not_judged_by_loads_of_other_versions(
    family: str, is_corrected: bool, machine: Machine, tmp_path: Path
) -> None:
    words = ("/opt/llama-b6168/llama-server", "-hf", "Qwen/Qwen3-8B-GGUF:Q4_K_M", "-c", "8192", "-ngl", "99")
    make_process(tmp_path, PID, *words)
    learned = (replace(machine.calibrations[0], family=family),)
    recogniser = Recogniser(ProcessReader(root=str(tmp_path)), clock=lambda: 0.0, calibrations=lambda: learned)
    (found,) = recogniser.look(holding(GIB))
    assert (found.predicted["GPU 0"].plain is not None) == is_corrected


@pytest.mark.parametrize(("library", "is_telling"), [("cuda", True), ("vulkan", False)])
def test_an_engine_with_another_library_mapped_does_not_teach(library: str, is_telling: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(path, llama_metadata(), llama_tensors())
    maps = f"7f00-7f01 r-xp 00000000 08:01 1 /opt/lib/libggml-{library}.so.0\n"
    words = ("llama-server", "-m", str(path), "-c", "512", "-ngl", "99", "--device", "CUDA0")
    make_process(tmp_path, PID, *words, maps=maps)
    (found,) = Recogniser(ProcessReader(root=str(tmp_path)), clock=lambda: 0.0).look(holding(GIB))
    assert (found.predicted["GPU 0"].runtime_bytes is not None) == is_telling


def test_memory_that_the_driver_moves_is_not_corrected(machine: Machine) -> None:
    whole, managed = (
        places_of(workstation(), settings=frozenset(named), calibrations=machine.calibrations)[0]
        for named in ((), ("managed",))
    )
    assert (len(whole.calibrations), len(managed.calibrations)) == (1, 0)


def test_a_part_of_a_device_is_not_corrected(machine: Machine) -> None:
    whole = workstation()
    part = replace(whole, devices=(replace(whole.devices[0], parent_key="gpu-x"),))
    assert places_of(whole, calibrations=machine.calibrations)[0].calibrations == machine.calibrations
    assert places_of(part, calibrations=machine.calibrations)[0].calibrations == ()


def test_history_says_what_was_learned(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_history(["2"], machine.path, "here") == 0
    assert " ".join(capsys.readouterr().out.split()).endswith(
        f"llamacpp on {PRODUCT}, driver {DRIVER}: 62 MiB more than predicted (+45 to +79), "
        "calibrated from 3 loads of 3 models"
    )


def test_history_says_what_is_lacking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(tmp_path / "l").keep(lesson_loads(60)[0])
    assert run_history([], tmp_path / "l", "here") == 0
    assert "not corrected: 3 loads are needed; 1 load of 1 model" in " ".join(capsys.readouterr().out.split())


def test_history_as_json_has_it(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_history(["--json"], machine.path, "here") == 0
    (lesson,) = json.loads(capsys.readouterr().out)["learned"]
    assert (lesson["difference_bytes"] // MIB, lesson["loads"], lesson["reason"]) == (62, 3, None)


@pytest.mark.parametrize("which", ["all", "3", "llamacpp", "1"])
def test_what_is_forgotten_corrects_nothing_any_more(which: str, machine: Machine) -> None:
    assert run_forget([which, "--yes"], machine.path) == 0
    assert not machine.path.with_name("calibrations.json").exists()


def test_what_is_left_corrects_still(machine: Machine) -> None:
    machine.load(3, 61 * MIB)
    assert run_forget(["1", "--yes"], machine.path) == 0
    (found,) = read_calibrations(machine.path.with_name("calibrations.json"), "here").calibrations
    assert found.n_loads == 3
