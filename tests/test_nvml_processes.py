"""Processes of NVIDIA GPUs: lists made one, garbage dropped, and numbers of another namespace never taken for ours."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_nvml import FUNCTION_NOT_FOUND, GIB, NOT_SUPPORTED, FakeNvml, NvmlError, used_by
from hypothesis import given
from hypothesis import strategies as st

from probes.access import Access
from probes.nvml_binding import Nvml, RefusedError
from probes.nvml_processes import Namespace, Shares, ask_processes, merged
from probes.vendors.nvidia import NvidiaProbe

HUGE = (1 << 64) - 1
counts = st.one_of(st.none(), st.integers(-5, HUGE))


# --- lists


def test_lists_are_merged_with_the_larger_figure() -> None:
    assert merged([((1, 5), (2, None)), ((1, 9), (2, 3)), ((1, 7),)], 100) == {1: 9, 2: 3}


def test_what_cannot_be_a_figure_is_none_and_what_cannot_be_a_number_is_dropped() -> None:
    assert merged([((1, HUGE), (2, 101), (3, -1), (0, 5), (-4, 5), (1 << 22, 5), (HUGE, 5))], 100) == {
        1: None,
        2: None,
        3: None,
        1 << 22: 5,
    }


@given(st.lists(st.lists(st.tuples(st.integers(-5, HUGE), counts), max_size=6), max_size=3), st.integers(0, 1 << 50))
def test_no_figure_is_ever_negative_or_more_than_the_memory(
    lists: list[list[tuple[int, int | None]]], most: int
) -> None:
    for used in merged([tuple(one) for one in lists], most).values():
        assert used is None or 0 <= used <= most


@pytest.mark.parametrize(("driver", "version"), [("535.54.03", 2), ("535.86.10", 2), ("535.98", 3), ("525.60.11", 3)])
def test_drivers_whose_list_is_garbled_are_asked_by_the_older_call(driver: str, version: int) -> None:
    nvml = FakeNvml()
    nvml.driver = driver
    gpu = nvml.gpus[0]
    gpu.answers["nvmlDeviceGetComputeRunningProcesses_v3"] = [used_by(3, GIB)]
    gpu.answers["nvmlDeviceGetComputeRunningProcesses_v2"] = [used_by(2, GIB)]
    assert ask_processes(Nvml(nvml), gpu, "Compute") == ((version, GIB),)


def test_clients_of_mps_are_listed_too() -> None:
    nvml = FakeNvml()
    nvml.gpus[0].answers["nvmlDeviceGetMPSComputeRunningProcesses_v3"] = [used_by(9, GIB)]
    reading = NvidiaProbe(Access(root="/nonexistent"), lambda _: nvml, clock=lambda: nvml.seconds).sample()
    assert [process.pid for process in reading.processes] == [9]


# --- how often they are asked for


def test_after_the_first_time_a_third_of_the_gpus_is_asked_each_second() -> None:
    nvml = FakeNvml(6)
    probe = NvidiaProbe(Access(root="/nonexistent"), lambda _: nvml, clock=lambda: nvml.seconds)
    asked = []
    for _ in range(10):
        nvml.calls.clear()
        probe.sample()
        asked.append(nvml.n_calls("nvmlDeviceGetComputeRunningProcesses_v3"))
        nvml.seconds += 1
    assert asked == [6, 2, 2, 2, 2, 2, 2, 2, 2, 2]


def test_lists_are_asked_for_every_three_seconds_and_at_once_when_memory_moves() -> None:
    nvml = FakeNvml()
    gpu = nvml.gpus[0]
    probe = NvidiaProbe(Access(root="/nonexistent"), lambda _: nvml, clock=lambda: nvml.seconds)
    asked = []
    for second in range(8):
        if second == 5:
            gpu.memory["free"] -= GIB
            gpu.answers["nvmlDeviceGetComputeRunningProcesses_v3"] = [used_by(7, GIB)]
        probe.sample()
        asked.append(nvml.n_calls("nvmlDeviceGetComputeRunningProcesses_v3"))
        nvml.seconds += 1
    assert asked == [1, 1, 1, 2, 2, 3, 3, 3]


def test_dear_lists_are_asked_for_no_more_than_a_twentieth_of_the_time() -> None:
    nvml = FakeNvml()
    nvml.call_seconds = 0.02
    probe = NvidiaProbe(Access(root="/nonexistent"), lambda _: nvml, clock=lambda: nvml.seconds)
    for _ in range(60):
        nvml.gpus[0].memory["free"] ^= GIB
        probe.sample()
        nvml.seconds += 0.1
    lists = sum(nvml.n_calls(f"nvmlDeviceGet{kind}RunningProcesses_v3") for kind in ("Compute", "Graphics"))
    assert lists * 0.02 / nvml.seconds < 0.06


# --- shares of the time


class Sampled:
    """A binding that has samples of processes' shares."""

    NVMLError = NvmlError

    def __init__(self, *samples: tuple[int, int, int]) -> None:
        self.samples = [SimpleNamespace(pid=pid, timeStamp=stamp, smUtil=percent) for pid, stamp, percent in samples]
        self.code: int | None = None
        self.asked: list[int] = []

    def nvmlDeviceGetProcessUtilization(self, handle: object, last_seen: int) -> list[SimpleNamespace]:  # noqa: N802
        self.asked.append(last_seen)
        if self.code is not None:
            raise NvmlError(self.code)
        return self.samples


def test_share_is_that_of_the_latest_sample_and_garbage_is_dropped() -> None:
    binding = Sampled((1, 10, 30), (1, 20, 50), (1, 15, 90), (2, 5, 4294967295), (3, 7, 0))
    shares = Shares(Nvml(binding))
    assert shares.ask(None) == {1: 0.5, 3: 0.0}
    shares.ask(None)
    assert binding.asked == [0, 20]


@pytest.mark.parametrize("code", [6, 0])
def test_no_samples_are_no_error(code: int) -> None:
    binding = Sampled()
    binding.code = code
    assert Shares(Nvml(binding)).ask(None) == {}


def test_gpu_that_has_no_shares_says_so() -> None:
    binding = Sampled()
    binding.code = NOT_SUPPORTED
    with pytest.raises(RefusedError):
        Shares(Nvml(binding)).ask(None)


# --- whose numbers they are


def container(root: Path, *, namespace: str = "pid:[4026532999]", **files: str) -> Access:
    """A container in which the processes named ``p<number>`` have these files open."""
    (root / "proc/self/ns").mkdir(parents=True)
    (root / "proc/self/ns/pid").symlink_to(namespace)
    for name, target in files.items():
        folder = root / "proc" / name.removeprefix("p") / "fd"
        folder.mkdir(parents=True)
        (folder / "0").symlink_to("/dev/null")
        (folder / "3").symlink_to(target)
    return Access(root=str(root), system="linux", environment={})


def are_local(access: Access, *pids: int) -> bool:
    return Namespace(access, lambda: 0.0).are_local(frozenset(pids))


def test_number_of_the_whole_machine_is_never_taken_for_one_in_the_container(tmp_path: Path) -> None:
    access = container(tmp_path, p57="/home/log")
    assert not are_local(access, 57)


def test_numbers_are_ours_where_each_uses_a_gpu(tmp_path: Path) -> None:
    access = container(tmp_path, p57="/dev/nvidia0", p58="/dev/nvidiactl")
    assert are_local(access, 57, 58)


def test_one_number_that_is_not_here_shows_that_none_is_ours(tmp_path: Path) -> None:
    access = container(tmp_path, p57="/dev/nvidia0")
    assert not are_local(access, 57, 123456)


def test_outside_of_containers_all_numbers_are_ours(tmp_path: Path) -> None:
    access = container(tmp_path, namespace="pid:[4026531836]")
    assert are_local(access, 57)


def test_numbers_inside_wsl_are_those_of_windows(tmp_path: Path) -> None:
    access = container(tmp_path, namespace="pid:[4026531836]", p58="/dev/dxg")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/dxg").touch()
    assert not are_local(access, 57)
    assert are_local(access, 58)


def test_process_of_the_machine_is_shown_as_outside_of_the_container(tmp_path: Path) -> None:
    nvml = FakeNvml()
    nvml.gpus[0].answers["nvmlDeviceGetComputeRunningProcesses_v3"] = [used_by(57, GIB)]
    nvml.gpus[0].refusals["nvmlDeviceGetGraphicsRunningProcesses_v3"] = FUNCTION_NOT_FOUND
    access = container(tmp_path, p57="/home/log")
    (process,) = NvidiaProbe(access, lambda _: nvml, clock=lambda: nvml.seconds).sample().processes
    assert (process.pid, process.is_outside, process.used_bytes) == (57, True, GIB)
