"""Prometheus' text format, read back by Prometheus' own parser."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import FOLDER, recorded_machine
from prometheus_client.parser import text_string_to_metric_families

from probes.snapshot import HOST_POOL, Details, Device, Fault, Machine, Pool, Process, Snapshot, Version
from tui.cli import main
from tui.dump import run_snapshot, write_whole
from tui.prometheus import prometheus_text

GIB = 1 << 30
CARD = Device(
    key="GPU-5ad0",
    name="NVIDIA GeForce RTX 4090",
    vendor="nvidia",
    index=0,
    pool_key="GPU-5ad0",
    utilization_ratio=0.97,
    temperature_celsius=62.0,
)
SNAPSHOT = Snapshot(
    taken_seconds=1795262400.5,
    pools=(
        Pool(key=HOST_POOL, total_bytes=64 * GIB, used_bytes=24 * GIB, free_bytes=40 * GIB, cached_bytes=9 * GIB),
        Pool(key="GPU-5ad0", total_bytes=24 * GIB, used_bytes=4 * GIB, free_bytes=20 * GIB),
    ),
    devices=(CARD,),
    faults=(Fault(probe="nvidia", message="the fans are not read"),),
    versions=(Version(name="NVIDIA driver", value="580.95"),),
    machine=Machine(host_name="secret", system="linux"),
)
GOLDEN = """\
# HELP plimsoll_device_memory_used_bytes Of its memory, what is taken; of a shared pool, what the device holds of it.
# TYPE plimsoll_device_memory_used_bytes gauge
plimsoll_device_memory_used_bytes{device="0",uuid="GPU-5ad0",name="NVIDIA GeForce RTX 4090"} 4294967296
# HELP plimsoll_device_memory_free_bytes Of its own memory, what can still be allocated.
# TYPE plimsoll_device_memory_free_bytes gauge
plimsoll_device_memory_free_bytes{device="0",uuid="GPU-5ad0",name="NVIDIA GeForce RTX 4090"} 21474836480
# HELP plimsoll_device_utilization_ratio Share of the time in which it worked.
# TYPE plimsoll_device_utilization_ratio gauge
plimsoll_device_utilization_ratio{device="0",uuid="GPU-5ad0",name="NVIDIA GeForce RTX 4090"} 0.97
"""


def samples(snapshot: Snapshot, n_processes: int = 0) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Metric -> labels and value of each line, as Prometheus understands them."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(prometheus_text(snapshot, n_processes=n_processes)):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_the_text_is_what_a_collector_expects() -> None:
    assert GOLDEN in prometheus_text(SNAPSHOT)


def test_every_family_is_helped_typed_and_in_one_piece() -> None:
    lines = prometheus_text(replace(SNAPSHOT, devices=(replace(CARD, details=Details(n_corrected_errors=3)),))).split(
        "\n"
    )
    names = [line.partition("{")[0].partition(" ")[0] for line in lines if line and not line.startswith("#")]
    families = list(dict.fromkeys(names))

    assert sorted(names, key=families.index) == names
    assert [line.split()[2] for line in lines if line.startswith("# HELP")] == families
    assert [line.split()[2] for line in lines if line.startswith("# TYPE")] == families


def test_parts_that_share_a_pool_do_not_count_it_twice() -> None:
    part = replace(CARD, parent_key="whole", limit_bytes=6 * GIB, used_bytes=1 * GIB)
    found = samples(replace(SNAPSHOT, devices=tuple(replace(part, key=key) for key in "ab")))

    assert [value for _, value in found["plimsoll_device_memory_used_bytes"]] == [GIB, GIB]
    assert [value for _, value in found["plimsoll_device_memory_limit_bytes"]] == [6 * GIB, 6 * GIB]
    assert "plimsoll_device_memory_total_bytes" not in found
    assert "plimsoll_device_memory_free_bytes" not in found


def test_names_end_in_their_unit() -> None:
    units = ("_bytes", "_ratio", "_celsius", "_watts", "_seconds", "_info", "_hertz", "_total", "_per_second")
    flags = {
        "plimsoll_device_asleep",
        "plimsoll_device_hidden",
        "plimsoll_device_throttled",
        "plimsoll_device_retired_pages",
    }
    full = replace(
        CARD, details=Details(throttle_reasons=("heat",), n_retired_pages=1, graphics_clock_megahertz=2520.0)
    )
    names = set(samples(replace(SNAPSHOT, devices=(full,))))

    assert {name for name in names if not name.endswith(units)} == flags


def test_a_figure_that_is_not_known_has_no_line() -> None:
    found = samples(SNAPSHOT)

    assert "plimsoll_device_power_watts" not in found
    assert found["plimsoll_pool_cached_bytes"] == [({"pool": "host"}, 9 * GIB)]


def test_figures_that_are_no_numbers_have_no_line() -> None:
    odd = replace(CARD, utilization_ratio=float("nan"), temperature_celsius=float("inf"))
    found = samples(replace(SNAPSHOT, devices=(odd,)))

    assert "plimsoll_device_utilization_ratio" not in found
    assert "plimsoll_device_temperature_celsius" not in found


def test_a_lost_device_is_still_told_of_and_its_memory_is_not() -> None:
    found = samples(replace(SNAPSHOT, pools=SNAPSHOT.pools[:1]))

    assert found["plimsoll_device_info"][0][0]["uuid"] == "GPU-5ad0"
    assert "plimsoll_device_memory_used_bytes" not in found


def test_a_device_on_the_hosts_memory_tells_its_part_and_no_size_of_its_own() -> None:
    chip = replace(CARD, pool_key=HOST_POOL, used_bytes=5 * GIB, limit_bytes=48 * GIB)
    found = samples(replace(SNAPSHOT, devices=(chip,)))

    assert found["plimsoll_device_memory_used_bytes"][0][1] == 5 * GIB
    assert found["plimsoll_device_memory_limit_bytes"][0][1] == 48 * GIB
    assert "plimsoll_device_memory_total_bytes" not in found


def test_a_sleeping_device_has_its_size_and_no_usage() -> None:
    asleep = replace(CARD, is_asleep=True, capacity_bytes=8 * GIB, pool_key="gone")
    found = samples(replace(SNAPSHOT, devices=(asleep,)))

    assert found["plimsoll_device_asleep"][0][1] == 1
    assert found["plimsoll_device_memory_total_bytes"][0][1] == 8 * GIB


def test_clocks_are_in_hertz_and_errors_are_counters() -> None:
    full = replace(CARD, details=Details(graphics_clock_megahertz=2520.0, n_uncorrected_errors=2))
    found = samples(replace(SNAPSHOT, devices=(full,)))

    assert found["plimsoll_device_graphics_clock_hertz"][0][1] == 2.52e9
    assert found["plimsoll_device_memory_errors_total"][0][0]["kind"] == "uncorrected"


def test_a_fault_is_told_and_a_note_is_none() -> None:
    noted = replace(SNAPSHOT, faults=(*SNAPSHOT.faults, Fault(probe="host", message="assumed", is_note=True)))

    assert samples(noted)["plimsoll_fault_info"] == [({"probe": "nvidia", "message": "the fans are not read"}, 1)]


def test_the_host_is_not_named() -> None:
    assert "secret" not in prometheus_text(SNAPSHOT)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_name_from_outside_breaks_a_line(name: str, message: str) -> None:
    evil = replace(
        SNAPSHOT, devices=(replace(CARD, name=name),), faults=(Fault(probe="nvidia", message=message, device_key=name),)
    )

    found = samples(evil)

    assert found["plimsoll_device_memory_used_bytes"][0][1] == 4 * GIB
    assert len(found["plimsoll_fault_info"]) == 1


def test_quotes_and_backslashes_are_read_back() -> None:
    named = replace(SNAPSHOT, devices=(replace(CARD, name='a "b" \\n c'),))

    assert samples(named)["plimsoll_device_info"][0][0]["name"] == 'a "b" \\n c'


def test_a_label_is_bounded() -> None:
    long = replace(SNAPSHOT, faults=(Fault(probe="nvidia", message="x" * 10_000),))

    assert len(samples(long)["plimsoll_fault_info"][0][0]["message"]) == 200


def processes(*held: tuple[str | None, int]) -> Snapshot:
    return replace(
        SNAPSHOT,
        processes=tuple(
            Process(pid=pid, device_key=CARD.key, name=name, used_bytes=n_bytes)
            for pid, (name, n_bytes) in enumerate(held)
        ),
    )


def test_processes_are_left_out_unless_asked_for() -> None:
    assert "plimsoll_process_memory_used_bytes" not in samples(processes(("python3", GIB)))


def test_processes_of_one_name_are_one_series_and_the_rest_is_another() -> None:
    found = samples(processes(("python3", GIB), ("python3", GIB), ("Xorg", 5), ("x", 2), (None, 3)), n_processes=2)

    held = {labels["process"]: value for labels, value in found["plimsoll_process_memory_used_bytes"]}
    assert held == {"python3": 2 * GIB, "Xorg": 5, "other": 5}


def test_a_file_is_put_in_place_whole_and_everybody_may_read_it(tmp_path: Path) -> None:
    target = tmp_path / "plimsoll.prom"
    target.write_text("old")

    assert run_snapshot(lambda: SNAPSHOT, is_prometheus=True, output=str(target)) == 0

    assert target.read_text() == prometheus_text(SNAPSHOT)
    assert [path.name for path in tmp_path.iterdir()] == ["plimsoll.prom"]
    if os.name == "posix":
        assert stat.S_IMODE(target.stat().st_mode) & 0o444 & ~_umask() == 0o444 & ~_umask()


def _umask() -> int:
    old = os.umask(0)
    os.umask(old)
    return old


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder.prom").mkdir()

    with pytest.raises(OSError):  # noqa: PT011 - which one is the system's choice
        write_whole(str(tmp_path / "folder.prom"), "text")

    assert [path.name for path in tmp_path.iterdir()] == ["folder.prom"]


def test_the_command_line_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.prom"

    assert main(["snapshot", "--prometheus", "--output", str(target), "--simulate", "RTX 4090"]) == 0

    assert "plimsoll_device_info" in target.read_text()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--follow", "--prometheus"],
        ["--follow", "--output", "x"],
        ["--json", "--prometheus"],
        ["--processes", "3"],
        ["--prometheus", "--processes", "0"],
        ["--prometheus", "--processes", "many"],
    ],
)
def test_formats_that_exclude_each_other_are_wrong_use(arguments: list[str]) -> None:
    assert main(["snapshot", *arguments, "--simulate", "CPU"]) == 2


def test_an_output_that_cannot_be_written_is_status_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snapshot", "--output", str(tmp_path / "no" / "where"), "--simulate", "CPU"]) == 3
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_machine_that_is_described_is_understood(path: Path, tmp_path: Path) -> None:
    snapshot = recorded_machine(path.stem, tmp_path).snapshot()
    found = samples(snapshot, n_processes=5)

    labels = [labels["uuid"] for labels, _ in found.get("plimsoll_device_info", [])]
    assert labels == [device.key for device in snapshot.devices]
    assert len(found["plimsoll_pool_total_bytes"]) == len(snapshot.pools)
