"""Loads are watched from their start to rest, and kept once."""

import platform
import re
from dataclasses import replace
from pathlib import Path

from scenes import workstation

from tui.learner import Learner, kept_load
from tui.machine_digest import machine_digest
from tui.recognised import Phase, Predicted, Recognised
from tui.store import Store
from tui.watched import LoadWatch, Rested, is_clean

GIB = 1 << 30
MIB = 1 << 20
ENGINE = Recognised(
    pid=7,
    started_ticks=70,
    pids=frozenset({7}),
    program="llama-server",
    engine_name="llamacpp",
    model_name="Qwen3 8B",
    quant="Q4_K_M",
    context_tokens=8192,
    predicted={"GPU 0": Predicted(n_bytes=6 * GIB, low_bytes=5 * GIB, high_bytes=7 * GIB)},
    held={"GPU 0": 0},
    phase=Phase.LOADING,
)


def holding(n_bytes: int, phase: Phase = Phase.RESTING) -> Recognised:
    return replace(ENGINE, held={"GPU 0": n_bytes}, phase=phase)


def watched(*steps: tuple[float, Recognised | None], is_open_before: bool = True) -> list[tuple[float, Rested]]:
    """What is told, and when, of readings at these seconds."""
    watch = LoadWatch()
    if is_open_before:
        watch.look((), -1.0)
    return [(now, found) for now, one in steps for found in watch.look(() if one is None else (one,), now)]


def test_a_load_counts_once_it_has_rested_for_twenty_seconds() -> None:
    told = watched(
        (0, holding(0, Phase.LOADING)), (5, holding(3 * GIB, Phase.LOADING)), (10, holding(6 * GIB)),
        (25, holding(6 * GIB)), (30, holding(6 * GIB)), (31, holding(6 * GIB)), (60, holding(6 * GIB)),
    )  # fmt: skip

    ((now, found),) = told
    assert now == 30
    assert found.loading_seconds == 10


def test_a_load_that_took_all_at_once_and_reads_lasts_until_it_has_read() -> None:
    readings = [
        (
            float(now),
            replace(holding(6 * GIB, Phase.LOADING if now < 75 else Phase.RESTING), moved_seconds=min(now, 55.0)),
        )
        for now in range(0, 90, 5)
    ]
    ((now, found),) = watched(*readings)
    assert (now, found.loading_seconds) == (75, 55)


def test_what_ran_before_the_app_was_opened_does_not_count() -> None:
    assert not watched((0, holding(6 * GIB)), (100, holding(6 * GIB)), is_open_before=False)


def test_what_loads_while_the_app_is_opened_counts() -> None:
    told = watched(
        (0, holding(GIB, Phase.LOADING)), (5, holding(6 * GIB)), (25, holding(6 * GIB)), is_open_before=False
    )

    assert [now for now, _ in told] == [25]


def test_growth_with_the_first_requests_is_told_once_it_rests_again() -> None:
    told = watched(
        (0, holding(6 * GIB)), (20, holding(6 * GIB)), (40, holding(6 * GIB + 100 * MIB)),
        (50, holding(6 * GIB + 100 * MIB)), (60, holding(6 * GIB + 100 * MIB)), (80, holding(6 * GIB + 100 * MIB)),
    )  # fmt: skip

    assert [(now, found.engine.held_bytes) for now, found in told] == [(20, 6 * GIB), (60, 6 * GIB + 100 * MIB)]


def test_growth_much_later_is_work_and_no_load() -> None:
    told = watched((0, holding(6 * GIB)), (20, holding(6 * GIB)), (5000, holding(7 * GIB)), (5100, holding(7 * GIB)))

    assert len(told) == 1


def test_a_process_that_takes_the_number_of_another_is_a_load_of_its_own() -> None:
    told = watched(
        (0, holding(6 * GIB)), (20, holding(6 * GIB)),
        (21, replace(holding(6 * GIB), started_ticks=99)), (41, replace(holding(6 * GIB), started_ticks=99)),
    )  # fmt: skip

    assert [found.engine.started_ticks for _, found in told] == [70, 99]


def test_only_what_was_understood_in_full_counts() -> None:
    resting = holding(6 * GIB)

    assert is_clean(resting)
    for other in (
        replace(resting, predicted={}),
        replace(resting, unknown=("--new-option",)),
        replace(resting, outcome="it spills"),
        replace(resting, held={}),
        replace(resting, phase=Phase.LOADING),
    ):
        assert not is_clean(other)


def rested(**changes: object) -> Rested:
    return Rested(engine=replace(holding(6 * GIB), **changes), loading_seconds=4.0, peak={"GPU 0": 6 * GIB})


def test_what_is_kept_names_device_and_driver() -> None:
    load = kept_load(rested(), workstation(), "here", "boot", 1_790_000_000.0)

    assert load.places[0].product.startswith("NVIDIA")
    assert load.places[0].driver
    assert (load.places[0].predicted_bytes, load.places[0].held_bytes) == (6 * GIB, 6 * GIB)


def test_what_is_kept_names_the_engines_version_and_the_models_architecture() -> None:
    load = kept_load(rested(engine_version="b6900", architecture="qwen3"), workstation(), "here", "boot", 1.79e9)

    assert (load.engine_version, load.architecture) == ("b6900", "qwen3")


def test_no_folder_is_kept() -> None:
    load = kept_load(
        rested(model_name="/home/someone/models/a.gguf", program="/home/someone/bin/llama-server"),
        workstation(), "here", "boot", 1_790_000_000.0,
    )  # fmt: skip

    assert (load.model_name, load.program) == ("a.gguf", "llama-server")
    assert kept_load(rested(model_name="Qwen/Qwen3"), workstation(), "", "", 0.0).model_name == "Qwen/Qwen3"


def learn(path: Path, told: list[str], *, is_on: bool = True) -> None:
    learner = Learner(path, told.append, host="here", boot="boot", is_on=lambda: is_on, wall_clock=lambda: 1.79e9)
    for now, engines in ((0.0, ()), (1.0, (holding(6 * GIB),)), (21.0, (holding(6 * GIB),))):
        learner.learn(engines, workstation(), now)


def test_a_load_that_rests_is_in_the_store(tmp_path: Path) -> None:
    told: list[str] = []
    learn(tmp_path / "l", told)

    assert [load.model_name for load in Store(tmp_path / "l").loads()] == ["Qwen3 8B"]
    assert told == []


def test_two_apps_that_watch_the_same_load_keep_one(tmp_path: Path) -> None:
    learn(tmp_path / "l", [])
    learn(tmp_path / "l", [])

    assert len(Store(tmp_path / "l").loads()) == 1


def test_where_nothing_can_be_written_it_is_said_and_watching_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told: list[str] = []
    learn(tmp_path / "file" / "l", told)

    assert len(told) == 1
    assert "nothing is learned" in told[0]


def test_nothing_is_kept_where_it_is_switched_off(tmp_path: Path) -> None:
    learn(tmp_path / "l", [], is_on=False)

    assert not (tmp_path / "l").exists()


def test_a_machine_is_told_from_another_by_a_digest_and_not_by_its_name() -> None:
    assert machine_digest("desk.example") == machine_digest("desk.example") != machine_digest("other.example")
    assert re.fullmatch("[0-9a-f]{16}", machine_digest("desk.example"))
    assert machine_digest() == machine_digest(platform.node())
