import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from probes.recording import snapshot_from_json
from probes.simulate import simulated_sources
from probes.snapshot import HOST_POOL, Absence, Details, Device, Fault, Machine, Pool, Process, Snapshot, Version
from tui.cli import main
from tui.dump import run_follow, run_snapshot, snapshot_line, snapshot_text

GIB = 1 << 30
GPU = Device(
    key="gpu-a",
    name="NVIDIA GeForce RTX 4090",
    vendor="nvidia",
    index=0,
    pool_key="gpu-a",
    utilization_ratio=0.97,
    temperature_celsius=62.0,
    power_watts=285.4,
    power_limit_watts=450.0,
)
SNAPSHOT = Snapshot(
    taken_seconds=0.0,
    pools=(
        Pool(key=HOST_POOL, total_bytes=128 * GIB, used_bytes=28 * GIB, free_bytes=100 * GIB),
        Pool(key="gpu-a", total_bytes=24 * GIB, used_bytes=16 * GIB, free_bytes=8 * GIB),
    ),
    devices=(GPU,),
    processes=(Process(pid=4123, device_key="gpu-a", used_bytes=15 * GIB, name="llama-server"),),
    faults=(Fault(probe="nvidia", message="the fans are not read"),),
    versions=(Version(name="NVIDIA driver", value="580.95"),),
    machine=Machine(host_name="lab", system="linux"),
)


def test_a_device_is_one_line_of_what_is_known() -> None:
    assert (
        "  GPU 0  NVIDIA GeForce RTX 4090  16.0 of 24.0 GiB  used · 97 % · 62 °C · 285 of 450 W"
        in snapshot_text(SNAPSHOT).splitlines()
    )


def test_machine_versions_processes_and_faults_are_said() -> None:
    text = snapshot_text(SNAPSHOT)

    assert text.startswith("lab · linux · NVIDIA driver 580.95 · ")
    assert "4123  GPU 0  15.0 GiB  llama-server" in text
    assert "! nvidia: the fans are not read" in text
    assert "28.0 of 128 GiB" in text


def test_a_fault_of_a_device_says_of_which() -> None:
    asleep = Fault(probe="amd", message="asleep to save power", device_key="gpu-a")

    assert "! amd: GPU 0: asleep to save power" in snapshot_text(replace(SNAPSHOT, faults=(asleep,)))


def test_a_device_without_figures_says_so_and_is_not_zero() -> None:
    lost = Snapshot(taken_seconds=0.0, devices=(GPU,))

    text = snapshot_text(lost)

    assert "memory not known now" in text
    assert "0.0" not in text


def test_a_process_that_can_not_be_seen_is_not_blank() -> None:
    hidden = Snapshot(taken_seconds=0.0, devices=(GPU,), processes=(Process(pid=7, device_key="gpu-a"),))

    assert "7  GPU 0     –  not visible from here" in snapshot_text(hidden)


def test_an_old_figure_shows_its_age() -> None:
    late = Pool(key="gpu-a", total_bytes=GIB, used_bytes=0, free_bytes=GIB, late_seconds=12.0)

    assert "used · 97 % · 62 °C · 285 of 450 W · 12 s old" in snapshot_text(
        Snapshot(taken_seconds=0.0, devices=(GPU,), pools=(late,))
    )


def test_names_from_outside_are_printed_without_control_codes() -> None:
    evil = Snapshot(
        taken_seconds=0.0,
        devices=(Device(key="e", name="\x1b]0;x\x07GPU", vendor="nvidia", index=0, pool_key="e"),),
        processes=(Process(pid=1, device_key="e", name="a\nb\x1b[2J"),),
        faults=(Fault(probe="nvidia", message="\x1b[31m"),),
        versions=(Version(name="\x1b", value="\u202e"),),
        machine=Machine(host_name="\x1b[1m", system="linux"),
    )

    text = snapshot_text(evil)

    assert "\x1b" not in text
    assert "\u202e" not in text


def test_json_is_one_line_that_is_read_back_equal() -> None:
    line = snapshot_line(SNAPSHOT)

    assert "\n" not in line
    assert snapshot_line(snapshot_from_json(json.loads(line))) == line


def test_nothing_read_is_status_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_snapshot(lambda: Snapshot(taken_seconds=0.0)) == 3
    assert "nothing could be read" in capsys.readouterr().out


def test_a_snapshot_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snapshot", "--simulate", "2x RTX 4090, RAM 64GiB"]) == 0
    assert capsys.readouterr().out.count("RTX 4090") == 2


def test_a_stream_can_be_played_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_follow(simulated_sources("RTX 3060, RAM 32GiB"), 0.1, n_lines=2) == 0
    lines = capsys.readouterr().out
    recording = tmp_path / "recording.jsonl"
    recording.write_text(lines, "utf-8")

    assert lines.count("\n") == 2
    assert main(["snapshot", "--replay", str(recording)]) == 0
    assert "RTX 3060" in capsys.readouterr().out


def shown(**changes: Any) -> str:
    return snapshot_text(replace(SNAPSHOT, **changes))


def test_a_hidden_device_is_shown_and_by_what_it_is_hidden() -> None:
    assert "hidden by CUDA_VISIBLE_DEVICES" in shown(devices=(replace(GPU, hidden_by="CUDA_VISIBLE_DEVICES"),))


def test_a_sleeping_device_is_asleep_and_has_its_size() -> None:
    text = shown(devices=(replace(GPU, is_asleep=True, capacity_bytes=8 * GIB, pool_key="gone"),))

    assert "8.0 GiB  asleep, and not woken for this" in text
    assert "not known" not in text


def test_what_a_device_holds_of_the_ram_is_said() -> None:
    assert "3.0 GiB more in RAM" in shown(devices=(replace(GPU, shared_used_bytes=3 * GIB),))
    assert "more in RAM" not in shown(devices=(replace(GPU, shared_used_bytes=0),))


def test_caches_and_limits_of_the_ram_are_said() -> None:
    ram = replace(SNAPSHOT.pools[0], cached_bytes=9 * GIB, limited_by="control group /box")

    assert "used · 9.0 GiB of caches counted as free · limited by control group /box" in shown(pools=(ram,))


def test_a_process_has_its_user_and_container() -> None:
    process = replace(SNAPSHOT.processes[0], user="anna", container="3f2a")

    assert "llama-server · anna · 3f2a" in shown(processes=(process,))


def test_processes_of_the_hosts_numbering_are_counted_and_never_named() -> None:
    outside = tuple(
        Process(pid=pid, device_key="gpu-a", used_bytes=used, name="sshd", is_outside=True)
        for pid, used in ((7, 2 * GIB), (8, 3 * GIB), (9, None))
    )
    text = shown(processes=outside)

    assert "GPU 0  5.0 GiB  3 processes (host PIDs)" in text
    assert "sshd" not in text


def test_what_is_absent_is_not_listed() -> None:
    assert "no Mac" not in shown(absences=(Absence(probe="apple", reason="this is no Mac"),))


def test_details_are_said_where_they_were_read() -> None:
    details = Details(
        graphics_clock_megahertz=1980.0, throttle_reasons=("heat",), pcie_generation=4, n_pcie_lanes=8,
        n_uncorrected_errors=1,
    )  # fmt: skip

    assert "1980 MHz · held back: heat · PCIe 4.0 x8 · 1 uncorrected errors" in shown(
        devices=(replace(GPU, details=details),)
    )
