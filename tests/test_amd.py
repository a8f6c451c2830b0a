"""AMD GPUs: pieces of the probe, on trees that tests write."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.accelerators import known_accelerators, named_accelerator
from probes.access import Access
from probes.drm import AMD, cards, pcie_generation
from probes.errors import ProbeLost, ProbeUnavailable
from probes.kfd import architecture, compute_nodes, held_bytes
from probes.presence import MISSING
from probes.radeon_names import radeon_name
from probes.rocm_visibility import visibility
from probes.snapshot import Device, Reading
from probes.vendors.amd import AmdProbe, open_probe

GIB = 1 << 30
ADDRESS = "0000:03:00.0"


class Machine:
    """One with a card, of which tests change what the driver says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.access = Access(root=str(root), system="linux", environment={})
        self.says("uevent", f"DRIVER=amdgpu\nPCI_ID=1002:744C\nPCI_SLOT_NAME={ADDRESS}\n")
        self.says("revision", "0xc8\n")
        self.says("mem_info_vram_total", f"{24 * GIB}\n")
        self.says("mem_info_vram_used", f"{4 * GIB}\n")
        self.writes("proc/meminfo", "MemTotal: 33554432 kB\n")

    def says(self, name: str, text: str | bytes, card: str = "card0") -> None:
        self.writes(f"sys/class/drm/{card}/device/{name}", text)

    def writes(self, path: str, text: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def reading(self) -> Reading:
        return open_probe(self.access).sample()

    def device(self) -> Device:
        (device,) = self.reading().devices
        return device


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_busy_that_is_refused_is_not_reported(machine: Machine) -> None:
    machine.writes("sys/class/drm/card0/device/gpu_busy_percent/is_a_folder", "")
    assert machine.device().utilization_ratio is None


@pytest.mark.parametrize("text", ["-1\n", "", "18446744073709551615\n", "max\n", b"\xff\xfe", "12 GiB\n", "9" * 200])
def test_used_memory_that_is_no_number_leaves_the_pool_out(machine: Machine, text: str | bytes) -> None:
    machine.says("mem_info_vram_used", text)
    reading = machine.reading()
    assert reading.pools == ()
    assert reading.devices[0].used_bytes is None


def test_more_used_than_there_is_leaves_nothing_free(machine: Machine) -> None:
    machine.says("mem_info_vram_used", f"{25 * GIB}\n")
    (pool,) = machine.reading().pools
    assert (pool.used_bytes, pool.free_bytes) == (24 * GIB, 0)


@settings(max_examples=25)
@given(st.binary(max_size=80))
def test_no_file_of_the_driver_can_break_the_reading(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        for name in ("mem_info_vram_total", "mem_info_gtt_total", "gpu_busy_percent", "pp_dpm_pcie", "gpu_metrics"):
            machine.says(name, content)
        machine.says("hwmon/hwmon1/temp1_input", content)
        machine.writes("sys/class/kfd/kfd/topology/nodes/1/properties", content)
        machine.access.attention.is_on_details = True
        assert len(machine.reading().devices) == 1


def test_an_old_driver_is_told_from_one_that_reports_memory(machine: Machine) -> None:
    machine.says("uevent", f"DRIVER=radeon\nPCI_ID=1002:6810\nPCI_SLOT_NAME={ADDRESS}\n")
    (machine.root / "sys/class/drm/card0/device/mem_info_vram_total").unlink()
    (fault,) = machine.reading().faults
    assert "radeon" in fault.message
    assert "amdgpu.si_support=1" in fault.message


def test_a_card_that_was_unplugged_is_lost(machine: Machine, tmp_path: Path) -> None:
    probe = open_probe(machine.access)
    probe.sample()
    (tmp_path / "sys/class/drm/card0").rename(tmp_path / "gone")
    with pytest.raises(ProbeLost, match="gone"):
        probe.sample()


def test_a_card_that_is_plugged_in_is_shown(machine: Machine) -> None:
    probe = open_probe(machine.access)
    probe.sample()
    machine.says("uevent", "DRIVER=amdgpu\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:0a:00.0\n", card="card2")
    machine.says("mem_info_vram_total", f"{24 * GIB}\n", card="card2")
    assert [device.bus_address for device in probe.sample().devices] == [ADDRESS, "0000:0a:00.0"]


def test_a_sleeping_card_is_asked_nothing_that_wakes_it(machine: Machine) -> None:
    machine.says("power/runtime_status", "suspended\n")
    machine.says("gpu_busy_percent", "99\n")
    machine.says("hwmon/hwmon1/temp1_input", "44000\n")
    machine.access.attention.is_on_details = True
    device = machine.device()
    assert device.is_asleep
    assert (device.utilization_ratio, device.temperature_celsius, device.details) == (None, None, None)


def test_a_card_that_wakes_is_read_again(machine: Machine) -> None:
    machine.says("power/runtime_status", "suspended\n")
    probe = open_probe(machine.access)
    assert probe.sample().pools == ()
    machine.says("power/runtime_status", "active\n")
    assert [pool.total_bytes for pool in probe.sample().pools] == [24 * GIB]


def test_metrics_in_the_form_of_apus_tell_an_apu(machine: Machine) -> None:
    machine.says("mem_info_gtt_total", f"{30 * GIB}\n")
    machine.says("gpu_metrics", bytes([0x80, 0, 2, 1]) + bytes(124))
    assert machine.device().pool_key == "host"


def test_metrics_in_the_form_of_cards_tell_a_card(machine: Machine) -> None:
    machine.says("mem_info_gtt_total", f"{30 * GIB}\n")
    machine.says("gpu_metrics", bytes([0x78, 0, 1, 3]) + bytes(116))
    assert machine.device().pool_key == f"amd-{ADDRESS}"


def test_an_old_kernel_that_keeps_rocm_in_the_carve_out_is_told(machine: Machine) -> None:
    machine.says("hwmon/hwmon1/in1_label", "vddnb\n")
    machine.says("mem_info_vram_total", f"{GIB // 2}\n")
    machine.says("mem_info_gtt_total", f"{15 * GIB}\n")
    node = "sys/class/kfd/kfd/topology/nodes/1"
    machine.writes(f"{node}/gpu_id", "7\n")
    machine.writes(f"{node}/properties", "simd_count 24\nsimd_per_cu 2\ngfx_target_version 110003\nlocation_id 768\n")
    machine.writes(f"{node}/mem_banks/0/properties", f"heap_type 1\nsize_in_bytes {GIB // 2}\n")
    (note,) = machine.reading().faults
    assert note.is_note
    assert "only for Vulkan" in note.message


def test_details_are_read_only_while_they_are_looked_at(machine: Machine) -> None:
    machine.says("pp_dpm_sclk", "0: 500Mhz\n1: 2482Mhz *\n")
    assert machine.device().details is None
    machine.access.attention.is_on_details = True
    details = machine.device().details
    assert details is not None
    assert details.graphics_clock_megahertz == 2482


def test_the_link_to_the_machine_counts_not_the_one_inside_the_card(machine: Machine) -> None:
    machine.says("pp_dpm_pcie", "0: 2.5GT/s, x1 619Mhz \n1: 8.0GT/s, x8 619Mhz *\n2: 16.0GT/s, x16 619Mhz \n")
    machine.says("current_link_speed", "16.0 GT/s PCIe\n")
    machine.says("current_link_width", "16\n")
    machine.access.attention.is_on_details = True
    details = machine.device().details
    assert details is not None
    assert (details.pcie_generation, details.n_pcie_lanes) == (3, 8)
    assert (details.most_pcie_generation, details.most_n_pcie_lanes) == (4, 16)


def test_errors_of_the_memory_are_counted_apart(machine: Machine) -> None:
    machine.says("ras/umc_err_count", "ue: 1\nce: 12\n")
    machine.says("ras/gpu_vram_bad_pages", "0x1 : 0x1000 : R\n0x2 : 0x1000 : P\n0x3 : 0x1000 : R\n")
    machine.access.attention.is_on_details = True
    details = machine.device().details
    assert details is not None
    assert (details.n_uncorrected_errors, details.n_corrected_errors, details.n_retired_pages) == (1, 12, 2)


def test_inside_a_container_numbers_of_the_machine_are_not_taken_for_its_own(machine: Machine) -> None:
    node = "sys/class/kfd/kfd/topology/nodes/1"
    machine.writes(f"{node}/gpu_id", "7\n")
    machine.writes(f"{node}/properties", "simd_count 192\nsimd_per_cu 2\ngfx_target_version 110000\nlocation_id 768\n")
    machine.writes("sys/class/kfd/kfd/proc/4242/vram_7", f"{GIB}\n")
    (machine.root / "proc/self/ns").mkdir(parents=True)
    (machine.root / "proc/self/ns/pid").symlink_to("pid:[4026532999]")
    (process,) = machine.reading().processes
    assert (process.pid, process.used_bytes, process.is_outside) == (4242, GIB, True)


def test_nothing_is_opened_where_no_card_is(tmp_path: Path) -> None:
    with pytest.raises(ProbeUnavailable) as unavailable:
        open_probe(Access(root=str(tmp_path), system="linux"))
    assert unavailable.value.is_expected
    assert "/sys/class/drm" in (MISSING["amd"](Access(root=str(tmp_path), system="linux")) or "")


def test_displays_and_cards_of_other_vendors_are_passed_over(machine: Machine) -> None:
    (machine.root / "sys/class/drm/card0-DP-1").mkdir()
    machine.says("uevent", "DRIVER=nvidia\nPCI_ID=10DE:2684\nPCI_SLOT_NAME=0000:01:00.0\n", card="card1")
    machine.says("uevent", "DRIVER=vc4-drm\nOF_NAME=gpu\n", card="card2")
    assert [card.name for card in cards(str(machine.root), AMD)] == ["card0"]


def test_a_card_without_libdrms_list_is_known_by_ours_or_by_number(tmp_path: Path) -> None:
    assert radeon_name(str(tmp_path), 0x744C, 0xCC) == "AMD Radeon RX 7900 XT"
    assert radeon_name(str(tmp_path), 0xFFFF, 0) == "AMD Radeon Graphics (1002:ffff)"


@pytest.mark.parametrize(
    ("version", "name"), [(90010, "gfx90a"), (90402, "gfx942"), (110501, "gfx1151"), (100302, "gfx1032"), (0, "")]
)
def test_architectures_are_named_as_compilers_name_them(version: int, name: str) -> None:
    assert architecture(version) == name


def test_processors_are_no_compute_nodes(machine: Machine) -> None:
    machine.writes("sys/class/kfd/kfd/topology/nodes/0/gpu_id", "0\n")
    machine.writes("sys/class/kfd/kfd/topology/nodes/0/properties", "cpu_cores_count 16\nsimd_count 0\n")
    assert compute_nodes(str(machine.root)) == ()


def test_files_of_the_compute_driver_that_are_no_memory_are_passed_over(machine: Machine) -> None:
    for name, text in {"pasid": "5", "sdma_7": "99", "vram_x": "1", "vram_7": "-1", "vram_8": "10"}.items():
        machine.writes(f"sys/class/kfd/kfd/proc/50/{name}", text)
    assert held_bytes(str(machine.root)) == {(50, 8): 10}


IDS = [0xA1, 0xA2, 0xB000000000000000, 0]


@pytest.mark.parametrize(
    ("environment", "order"),
    [
        ({}, [0, 1, 2, 3]),
        ({"ROCR_VISIBLE_DEVICES": ""}, []),
        ({"ROCR_VISIBLE_DEVICES": "2,0"}, [2, 0]),
        ({"ROCR_VISIBLE_DEVICES": " 1 , 3 "}, [1, 3]),
        ({"ROCR_VISIBLE_DEVICES": "1,9,0"}, [1]),  # the list ends at what is wrong
        ({"ROCR_VISIBLE_DEVICES": "1,1,0"}, [1]),  # and at what was there before
        ({"ROCR_VISIBLE_DEVICES": "1,,0"}, [1]),
        ({"ROCR_VISIBLE_DEVICES": "0x2,01"}, [2, 1]),
        ({"ROCR_VISIBLE_DEVICES": "-1"}, []),
        ({"ROCR_VISIBLE_DEVICES": "gpu-b0"}, [2]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-00"}, []),  # two begin so
        ({"ROCR_VISIBLE_DEVICES": "GPU-XX"}, []),
        ({"HIP_VISIBLE_DEVICES": "3,1"}, [3, 1]),
        ({"HIP_VISIBLE_DEVICES": ""}, [0, 1, 2, 3]),
        ({"HIP_VISIBLE_DEVICES": "1,1,0"}, [1, 0]),
        ({"HIP_VISIBLE_DEVICES": "1, 0"}, [1]),  # HIP takes no blanks
        ({"HIP_VISIBLE_DEVICES": "01"}, []),
        ({"HIP_VISIBLE_DEVICES": "-1"}, []),
        ({"HIP_VISIBLE_DEVICES": "GPU-00000000000000a2"}, [1]),
        ({"CUDA_VISIBLE_DEVICES": "2"}, [2]),
        ({"CUDA_VISIBLE_DEVICES": "2", "HIP_VISIBLE_DEVICES": "0"}, [0]),
        ({"CUDA_VISIBLE_DEVICES": "2", "HIP_VISIBLE_DEVICES": ""}, [2]),
        ({"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "1"}, [3]),
        ({"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "2"}, []),
        ({"GPU_DEVICE_ORDINAL": "1"}, [0, 1, 2, 3]),
    ],
)
def test_programs_see_the_gpus_that_the_variables_leave(environment: dict[str, str], order: list[int]) -> None:
    seen = visibility(IDS, environment)
    assert sorted(seen.program_indices, key=lambda gpu: seen.program_indices[gpu]) == order
    assert set(seen.hidden_by) == set(range(len(IDS))) - set(order)


def test_the_variable_that_hides_a_gpu_is_named() -> None:
    seen = visibility(IDS, {"ROCR_VISIBLE_DEVICES": "2,3", "CUDA_VISIBLE_DEVICES": "0"})
    assert seen.hidden_by == {0: "ROCR_VISIBLE_DEVICES", 1: "ROCR_VISIBLE_DEVICES", 3: "CUDA_VISIBLE_DEVICES"}


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_the_choice(rocr: str, hip: str) -> None:
    seen = visibility(IDS, {"ROCR_VISIBLE_DEVICES": rocr, "HIP_VISIBLE_DEVICES": hip})
    assert set(seen.program_indices) | set(seen.hidden_by) == set(range(len(IDS)))


@pytest.mark.parametrize(
    ("speed", "generation"), [("16.0 GT/s PCIe", 4), ("2.5GT/s", 1), ("Unknown", None), ("", None)]
)
def test_a_speed_is_a_generation(speed: str, generation: int | None) -> None:
    assert pcie_generation(speed) == generation


def test_a_client_that_holds_nothing_is_no_process_of_the_card(machine: Machine) -> None:
    folder = machine.root / "proc/70"
    (folder / "fd").mkdir(parents=True)
    (folder / "fd/3").symlink_to("/dev/dri/renderD128")
    text = f"drm-driver: amdgpu\ndrm-client-id: 1\ndrm-pdev: {ADDRESS}\ndrm-memory-vram: 0 KiB\ndrm-memory-gtt: 0 KiB\n"
    machine.writes("proc/70/fdinfo/3", text)
    assert machine.reading().processes == ()


def test_a_card_that_is_split_meanwhile_becomes_its_parts(machine: Machine) -> None:
    def says_nodes(*locations: int) -> None:
        for number, location in enumerate(locations, start=1):
            node = f"sys/class/kfd/kfd/topology/nodes/{number}"
            machine.writes(f"{node}/gpu_id", f"{number}\n")
            machine.writes(f"{node}/properties", f"simd_count 80\nsimd_per_cu 4\nlocation_id {location}\n")
            machine.writes(f"{node}/mem_banks/0/properties", f"heap_type 1\nsize_in_bytes {12 * GIB}\n")

    machine.writes("sys/class/kfd/kfd/topology/generation_id", "1\n")
    says_nodes(0x300)
    probe = open_probe(machine.access)
    assert [device.key for device in probe.sample().devices] == [ADDRESS]
    machine.writes("sys/class/kfd/kfd/topology/generation_id", "2\n")
    says_nodes(0x300, 0x301)
    parts = probe.sample().devices
    assert [(part.key, part.parent_key, part.limit_bytes) for part in parts] == [
        (f"{ADDRESS}/0", ADDRESS, 12 * GIB),
        (f"{ADDRESS}/1", ADDRESS, 12 * GIB),
    ]


@pytest.mark.parametrize(
    ("name", "size_gib", "bandwidth"),
    [
        ("AMD Radeon 8060S Graphics", 96, 256),
        ("AMD Radeon RX 7900 XTX", 24, 960),
        ("AMD Radeon RX 9060 XT", 16, 322.3),
        ("Intel Arc A770", 15, 560),  # 15.1 of 16 GiB are told
        ("Intel Arc A770", None, None),  # there is one of 8 as well
        ("AMD Radeon Graphics (1002:1638)", 7, None),
    ],
)
def test_products_are_found_by_what_drivers_call_them(name: str, size_gib: int | None, bandwidth: float | None) -> None:
    found = named_accelerator(name, known_accelerators(), size_gib=size_gib)
    assert (None if found is None else found.bandwidth_gb_s) == bandwidth


@pytest.mark.parametrize(
    ("files", "may_open", "said"),
    [
        (("dev/null",), True, "there is no /dev/kfd"),
        (("dev/kfd",), False, "join the group render"),
        (("dev/kfd",), True, ""),
    ],
)
def test_whether_rocm_can_be_used_here_is_told(machine: Machine, files: tuple[str], may_open: bool, said: str) -> None:
    for file in files:
        machine.writes(file, "")
    faults = AmdProbe(machine.access, may_open=lambda _: may_open).sample().faults
    assert [said in fault.message for fault in faults] == [True] * bool(said)


def test_drivers_that_are_not_read_are_named(tmp_path: Path) -> None:
    for number, driver in enumerate(("nouveau", "asahi")):
        folder = tmp_path / f"sys/class/drm/card{number}/device"
        folder.mkdir(parents=True)
        (folder / "uevent").write_text(f"DRIVER={driver}\n")
    reason = MISSING["amd"](Access(root=str(tmp_path), system="linux"))
    assert reason is not None
    assert "/sys/class/drm lists asahi, nouveau" in reason


def test_an_accelerator_that_is_a_processor_has_no_memory_but_the_ram(machine: Machine) -> None:
    machine.says("mem_info_vram_total", "0\n")
    machine.says("mem_info_vram_used", "0\n")
    machine.says("mem_info_gtt_total", f"{20 * GIB}\n")
    machine.says("mem_info_gtt_used", f"{3 * GIB}\n")
    reading = machine.reading()
    (device,) = reading.devices
    assert reading.pools == ()
    assert (device.pool_key, device.is_integrated) == ("host", True)
    assert (device.used_bytes, device.limit_bytes) == (3 * GIB, 20 * GIB)
    assert reading.faults[0].message == "takes up to 20.0 GiB of the RAM, and has no other memory"


def test_gtt_that_is_set_larger_than_much_set_aside_is_said_to_take_rocm_there(machine: Machine) -> None:
    # github.com/GpuZelenograd/memtest_vulkan/issues/66: 96 GiB set aside of 128, and 108000 MiB of GTT
    machine.says("hwmon/hwmon1/in1_label", "vddnb\n")
    machine.says("mem_info_vram_total", f"{96 * GIB}\n")
    machine.says("mem_info_gtt_total", f"{108000 << 20}\n")
    node = "sys/class/kfd/kfd/topology/nodes/1"
    machine.writes(f"{node}/gpu_id", "7\n")
    machine.writes(f"{node}/properties", "simd_count 80\nsimd_per_cu 2\ngfx_target_version 110501\nlocation_id 768\n")
    machine.writes(f"{node}/mem_banks/0/properties", f"heap_type 1\nsize_in_bytes {108000 << 20}\n")
    reading = machine.reading()
    assert [pool.total_bytes for pool in reading.pools] == [96 * GIB]
    assert "so ROCm programs get RAM instead" in reading.faults[0].message


def test_a_card_says_which_node_of_the_ram_is_nearest(machine: Machine) -> None:
    assert machine.reading().devices[0].numa_node is None
    machine.says("numa_node", "-1\n")
    assert machine.reading().devices[0].numa_node is None
    machine.says("numa_node", "1\n")
    assert machine.reading().devices[0].numa_node == 1


def test_a_card_that_nobody_uses_is_left_alone_so_that_it_can_fall_asleep(machine: Machine) -> None:
    machine.says("power/control", "auto\n")
    machine.says("power/runtime_usage", "0\n")
    machine.says("hwmon/hwmon1/temp1_input", "44000\n")
    machine.access.attention.is_on_details = True
    device = machine.device()
    assert (device.temperature_celsius, device.details) == (None, None)
    assert device.used_bytes == 4 * GIB  # this figure is the kernel's own
    machine.says("power/runtime_usage", "2\n")
    assert machine.device().temperature_celsius == 44


def test_a_card_that_may_not_be_suspended_is_read_at_any_time(machine: Machine) -> None:
    machine.says("power/control", "on\n")
    machine.says("power/runtime_usage", "0\n")
    machine.says("hwmon/hwmon1/temp1_input", "44000\n")
    assert machine.device().temperature_celsius == 44


def test_where_holders_are_not_counted_a_screen_or_a_program_for_rocm_keeps_a_card_awake(machine: Machine) -> None:
    machine.says("power/control", "auto\n")
    machine.says("hwmon/hwmon1/temp1_input", "44000\n")
    assert machine.device().temperature_celsius is None
    machine.writes("sys/class/drm/card0/card0-DP-1/enabled", "enabled\n")
    assert machine.device().temperature_celsius == 44
    machine.writes("sys/class/drm/card0/card0-DP-1/enabled", "disabled\n")
    node = "sys/class/kfd/kfd/topology/nodes/1"
    machine.writes(f"{node}/gpu_id", "7\n")
    machine.writes(f"{node}/properties", "simd_count 192\nsimd_per_cu 2\nlocation_id 768\n")
    machine.writes("sys/class/kfd/kfd/proc/4242/vram_7", f"{GIB}\n")
    probe = open_probe(machine.access)
    probe.sample()
    assert probe.sample().devices[0].temperature_celsius == 44
