"""Accelerators that are read through their makers' tools: what these print, and how often they are asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import pool, recorded_machine

from probes.accelerators import known_accelerators, named_accelerator
from probes.access import Access
from probes.errors import ProbeError, ProbeLost, ProbeUnavailable
from probes.snapshot import Device, Pool, Reading
from probes.tool import ToolProbe, find_tool
from probes.tool_text import bus_address, figure, n_bytes, ratio, visible_indices
from probes.vendors import ascend, gaudi, qualcomm, tpu

MIB = 1 << 20
GIB = 1 << 30

Shown = dict[str, Any]


# --- machines


@pytest.mark.parametrize("shown", ["gaudi"], indirect=True)
def test_gaudi_has_its_memory_and_generation(shown: Shown) -> None:
    idle, busy, silent = shown["devices"]
    assert [device["name"] for device in shown["devices"][:2]] == ["Intel Gaudi 2 (HL-225)", "Intel Gaudi 3 (HL-325L)"]
    assert pool(shown, idle["pool_key"])["total_bytes"] == 96 * GIB
    assert pool(shown, idle["pool_key"])["free_bytes"] == (98304 - 768) * MIB
    assert (busy["used_bytes"], busy["utilization_ratio"], busy["power_watts"]) == (64 * GIB, 0.78, 455)
    assert (busy["bus_address"], busy["numa_node"]) == ("0000:b3:00.0", 1)
    assert silent["used_bytes"] is None
    assert [fault["device_key"] for fault in shown["faults"]] == [silent["key"]]


@pytest.mark.parametrize("shown", ["ascend-a3"], indirect=True)
def test_ascend_has_a_device_for_each_chip(shown: Shown) -> None:
    first, second = shown["devices"]
    assert (first["name"], first["power_watts"], second["power_watts"]) == ("Huawei Ascend910", 178.8, None)
    assert pool(shown, first["pool_key"])["used_bytes"] == 3397 * MIB
    assert pool(shown, second["pool_key"])["free_bytes"] == (65536 - 3186) * MIB
    assert [(one["pid"], one["used_bytes"]) for one in shown["processes"]] == [(632268, 197 * MIB)]


@pytest.mark.parametrize("shown", ["ascend-a3"], indirect=True)
def test_program_sees_the_chips_that_its_variable_lists(shown: Shown) -> None:
    first, second = shown["devices"]
    assert (first["hidden_by"], first["program_index"]) == ("ASCEND_RT_VISIBLE_DEVICES", None)
    assert (second["hidden_by"], second["program_index"]) == (None, 0)


@pytest.mark.parametrize("shown", ["qualcomm"], indirect=True)
def test_qualcomm_has_its_memory(shown: Shown) -> None:
    (device,) = shown["devices"]
    assert (device["name"], device["bus_address"]) == ("Qualcomm Cloud AI 100", "0002:01:00.0")
    assert pool(shown, device["pool_key"])["free_bytes"] == 8116 * MIB
    assert shown["versions"] == [{"name": "Qualcomm runtime", "value": "LRT.AIC.6.7.1.6.52"}]


@pytest.mark.parametrize("shown", ["tpu-v6e"], indirect=True)
def test_tpu_has_what_its_library_says_and_no_network_card(shown: Shown) -> None:
    first, second = shown["devices"]
    assert (first["name"], first["capacity_bytes"]) == ("Google TPU v6e", 32 * GIB)
    assert pool(shown, first["pool_key"])["used_bytes"] == 18.5 * GIB
    assert pool(shown, second["pool_key"])["free_bytes"] == (31.25 - 10.25) * GIB
    assert (first["utilization_ratio"], second["utilization_ratio"]) == (1.0, 0.0)
    assert {(one["pid"], one["device_key"]) for one in shown["processes"]} == {
        (1052, first["key"]),
        (1052, second["key"]),
    }


def test_tpu_that_nobody_holds_has_a_size_and_no_memory_to_plan_with(tmp_path: Path) -> None:
    machine = recorded_machine("tpu-v6e", tmp_path)
    (tmp_path / "usr/local/bin/tpu-info").unlink()
    reading = tpu.open_probe(machine.access).sample()
    assert reading.pools == ()
    assert [device.capacity_bytes for device in reading.devices] == [32 * GIB, 32 * GIB]
    assert all(fault.is_note for fault in reading.faults)


def test_other_machines_with_vfio_have_no_tpu_and_that_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "sys/bus/pci/devices/0000:00:04.0").mkdir(parents=True)
    (tmp_path / "sys/bus/pci/devices/0000:00:04.0/vendor").write_text("0x8086\n")
    with pytest.raises(ProbeUnavailable) as raised:
        tpu.open_probe(Access(root=str(tmp_path), system="linux", environment={}))
    assert raised.value.is_expected


@pytest.mark.parametrize("vendor", [gaudi, ascend, qualcomm])
def test_missing_tool_is_a_fault_that_names_it(vendor: Any, tmp_path: Path) -> None:
    with pytest.raises(ProbeUnavailable, match=r"hl-smi|npu-smi|qaic-util") as raised:
        vendor.open_probe(Access(root=str(tmp_path), system="linux", environment={}))
    assert not raised.value.is_expected


@pytest.mark.parametrize(
    ("vendor", "tool"),
    [(gaudi, "usr/bin/hl-smi"), (ascend, "usr/local/sbin/npu-smi"), (qualcomm, "opt/qti-aic/tools/qaic-util")],
)
def test_tool_that_lists_nothing_is_unavailable_with_a_way_out(vendor: Any, tool: str, tmp_path: Path) -> None:
    (tmp_path / tool).parent.mkdir(parents=True)
    (tmp_path / tool).touch()
    access = Access(root=str(tmp_path), system="linux", environment={}, run=lambda command: b"Number of devices: 0\n")
    with pytest.raises(ProbeUnavailable, match=r"root|dmesg"):
        vendor.open_probe(access).sample()


# --- formats


def test_ultra_card_is_four_devices_with_the_power_of_each() -> None:
    block = (
        "QID {0}\n\tStatus:Ready\n\tPCI Address:0000:{0}a:00.0\n\tDram Total:31299524 KB\n\tDram Free:30812804 KB\n"
        "\tSku Type:Pcie Ultra\n\tBoard power(Watts):48.00\n\tBoard TDP Cap(Watts):150.00\n\tSOC power(Watts):11.00\n"
        "\tSOC TDP Cap(Watts):31.00\n\tSoC temperature(degree C):57.00\n"
    )
    reading = qualcomm.parse("".join(block.format(qid) for qid in range(4)))
    assert [device.name for device in reading.devices] == ["Qualcomm Cloud AI 100 Ultra SoC"] * 4
    assert reading.pools[3].used_bytes == (31299524 - 30812804) * 1024
    assert (reading.devices[0].power_watts, reading.devices[0].power_limit_watts) == (11, 31)


def test_device_that_is_not_ready_is_a_fault() -> None:
    reading = qualcomm.parse("QID 0\n\tStatus:Error\n\tPCI Address:0000:1a:00.0\n")
    assert (len(reading.devices), reading.pools) == (1, ())
    assert "Error" in reading.faults[0].message


def test_npu_without_hbm_has_its_other_memory() -> None:
    reading = ascend.parse(
        "| 2       310P3                 | OK              | NA           70                0     / 0             |\n"
        "| 0       0                     | 0000:01:00.0    | 0            1417 / 44216                            |\n"
        "+-------------------------------+-----------------+------------------------------------------------------+\n"
        "| 2       310P3                 | Warning         | NA           69                0     / 0             |\n"
        "| 1       1                     | 0000:01:00.0    | 0            1516 / 43757                            |\n"
    )
    assert [device.name for device in reading.devices] == ["Huawei Ascend 310P3"] * 2
    assert [pool.used_bytes for pool in reading.pools] == [1417 * MIB, 1516 * MIB]
    assert reading.devices[0].power_watts is None
    assert "Warning" in reading.faults[0].message


def test_npu_whose_figures_run_together_is_read() -> None:
    reading = ascend.parse(
        "| 0     910B2               | OK            | 99.6        37                0    / 0             |\n"
        "| 0                         | 0000:C1:00.0  | 12          0    / 0          59891/ 65536         |\n"
    )
    assert (reading.pools[0].used_bytes, reading.devices[0].utilization_ratio) == (59891 * MIB, 0.12)


def test_two_cores_of_an_old_tpu_are_one_chip() -> None:
    row = "│ {} │ 4.00 GiB / 16.00 GiB │ 50.00% │\n"
    chips = tuple(Device(key=str(n), name="", vendor="tpu", index=n, pool_key=str(n)) for n in range(2))
    reading = tpu.joined(chips, tpu.parse_usage("".join(row.format(n) for n in range(4))), ())
    assert [(pool.total_bytes, pool.used_bytes) for pool in reading.pools] == [(32 * GIB, 8 * GIB)] * 2


def test_columns_that_an_older_tool_lacks_are_not_reported() -> None:
    reading = gaudi.parse(
        "index, name, bus_id, memory.total [MiB], memory.free [MiB]\n0, HL-205, 0000:3b:00.0, 32768, 32000\n"
    )
    assert reading.devices[0].name == "Intel Gaudi (HL-205)"
    assert reading.pools[0].used_bytes == 768 * MIB
    assert reading.devices[0].temperature_celsius is None


PARSERS: list[Callable[[str], Reading]] = [gaudi.parse, ascend.parse, qualcomm.parse]
PIECES = st.sampled_from(
    "index, name, memory.total [MiB], memory.free [MiB]|0, HL-225, 99999999999999999999, -5|N/A|[N/A]|QID 0|QID 99999"
    "|Dram Total:|Dram Free:|8116 MB|-1 MB|Status:Ready|| 0 910B3 | OK | 90.7 37 0 / 0 |"
    "|| 0 | 0000:C1:00.0 | 7 0 / 0 53984/ 65536 |\n|\x1b[31m|\udcff|,,,,|PCI Address:0000:01:00.0".split("|")
)


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.lists(PIECES | st.text(max_size=20), max_size=12).map("\n".join))
def test_any_output_gives_figures_that_make_sense(parse: Callable[[str], Reading], text: str) -> None:
    reading = parse(text)
    assert len({device.key for device in reading.devices}) == len(reading.devices)
    for pool_ in reading.pools:
        assert 0 <= pool_.free_bytes <= pool_.total_bytes == pool_.used_bytes + pool_.free_bytes
        assert pool_.total_bytes < 1 << 60


@given(st.text(max_size=300))
def test_any_text_of_tpu_info_gives_usage_that_makes_sense(text: str) -> None:
    for usage in tpu.parse_usage(text):
        assert 0 <= usage.used_bytes <= usage.total_bytes


@pytest.mark.parametrize(
    ("text", "value"),
    [("78 %", 78.0), ("285 W", 285.0), ("57.5", 57.5), ("N/A", None), ("-", None), ("-5", None), ("", None)],
)
def test_figure_of_a_tool(text: str, value: float | None) -> None:
    assert figure(text) == value


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("98304 MiB", 96 * GIB),
        ("8116 MB", 8116 * MIB),
        ("1024 KB", MIB),
        ("5 parsecs", None),
        ("9" * 15 + " GiB", None),
    ],
)
def test_size_of_a_tool(text: str, size: int | None) -> None:
    assert n_bytes(text) == size


def test_share_of_more_than_all_is_all() -> None:
    assert ratio("250 %") == 1.0


@pytest.mark.parametrize(
    ("text", "address"),
    [("0000:9D:00.0", "0000:9d:00.0"), ("00000000:01:00.0", "0000:01:00.0"), ("9D:00.0", None), ("x", None)],
)
def test_address_is_as_the_kernel_writes_it(text: str, address: str | None) -> None:
    assert bus_address(text) == address


@pytest.mark.parametrize(
    ("text", "indices"), [(None, None), ("", ()), ("2,0", (2, 0)), ("1,1,9", (1,)), ("GPU-1", None), ("0,-1", None)]
)
def test_devices_that_a_variable_lists(text: str | None, indices: tuple[int, ...] | None) -> None:
    assert visible_indices(text, 4) == indices


def test_tool_is_found_in_its_folders_first_and_then_in_the_path(tmp_path: Path) -> None:
    (tmp_path / "usr/games").mkdir(parents=True)
    (tmp_path / "usr/games/hl-smi").touch()
    access = Access(root=str(tmp_path), environment={"PATH": "relative:/usr/games"})
    assert find_tool(access, "hl-smi", ("/usr/bin",)) == "/usr/games/hl-smi"


# --- how often


class Tool:
    """A tool whose answers and failures a test decides, and the time."""

    def __init__(self) -> None:
        self.n_asked = 0
        self.now_seconds = 100.0
        self.error: Exception | None = None

    def read(self) -> Reading:
        self.n_asked += 1
        if self.error is not None:
            raise self.error
        return Reading(pools=(Pool(key="a", total_bytes=4, used_bytes=1, free_bytes=3),))

    def probe(self) -> ToolProbe:
        return ToolProbe("gaudi", "hl-smi", self.read, clock=lambda: self.now_seconds)


def test_tool_is_asked_seldom_and_its_figures_say_how_old_they_are() -> None:
    tool = Tool()
    probe = tool.probe()
    ages = []
    for _ in range(7):
        ages.append(probe.sample().pools[0].late_seconds)
        tool.now_seconds += 1
    assert ages == [0, 1, 2, 3, 4, 0, 1]
    assert tool.n_asked == 2


def test_tool_that_fails_leaves_its_last_figures_with_their_age_and_a_fault() -> None:
    tool = Tool()
    probe = tool.probe()
    probe.sample()
    tool.now_seconds += 6
    tool.error = TimeoutError("no answer within 3 s")
    reading = probe.sample()
    assert reading.pools[0].late_seconds == 6
    assert "does not answer" in reading.faults[0].message


def test_tool_that_fails_for_long_or_at_first_is_lost() -> None:
    tool = Tool()
    tool.error = PermissionError(13, "Permission denied")
    with pytest.raises(ProbeLost, match="run Plimsoll as root"):
        tool.probe().sample()
    tool.error = None
    probe = tool.probe()
    probe.sample()
    tool.error = OSError("ended with status 1")
    tool.now_seconds += 60
    with pytest.raises(ProbeError, match="hl-smi cannot be run: ended with status 1"):
        probe.sample()


# --- names


@pytest.mark.parametrize(
    ("text", "nominal_gib"),
    [
        (gaudi.parse("name, memory.total\nHL-225, 98304 MiB\n"), 96),
        (gaudi.parse("name, memory.total\nHL-338, 131072 MiB\n"), 128),
        (qualcomm.parse("QID 0\n\tSku Type:Pcie Pro\n"), 32),
        (qualcomm.parse("QID 0\n\tSku Type:Pcie Standard\n"), 16),
    ],
)
def test_name_is_that_of_a_known_product(text: Reading, nominal_gib: int) -> None:
    known = named_accelerator(text.devices[0].name, known_accelerators())
    assert known is not None
    assert known.nominal_gib == nominal_gib


def test_fourth_of_an_ultra_card_is_not_taken_for_the_card() -> None:
    reading = qualcomm.parse("QID 0\n\tSku Type:Pcie Ultra\n")
    assert named_accelerator(reading.devices[0].name, known_accelerators()) is None
