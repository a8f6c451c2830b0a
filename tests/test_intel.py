"""Intel GPUs: pieces of the probe, on trees that tests write and a driver that tests stand in for."""

from pathlib import Path

import pytest
from fake_drm import FakeNode, FakeNodes
from hypothesis import given
from hypothesis import strategies as st

from probes.access import Access
from probes.errors import ProbeLost, ProbeUnavailable
from probes.intel_gt import Counters, awake_ratio, power_watts
from probes.intel_products import intel_product
from probes.intel_regions import memory_regions
from probes.oneapi_visibility import visibility
from probes.pci_names import pci_name
from probes.snapshot import Device, Fault, Reading
from probes.vendors.intel import IntelProbe, open_probe

GIB = 1 << 30
ADDRESS = "0000:03:00.0"


class Machine:
    """One with an Arc B580, of which tests change what the driver says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seconds = 50.0
        self.access = Access(root=str(root), system="linux", environment={})
        self.node = FakeNode(driver="xe", regions=[(False, 16 * GIB, 0), (True, 12 * GIB, 3 * GIB)])
        self.card("card0", ADDRESS, "8086:E20B")
        (root / "sys/class/drm/card0/device/drm/renderD128").mkdir(parents=True)
        self.writes("proc/meminfo", "MemTotal: 33554432 kB\n")
        nodes = FakeNodes({"/dev/dri/renderD128": self.node})
        self.probe = IntelProbe(self.access, nodes=nodes.access(), clock=lambda: self.seconds)

    def card(self, name: str, address: str, numbers: str, driver: str = "xe") -> None:
        self.writes(
            f"sys/class/drm/{name}/device/uevent", f"DRIVER={driver}\nPCI_ID={numbers}\nPCI_SLOT_NAME={address}\n"
        )

    def says(self, name: str, text: str) -> None:
        self.writes(f"sys/class/drm/card0/device/{name}", text)

    def writes(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def holds(self, pid: int, kibibytes: int) -> None:
        folder = self.root / "proc" / str(pid)
        (folder / "fd").mkdir(parents=True, exist_ok=True)
        (folder / "fd/3").symlink_to("/dev/dri/renderD128")
        text = f"drm-driver:\txe\ndrm-client-id:\t{pid}\ndrm-pdev:\t{ADDRESS}\ndrm-resident-vram0:\t{kibibytes} KiB\n"
        self.writes(f"proc/{pid}/fdinfo/3", text)

    def reading(self) -> Reading:
        return self.probe.sample()

    def device(self) -> Device:
        (device,) = self.reading().devices
        return device

    def fault(self) -> Fault:
        (fault,) = self.reading().faults
        return fault


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("driver", ["xe", "i915"])
def test_both_drivers_tell_the_same_regions(driver: str) -> None:
    node = FakeNode(driver=driver, regions=[(False, 16 * GIB, 0), (True, 12 * GIB, GIB)])
    nodes = FakeNodes({"node": node})
    ram, own = memory_regions(driver, nodes.open("node"), nodes.ioctl)
    assert (ram.is_own, ram.total_bytes, ram.used_bytes) == (False, 16 * GIB, None)
    assert (own.is_own, own.total_bytes, own.used_bytes) == (True, 12 * GIB, GIB)


@pytest.mark.parametrize("driver", ["xe", "i915"])
@given(regions=st.lists(st.tuples(st.booleans(), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=5))
def test_sizes_that_no_memory_has_are_no_regions(driver: str, regions: list[tuple[bool, int, int]]) -> None:
    sane = [(own, total, min(used, total)) for own, total, used in regions]
    nodes = FakeNodes({"node": FakeNode(driver=driver, regions=sane)})
    found = memory_regions(driver, nodes.open("node"), nodes.ioctl)
    assert [region.total_bytes for region in found] == [total for _, total, _ in sane if 0 < total < 1 << 63]
    assert all(region.used_bytes is None or 0 < region.used_bytes <= region.total_bytes for region in found)


@pytest.mark.parametrize("driver", ["xe", "i915"])
@given(answer=st.binary(max_size=300))
def test_garbage_from_a_driver_breaks_nothing(driver: str, answer: bytes) -> None:
    class Garbled(FakeNode):
        def answer(self) -> bytes:
            return answer

    nodes = FakeNodes({"node": Garbled(driver=driver)})
    found = memory_regions(driver, nodes.open("node"), nodes.ioctl)
    assert all(0 < region.total_bytes < 1 << 63 for region in found)


def test_other_drivers_have_no_such_query() -> None:
    with pytest.raises(OSError, match="nouveau"):
        memory_regions("nouveau", 3, FakeNodes({}).ioctl)


def test_memory_of_several_tiles_is_one_body(machine: Machine) -> None:
    machine.node.regions = [(True, 64 * GIB, GIB), (True, 64 * GIB, 2 * GIB)]
    (pool,) = machine.reading().pools
    assert (pool.total_bytes, pool.used_bytes) == (128 * GIB, 3 * GIB)


def test_a_node_that_may_not_be_opened_says_which_group_to_join(machine: Machine) -> None:
    machine.node.refused = 13
    fault = machine.fault()
    assert "join the group render" in fault.message
    assert not fault.is_note
    assert machine.device().pool_key == f"intel-{ADDRESS}"


def test_a_size_in_sysfs_serves_where_the_node_is_closed_to_us(machine: Machine) -> None:
    machine.node.refused = 13
    machine.says("tile0/physical_vram_size_bytes", f"{12 * GIB}\n")
    machine.holds(70, 1 << 20)
    (pool,) = machine.reading().pools
    assert (pool.total_bytes, pool.used_bytes) == (12 * GIB, GIB)


def test_use_that_is_hidden_is_what_can_be_seen_and_said_to_be(machine: Machine) -> None:
    machine.node.regions = [(True, 12 * GIB, 0)]
    machine.holds(70, 2 << 20)
    reading = machine.reading()
    assert reading.pools[0].used_bytes == 2 * GIB
    assert reading.faults[0].is_note
    assert "at least" in reading.faults[0].message


def test_a_node_that_is_lost_is_opened_anew(machine: Machine) -> None:
    machine.reading()
    machine.node.lost = 19
    assert "No such device" in machine.reading().faults[0].message
    machine.node.lost = None
    assert machine.reading().faults == ()
    assert machine.node.n_open == 1


def test_a_sleeping_card_is_let_go_and_not_asked(machine: Machine) -> None:
    machine.reading()
    n_asked = machine.node.n_asked
    machine.says("power/runtime_status", "suspended\n")
    device = machine.device()
    assert (device.is_asleep, device.capacity_bytes) == (True, 12 * GIB)
    assert machine.node.n_asked == n_asked
    assert machine.node.n_open == 0


def test_a_card_that_slept_all_along_has_the_size_it_is_sold_with(machine: Machine) -> None:
    machine.says("power/runtime_status", "suspended\n")
    assert machine.device().capacity_bytes == 12 * GIB


def test_nothing_stays_open_when_the_probe_is_closed(machine: Machine) -> None:
    machine.reading()
    machine.probe.close()
    assert machine.node.n_open == 0


def test_power_is_energy_over_time(machine: Machine) -> None:
    machine.says("hwmon/hwmon2/energy1_input", "1000000\n")
    assert machine.device().power_watts is None
    machine.seconds += 2.0
    machine.says("hwmon/hwmon2/energy1_input", "301000000\n")
    assert machine.device().power_watts == 150.0


@pytest.mark.parametrize(("before", "now"), [(None, 5), (5, None), (10, 5)])
def test_a_counter_that_is_missing_or_went_round_is_no_power(before: int | None, now: int | None) -> None:
    earlier = Counters(read_seconds=1.0, energy_microjoules=before, idle_milliseconds=None)
    later = Counters(read_seconds=2.0, energy_microjoules=now, idle_milliseconds=None)
    assert power_watts(earlier, later) is None


def test_where_no_client_is_seen_time_out_of_idleness_is_the_load() -> None:
    earlier = Counters(read_seconds=1.0, energy_microjoules=None, idle_milliseconds=1000)
    later = Counters(read_seconds=3.0, energy_microjoules=None, idle_milliseconds=2500)
    assert awake_ratio(earlier, later) == 0.25


def test_details_name_what_holds_it_back(machine: Machine) -> None:
    machine.says("tile0/gt0/freq0/act_freq", "1200\n")
    for name, text in {"status": "1", "reason_pl1": "1", "reason_thermal": "0", "reason_new": "1"}.items():
        machine.says(f"tile0/gt0/freq0/throttle/{name}", text)
    machine.access.attention.is_on_details = True
    details = machine.device().details
    assert details is not None
    assert details.graphics_clock_megahertz == 1200
    assert details.throttle_reasons == ("new", "sustained power limit")


def test_a_card_that_was_unplugged_is_lost(machine: Machine) -> None:
    machine.reading()
    (machine.root / "sys/class/drm/card0").rename(machine.root / "gone")
    with pytest.raises(ProbeLost, match="gone"):
        machine.reading()


def test_nothing_is_opened_where_no_card_is(tmp_path: Path) -> None:
    with pytest.raises(ProbeUnavailable) as unavailable:
        open_probe(Access(root=str(tmp_path), system="linux"))
    assert unavailable.value.is_expected


def test_a_product_is_known_by_our_list_the_system_s_or_its_number(tmp_path: Path) -> None:
    (tmp_path / "usr/share/misc").mkdir(parents=True)
    text = "# list\n1002  AMD\n\t56a0  Wrong one\n8086  Intel Corporation\n\t46d3  Chip [Intel Graphics]\n\t\t1 2  x\n"
    (tmp_path / "usr/share/misc/pci.ids").write_text(text)
    assert intel_product(str(tmp_path), 0x56A0).name == "Intel Arc A770"
    assert intel_product(str(tmp_path), 0x46D3).name == "Intel Graphics"
    assert intel_product(str(tmp_path), 0xFFFF).name == "Intel Graphics (8086:ffff)"


def test_a_number_of_another_vendor_is_not_its_name(tmp_path: Path) -> None:
    (tmp_path / "usr/share/misc").mkdir(parents=True)
    (tmp_path / "usr/share/misc/pci.ids").write_text("\n1002  AMD\n\t0001  One\n# end\n8086  Intel\n\t0002  Two [2]\n")
    assert pci_name(str(tmp_path), 0x1002, 2) is None
    assert pci_name(str(tmp_path), 0x1002, 1) == "One"
    assert pci_name(str(tmp_path), 0x8086, 2) == "2"


# by address: the processor's own GPU, then two cards
GPUS = [True, False, False]


@pytest.mark.parametrize(
    ("environment", "order"),
    [
        ({}, [1, 2, 0]),
        ({"ZE_AFFINITY_MASK": ""}, [1, 2, 0]),
        ({"ZE_AFFINITY_MASK": "2,0"}, [2, 0]),
        ({"ZE_AFFINITY_MASK": "1.0,1.1"}, [1]),
        ({"ZE_AFFINITY_MASK": "7"}, []),
        ({"ONEAPI_DEVICE_SELECTOR": "level_zero:0"}, [1]),
        ({"ONEAPI_DEVICE_SELECTOR": "level_zero:1,2"}, [2, 0]),
        ({"ONEAPI_DEVICE_SELECTOR": "Level_Zero:GPU"}, [1, 2, 0]),
        ({"ONEAPI_DEVICE_SELECTOR": "*:gpu"}, [1, 2, 0]),
        ({"ONEAPI_DEVICE_SELECTOR": "opencl:cpu"}, []),
        ({"ONEAPI_DEVICE_SELECTOR": "cuda:*"}, []),
        ({"ONEAPI_DEVICE_SELECTOR": "!level_zero:0"}, [2, 0]),
        ({"ONEAPI_DEVICE_SELECTOR": "level_zero:*;!level_zero:2"}, [1, 2]),
        ({"ONEAPI_DEVICE_SELECTOR": "!opencl:*"}, [1, 2, 0]),
        ({"ONEAPI_DEVICE_SELECTOR": "level_zero:0.1"}, [1]),
        ({"ONEAPI_DEVICE_SELECTOR": "level_zero:0", "ZE_AFFINITY_MASK": "2"}, [2]),
    ],
)
def test_programs_see_the_gpus_that_the_variables_leave(environment: dict[str, str], order: list[int]) -> None:
    seen = visibility(GPUS, environment)
    assert sorted(seen.program_indices, key=lambda gpu: seen.program_indices[gpu]) == order
    assert set(seen.hidden_by) == set(range(len(GPUS))) - set(order)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_the_choice(mask: str, selector: str) -> None:
    seen = visibility(GPUS, {"ZE_AFFINITY_MASK": mask, "ONEAPI_DEVICE_SELECTOR": selector})
    assert set(seen.program_indices) | set(seen.hidden_by) == set(range(len(GPUS)))


def test_in_a_container_a_gpu_that_was_not_handed_over_is_hidden_and_not_asked(tmp_path: Path) -> None:
    (tmp_path / "dev/dri").mkdir(parents=True)
    machine = Machine(tmp_path)
    reading = machine.reading()
    assert reading.devices[0].hidden_by == "the missing /dev/dri/renderD128"
    assert reading.devices[0].program_index is None
    assert [fault.is_note for fault in reading.faults] == [True]
    assert machine.node.n_asked == 0


def test_a_card_that_nobody_uses_is_left_alone_so_that_it_can_fall_asleep(machine: Machine) -> None:
    machine.says("power/control", "auto\n")
    machine.says("power/runtime_usage", "0\n")
    machine.reading()
    n_asked = machine.node.n_asked
    reading = machine.reading()
    assert machine.node.n_asked == n_asked
    assert machine.node.n_open == 0
    assert reading.pools[0].used_bytes == 3 * GIB  # as it was said last
    assert reading.faults == ()
