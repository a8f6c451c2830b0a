"""``plimsoll doctor``."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_imports import HEAVY, imported_by

from probes.access import Access
from probes.snapshot import (
    HOST_POOL,
    SWAP_POOL,
    Absence,
    Details,
    Device,
    Fault,
    Machine,
    Pool,
    Process,
    Snapshot,
    Version,
)
from probes.storage import Storage
from tui.cli import main
from tui.doctor import doctor_json, doctor_text, run_doctor
from tui.examination import Examination, Folder, examine
from tui.spills_here import spills_here
from tui.tty import described_terminal

GIB = 1 << 30
IDENTITY = "GPU-5ad0d5e2-74f1-9a2c-8a6b-0123456789ab"
SNAPSHOT = Snapshot(
    taken_seconds=0.0,
    pools=(
        Pool(key=HOST_POOL, total_bytes=64 * GIB, used_bytes=24 * GIB, free_bytes=40 * GIB),
        Pool(key=SWAP_POOL, total_bytes=8 * GIB, used_bytes=0, free_bytes=8 * GIB, medium="file"),
        Pool(key=IDENTITY, total_bytes=24 * GIB, used_bytes=4 * GIB, free_bytes=20 * GIB),
    ),
    devices=(Device(key=IDENTITY, name="NVIDIA GeForce RTX 4090", vendor="nvidia", index=0, pool_key=IDENTITY),),
    processes=(
        Process(pid=4123, device_key=IDENTITY, used_bytes=3 * GIB, name="secretd", command="/opt/secretd", user="anna"),
    ),
    versions=(Version(name="NVIDIA driver", value="580.95"),),
    absences=(Absence(probe="apple", reason="this is no Mac with Apple silicon"),),
    machine=Machine(host_name="lab-gpu-03", system="linux", n_logical_cores=16),
)
ENVIRONMENT = {
    "USER": "anna",
    "HOME": "/home/anna",
    "TERM": "xterm-256color",
    "CUDA_VISIBLE_DEVICES": IDENTITY,
    "HF_TOKEN": "hf_hunter2",
}
LOST = Fault(probe="nvidia", message="it fell off the bus; restart the machine", device_key=IDENTITY)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Examination:
    """A machine looked at once; tests change what they are about."""
    root = tmp_path_factory.mktemp("root")
    (root / "usr/local/cuda").mkdir(parents=True)
    (root / "usr/local/cuda/version.json").write_text('{"cuda": {"version": "12.8.1"}}')
    (root / "opt/rocm/.info").mkdir(parents=True)
    (root / "opt/rocm/.info/version").write_text("7.0.2-56\n")
    found = examine(SNAPSHOT, Access(root=str(root), environment=ENVIRONMENT))
    return replace(found, packages={"textual": "8.2.8", "nvidia-ml-py": "13.615.71", "vllm": "0.33.0"})


def with_snapshot(found: Examination, **changes: Any) -> Examination:
    return replace(found, snapshot=replace(found.snapshot, **changes))


def hints(found: Examination) -> str:
    return "\n".join(found.hints)


def test_what_was_found_and_what_was_not_is_said(healthy: Examination) -> None:
    text = doctor_text(healthy)

    assert "GPU 0: NVIDIA GeForce RTX 4090 · 24.0 GiB, 20.0 GiB free" in text
    assert "apple: this is no Mac with Apple silicon" in text
    assert "NVIDIA driver 580.95 · CUDA toolkit 12.8.1 · ROCm 7.0.2-56" in text
    assert "in this Python: vllm 0.33.0" in text
    assert text.endswith("nothing is broken")


def test_lines_are_no_wider_than_a_screen(healthy: Examination) -> None:
    assert [line for line in doctor_text(healthy).splitlines() if len(line) > 100] == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_neither_form_tells_who_and_where(healthy: Examination, form: str) -> None:
    found = with_snapshot(
        healthy, faults=(Fault(probe="host", message="lab-gpu-03: /home/anna/x is not readable by anna"),)
    )
    shown = doctor_text(found) if form == "text" else json.dumps(doctor_json(found))

    for secret in ("anna", "lab-gpu-03", "0123456789ab", "hunter2", "secretd"):
        assert secret not in shown


def test_json_says_what_the_text_says(healthy: Examination) -> None:
    shown = doctor_json(healthy)

    assert shown["schema"] == 1
    assert shown["devices"][0]["label"] == "GPU 0"
    assert shown["devices"][0]["processes_bytes"] == 3 * GIB
    assert shown["environment"] == {"CUDA_VISIBLE_DEVICES": "GPU-5ad0d5e2-…"}
    assert shown["class"]["grade"] == "mid_size"
    assert shown["broken"] == []


def test_a_fault_breaks_it_and_says_where(healthy: Examination) -> None:
    found = with_snapshot(healthy, faults=(LOST,))

    assert found.broken == ("nvidia: GPU 0: it fell off the bus; restart the machine",)
    assert "1 process holds 3.0 GiB" in " ".join(doctor_text(found).split())
    assert "nothing is broken" not in doctor_text(found)


def test_a_driver_that_does_not_start_leaves_class_and_devices_unknown(tmp_path: Path) -> None:
    fault = Fault(probe="nvidia", message="the NVIDIA driver was updated: restart the machine")
    there = replace(SNAPSHOT, devices=(), processes=(), pools=SNAPSHOT.pools[:2], faults=(fault,))
    found = examine(there, Access(root=str(tmp_path), environment={}))

    assert "no GPU was found" not in doctor_text(found)
    assert "machine for inference" not in doctor_text(found)
    assert doctor_json(found)["class"] is None
    assert "as long as no GPU can be read" in doctor_json(found)["class_unknown"]


def test_a_device_that_cannot_be_read_is_said_not_to_count(tmp_path: Path) -> None:
    second = replace(SNAPSHOT.devices[0], key="b", index=1, pool_key="b")
    there = replace(SNAPSHOT, devices=(*SNAPSHOT.devices, second))

    text = doctor_text(examine(there, Access(root=str(tmp_path), environment={})))

    assert "GPU 1 not counted: memory not known now" in text


def test_a_step_without_a_known_speed_names_the_models_alone(tmp_path: Path) -> None:
    nameless = replace(SNAPSHOT.devices[0], name="Card")  # its bandwidth is in no table
    text = doctor_text(examine(replace(SNAPSHOT, devices=(nameless,)), Access(root=str(tmp_path), environment={})))

    assert "would run Llama 3.3 70B" in " ".join(text.split())
    assert "0.00 tokens/s" not in text


def test_a_part_is_as_large_as_what_it_may_take(healthy: Examination) -> None:
    part = replace(healthy.snapshot.devices[0], parent_key="whole", limit_bytes=6 * GIB, used_bytes=1 * GIB)

    assert "6.0 GiB, 5.0 GiB free" in doctor_text(with_snapshot(healthy, devices=(part,)))


def test_a_note_and_an_absence_break_nothing(healthy: Examination) -> None:
    found = with_snapshot(healthy, faults=(Fault(probe="host", message="64 GiB assumed", is_note=True),))

    assert found.broken == ()
    assert found.notes == ("host: 64 GiB assumed",)


@pytest.mark.parametrize(("faults", "status"), [((), 0), ((LOST,), 1)])
def test_the_exit_status_says_whether_something_is_broken(
    faults: tuple[Fault, ...], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = replace(SNAPSHOT, faults=faults)

    assert run_doctor(lambda: there, Access(root=str(tmp_path), environment={}), is_json=True) == status
    assert len(json.loads(capsys.readouterr().out)["broken"]) == status


@pytest.mark.parametrize(
    ("name", "version", "is_broken"),
    [("nvidia-ml-py3", "7.352.0", True), ("pynvml", "11.5.3", True), ("pynvml", "13.0.1", False)],
)
def test_a_package_in_the_bindings_place_is_broken(
    healthy: Examination, name: str, version: str, is_broken: bool
) -> None:
    found = replace(healthy, packages={**healthy.packages, name: version})

    assert any(f"pip uninstall {name}" in text for text in found.broken) is is_broken


def machine(found: Examination, **changes: Any) -> Examination:
    assert found.snapshot.machine is not None
    return with_snapshot(found, machine=replace(found.snapshot.machine, **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"system": "windows"}, "Prefer No Sysmem Fallback"),
        ({"system": "wsl"}, "WSL has no switch"),
        ({"stalled_ratio": 0.4}, "waited for memory 40 %"),
        ({"memory_pressure": "critical"}, "memory pressure critical"),
        ({"locked_memory_limit_bytes": 8 << 20}, "ulimit -l"),
        ({"n_numa_nodes": 2}, "--numa distribute"),
        ({"usable_cores": 2.5}, "2.5 of 16 logical cores"),
        ({"is_on_battery": True}, "battery"),
    ],
)
def test_a_hint_follows_from_what_the_machine_is(healthy: Examination, changes: dict[str, Any], words: str) -> None:
    found = machine(healthy, **changes)
    found = replace(found, spills=spills_here(found.snapshot))

    assert words in hints(found)
    assert words not in hints(healthy)


def test_a_hidden_device_is_hinted_at(healthy: Examination) -> None:
    hidden = replace(healthy.snapshot.devices[0], hidden_by="CUDA_VISIBLE_DEVICES")

    assert "GPU 0 is hidden by CUDA_VISIBLE_DEVICES: unset it" in hints(with_snapshot(healthy, devices=(hidden,)))
    by_rule = replace(hidden, hidden_by="MIG (before driver 570, a program sees one part only)")
    assert "unset" not in hints(with_snapshot(healthy, devices=(by_rule,)))


@pytest.mark.parametrize(
    ("details", "words"),
    [
        (Details(n_uncorrected_errors=2), "2 uncorrected errors"),
        (Details(n_retired_pages=3), "3 pages or rows"),
        (Details(n_pcie_lanes=4, most_n_pcie_lanes=16), "4 of its 16 PCIe lanes"),
        (Details(throttle_reasons=("heat (hardware)",)), "GPU 0 is held back: heat (hardware)"),
    ],
)
def test_a_hint_follows_from_what_the_driver_counts(healthy: Examination, details: Details, words: str) -> None:
    device = healthy.snapshot.devices[0]

    assert words in hints(with_snapshot(healthy, devices=(replace(device, details=details),)))


def test_what_is_usual_under_load_or_at_rest_is_no_hint(healthy: Examination) -> None:
    usual = Details(
        throttle_reasons=("idle", "power limit"), n_pcie_lanes=16, most_n_pcie_lanes=16, pcie_generation=1,
        most_pcie_generation=4, n_uncorrected_errors=0, n_retired_pages=0,
    )  # fmt: skip
    device = healthy.snapshot.devices[0]

    assert "GPU 0" not in hints(with_snapshot(healthy, devices=(replace(device, details=usual),)))


def test_numbers_of_the_hosts_processes_are_explained(healthy: Examination) -> None:
    outside = replace(healthy.snapshot.processes[0], is_outside=True)

    assert "--pid=host" in hints(with_snapshot(healthy, processes=(outside,)))


def test_inside_windows_no_container_is_named(healthy: Examination) -> None:
    outside = replace(healthy.snapshot.processes[0], is_outside=True)
    told = hints(with_snapshot(machine(healthy, system="wsl"), processes=(outside,)))

    assert "--pid=host" not in told
    assert "process numbers of Windows" in told


def test_a_gpu_without_memory_of_its_own_has_no_fallback_policy(tmp_path: Path) -> None:
    chip = replace(SNAPSHOT.devices[0], pool_key=HOST_POOL, limit_bytes=32 * GIB)
    there = replace(SNAPSHOT, devices=(chip,), machine=Machine(host_name="lab", system="windows"))

    assert "Sysmem" not in hints(examine(there, Access(root=str(tmp_path), environment={})))


def test_a_device_that_a_container_was_not_given_asks_for_another_start(healthy: Examination) -> None:
    withheld = replace(healthy.snapshot.devices[0], hidden_by="the missing /dev/dri/renderD129")

    assert "start this container with it" in hints(with_snapshot(healthy, devices=(withheld,)))


def test_a_limit_of_the_ram_and_no_swap_are_hinted_at(healthy: Examination) -> None:
    ram = replace(healthy.snapshot.pools[0], limited_by="control group /box")
    told = hints(with_snapshot(healthy, pools=(ram, healthy.snapshot.pools[2])))

    assert "limited to 64.0 GiB by control group /box" in told
    assert "no swap space" in told


def test_a_slow_disk_is_hinted_at_with_what_it_costs(healthy: Examination) -> None:
    slow = Folder(owner="Ollama", path="/models", storage=Storage(kind="disk", read_bytes_per_second=0.15e9))
    fast = Folder(owner="LM Studio", path="/fast", storage=Storage(kind="nvme", read_bytes_per_second=3e9))
    told = hints(replace(healthy, folders=(slow, fast)))

    # 20 GiB at 0.15 GB/s are 143 s
    assert "Ollama: /models is slow to read: a model of 20.0 GiB takes 2 min to load" in told
    assert "LM Studio" not in told


def test_a_small_or_dumb_terminal_is_hinted_at(healthy: Examination) -> None:
    terminal = described_terminal({"TERM": "dumb"}, 60, 20, "ascii")
    told = hints(replace(healthy, terminal=terminal))

    for words in ("TERM is dumb", "encoding is ascii", "60 x 20"):
        assert words in told


def test_text_from_outside_is_printed_without_control_codes(healthy: Examination) -> None:
    evil = replace(healthy.snapshot.devices[0], name="\x1b]0;x\x07GPU", driver="\u202e")
    found = with_snapshot(healthy, devices=(evil,), faults=(Fault(probe="x", message="\x1b[2J"),))

    assert "\x1b" not in doctor_text(found)
    assert "\u202e" not in doctor_text(found)


def test_a_broken_version_file_is_no_version(tmp_path: Path) -> None:
    (tmp_path / "usr/local/cuda").mkdir(parents=True)
    (tmp_path / "usr/local/cuda/version.json").write_text('{"cuda": 12}')

    assert examine(SNAPSHOT, Access(root=str(tmp_path), environment={})).toolkits == {}


def test_the_command_line_examines_described_hardware_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--simulate", "RTX 4060, RAM 32GiB"]) == 0

    shown = capsys.readouterr().out
    assert "an entry machine for inference" in shown
    assert "no swap space:" not in shown


def test_doctor_imports_nothing_that_draws() -> None:
    modules = imported_by("doctor", "--simulate", "CPU")

    assert "tui.doctor" in modules
    assert modules & HEAVY == set()


def test_a_fault_that_names_its_device_names_it_once(healthy: Examination) -> None:
    fault = replace(LOST, message="GPU 0 cannot be read now")

    assert with_snapshot(healthy, faults=(fault,)).broken == ("nvidia: GPU 0 cannot be read now",)


def test_what_spilling_means_here_is_said_by_place_and_engine(healthy: Examination) -> None:
    amd = replace(healthy.snapshot.devices[0], vendor="amd", shared_limit_bytes=32 * GIB)
    found = replace(healthy, spills=spills_here(replace(healthy.snapshot, devices=(amd,))))
    text = " ".join(doctor_text(found).split())

    assert "GPU 0 (llama.cpp): with Vulkan the driver would move it to RAM (GTT)" in text
    assert "GPU 0 (vLLM): the allocation would fail: out of memory" in text
    assert "RAM: the system would swap it to disk" in text
    assert [row["outcome"] for row in doctor_json(found)["spills"]] == ["moves to shared memory", "fails", "swaps"]


def test_a_damaged_file_of_what_was_learned_is_broken_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "plimsoll" / "calibrations.json"
    path.parent.mkdir()
    path.write_text("no calibrations")

    (sentence,) = (one for one in examine(SNAPSHOT, Access()).broken if "calibrations.json" in one)

    assert "is damaged" in sentence
    assert not any("calibrations.json" in one for one in examine(SNAPSHOT, Access(), is_described=True).broken)
