"""Laptop GPUs: not woken, woken when asked, and let go when idle on battery. No GPU, no NVML: files and a stand-in."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fake_nvml import GIB, FakeGpu, FakeNvml, used_by
from hypothesis import given
from hypothesis import strategies as st

from probes.access import Access, Attention
from probes.nvml_sleep import is_on_battery, pci_name, product_name
from probes.vendors.nvidia import NvidiaProbe

Write = Callable[[str, str], None]
GPU = "sys/bus/pci/devices/0000:01:00.0"
PCI_IDS = (
    "# ids\n10de  NVIDIA Corporation\n\t28a0  AD107M [GeForce RTX 4060 Max-Q / Mobile]\n10df  Emulex\n\t28a1  Other\n"
)


class Laptop:
    """A laptop with one GPU of NVIDIA's driver, on battery."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.nvml = FakeNvml()
        self.nvml.gpus[0].answers["nvmlDeviceGetUtilizationRates"].gpu = 0
        self.access = Access(root=str(root), system="linux", environment={}, attention=Attention())
        self.add_gpu("0000:01:00.0")
        self.write("usr/share/misc/pci.ids", PCI_IDS)
        self.write("sys/class/power_supply/AC/type", "Mains")
        self.write("sys/class/power_supply/BAT0/type", "Battery")
        self.write("sys/class/power_supply/BAT0/status", "Discharging")
        self.is_plugged_in = False

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def add_gpu(self, address: str) -> None:
        folder = f"sys/bus/pci/devices/{address}"
        for name, text in (
            ("vendor", "0x10de"),
            ("class", "0x030000"),
            ("device", "0x28a0"),
            ("power/control", "auto"),
        ):
            self.write(f"{folder}/{name}", text)
        (self.root / folder / "driver").symlink_to("/drivers/nvidia")

    @property
    def is_plugged_in(self) -> bool:
        return (self.root / "sys/class/power_supply/AC/online").read_text() == "1"

    @is_plugged_in.setter
    def is_plugged_in(self, is_plugged_in: bool) -> None:
        self.write("sys/class/power_supply/AC/online", str(int(is_plugged_in)))

    def sleep(self, address: str = "0000:01:00.0") -> None:
        self.write(f"sys/bus/pci/devices/{address}/power/runtime_status", "suspended")

    def wake(self, address: str = "0000:01:00.0") -> None:
        self.write(f"sys/bus/pci/devices/{address}/power/runtime_status", "active")

    def probe(self) -> NvidiaProbe:
        return NvidiaProbe(self.access, lambda _: self.nvml, clock=lambda: self.nvml.seconds)

    def idle_for(self, probe: NvidiaProbe, seconds: int) -> None:
        for _ in range(seconds):
            probe.sample()
            self.nvml.seconds += 1


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)


# --- not woken


def test_sleeping_gpu_is_not_woken_and_has_its_name_and_size(laptop: Laptop) -> None:
    laptop.sleep()
    (device,) = laptop.probe().sample().devices
    assert laptop.nvml.calls == []
    assert (device.is_asleep, device.name) == (True, "NVIDIA GeForce RTX 4060 Laptop GPU")
    assert device.capacity_bytes is not None
    assert round(device.capacity_bytes / GIB) == 8


def test_gpu_that_somebody_else_wakes_is_read(laptop: Laptop) -> None:
    laptop.sleep()
    probe = laptop.probe()
    probe.sample()
    laptop.wake()
    reading = probe.sample()
    assert (reading.devices[0].is_asleep, len(reading.pools)) == (False, 1)


def test_gpu_is_woken_when_the_user_asks(laptop: Laptop) -> None:
    laptop.sleep()
    probe = laptop.probe()
    laptop.access.attention.wants_awake = True
    assert not probe.sample().devices[0].is_asleep


@pytest.mark.parametrize("status", ["active", "unsupported", "resuming", None])
def test_whatever_is_not_suspended_is_awake(laptop: Laptop, status: str | None) -> None:
    if status is not None:
        laptop.write(f"{GPU}/power/runtime_status", status)
    assert not laptop.probe().sample().devices[0].is_asleep


def test_gpu_of_another_driver_does_not_keep_nvml_from_starting(laptop: Laptop) -> None:
    laptop.add_gpu("0000:02:00.0")
    laptop.wake()
    (laptop.root / "sys/bus/pci/devices/0000:02:00.0/driver").unlink()
    laptop.sleep("0000:02:00.0")
    reading = laptop.probe().sample()
    assert (reading.devices[0].is_asleep, reading.faults) == (False, ())


def test_one_asleep_beside_one_in_use_is_said_to_be_woken(laptop: Laptop) -> None:
    laptop.add_gpu("0000:02:00.0")
    laptop.wake()
    laptop.sleep("0000:02:00.0")
    (note,) = laptop.probe().sample().faults
    assert note.is_note
    assert "0000:02:00.0 slept" in note.message


# --- let go


def test_idle_gpu_on_battery_is_let_go_after_a_minute(laptop: Laptop) -> None:
    laptop.wake()
    probe = laptop.probe()
    laptop.idle_for(probe, 60)
    assert laptop.nvml.n_calls("nvmlShutdown") == 0
    laptop.idle_for(probe, 1)
    assert laptop.nvml.n_calls("nvmlShutdown") == 1
    n_calls = len(laptop.nvml.calls)
    (device,) = probe.sample().devices
    assert (device.is_asleep, device.key, device.capacity_bytes) == (True, "GPU-0", 24 * GIB)
    assert len(laptop.nvml.calls) == n_calls


def test_gpu_that_slept_since_is_read_again_once_it_is_awake(laptop: Laptop) -> None:
    laptop.wake()
    probe = laptop.probe()
    laptop.idle_for(probe, 61)
    laptop.sleep()
    probe.sample()
    laptop.wake()
    assert not probe.sample().devices[0].is_asleep


def test_gpu_that_others_keep_awake_is_read_again_and_not_let_go_soon(laptop: Laptop) -> None:
    laptop.wake()
    probe = laptop.probe()
    laptop.idle_for(probe, 61 + 45)
    assert not probe.sample().devices[0].is_asleep
    laptop.idle_for(probe, 300)
    assert laptop.nvml.n_calls("nvmlShutdown") == 1


def test_plugging_in_ends_the_wait(laptop: Laptop) -> None:
    laptop.wake()
    probe = laptop.probe()
    laptop.idle_for(probe, 61)
    laptop.is_plugged_in = True
    assert not probe.sample().devices[0].is_asleep


def busy(laptop: Laptop) -> None:
    laptop.nvml.gpus[0].answers["nvmlDeviceGetUtilizationRates"].gpu = 1


def held(laptop: Laptop) -> None:
    laptop.nvml.gpus[0].answers["nvmlDeviceGetGraphicsRunningProcesses_v3"] = [used_by(5, None)]


def plugged_in(laptop: Laptop) -> None:
    laptop.is_plugged_in = True


def kept_on(laptop: Laptop) -> None:
    laptop.write(f"{GPU}/power/control", "on")


def wanted(laptop: Laptop) -> None:
    laptop.access.attention.wants_awake = True


@pytest.mark.parametrize("reason", [busy, held, plugged_in, kept_on, wanted])
def test_gpu_is_not_let_go(laptop: Laptop, reason: Callable[[Laptop], None]) -> None:
    laptop.wake()
    reason(laptop)
    laptop.idle_for(laptop.probe(), 130)
    assert laptop.nvml.n_calls("nvmlShutdown") == 0


def test_closing_twice_shuts_down_once(laptop: Laptop) -> None:
    laptop.wake()
    probe = laptop.probe()
    laptop.idle_for(probe, 61)
    probe.close()
    assert laptop.nvml.n_calls("nvmlShutdown") == 1


# --- what it draws on


@pytest.mark.parametrize(
    ("files", "is_battery"),
    [
        ({}, False),
        ({"BAT0/type": "Battery", "BAT0/status": "Discharging"}, True),
        ({"BAT0/type": "Battery", "BAT0/status": "Charging"}, False),
        ({"BAT0/type": "Battery", "BAT0/status": "Discharging", "AC/type": "Mains", "AC/online": "1"}, False),
        ({"BAT0/type": "Battery", "BAT0/status": "Discharging", "C/type": "USB", "C/online": "1"}, False),
        ({"mouse/type": "Battery", "mouse/status": "Discharging", "mouse/scope": "Device"}, False),
        ({"AC/type": "Mains", "AC/online": "0"}, False),
    ],
)
def test_battery_is_told_from_mains(tmp_path: Path, files: dict[str, str], is_battery: bool) -> None:
    for path, text in files.items():
        file = tmp_path / "sys/class/power_supply" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert is_on_battery(Access(root=str(tmp_path))) is is_battery


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("AD107M [GeForce RTX 4060 Max-Q / Mobile]", "NVIDIA GeForce RTX 4060 Laptop GPU"),
        ("GB205M [GeForce RTX 5070 Ti Mobile]", "NVIDIA GeForce RTX 5070 Ti Laptop GPU"),
        ("AD102 [GeForce RTX 4090]", "NVIDIA GeForce RTX 4090"),
        ("TU117GLM [Quadro T1000 Mobile]", "NVIDIA Quadro T1000 Laptop GPU"),
        ("GP107", "NVIDIA GP107"),
    ],
)
def test_name_of_the_pci_database_becomes_the_driver_s(text: str, name: str) -> None:
    assert product_name(text) == name


@pytest.mark.parametrize("device_id", ["28a1", "ffff", "", "28a0\n", "....", "28A0"])
def test_device_of_another_vendor_or_no_device_has_no_name(laptop: Laptop, device_id: str) -> None:
    assert pci_name(laptop.access, device_id) is None


def test_machine_without_the_database_has_a_sleeping_gpu_all_the_same(laptop: Laptop) -> None:
    (laptop.root / "usr/share/misc/pci.ids").unlink()
    laptop.sleep()
    (device,) = laptop.probe().sample().devices
    assert (device.name, device.capacity_bytes) == ("NVIDIA GPU", None)


@given(content=st.binary(max_size=300))
def test_any_database_gives_a_name_or_none(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.mktemp("ids")
    (root / "usr/share/misc").mkdir(parents=True)
    (root / "usr/share/misc/pci.ids").write_bytes(b"\n10de  NVIDIA\n\t28a0  " + content)
    name = pci_name(Access(root=str(root)), "28a0")
    assert name is None or name.startswith("NVIDIA ")


def test_two_gpus_are_let_go_only_together(laptop: Laptop) -> None:
    laptop.nvml.gpus.append(FakeGpu(1))
    laptop.nvml.gpus[1].answers["nvmlDeviceGetUtilizationRates"].gpu = 30
    laptop.wake()
    laptop.idle_for(laptop.probe(), 130)
    assert laptop.nvml.n_calls("nvmlShutdown") == 0


def test_other_systems_have_no_such_files_and_are_read(laptop: Laptop) -> None:
    laptop.sleep()
    access = replace(laptop.access, system="win32")
    probe = NvidiaProbe(access, lambda _: laptop.nvml, clock=lambda: laptop.nvml.seconds)
    assert not probe.sample().devices[0].is_asleep
