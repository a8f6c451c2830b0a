"""What open files of graphics drivers say of their clients."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.drm_client import parse_client
from probes.fdinfo import SCAN_SECONDS, Scanner

KIB = 1 << 10
CLIENT = b"drm-driver:\tamdgpu\ndrm-client-id:\t%d\ndrm-pdev:\t0000:03:00.0\n%s"


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Processes:
    """A /proc of which tests say what stands in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = Clock()
        self.scanner = Scanner(str(root), ("amdgpu", "xe"), self.clock)

    def opens(self, pid: int, file: int, text: bytes, *, comm: str = "program") -> None:
        folder = self.root / "proc" / str(pid)
        (folder / "fd").mkdir(parents=True, exist_ok=True)
        (folder / "fdinfo").mkdir(exist_ok=True)
        link = folder / "fd" / str(file)
        if not link.is_symlink():
            link.symlink_to("/dev/dri/renderD128")
        (folder / "fdinfo" / str(file)).write_bytes(text)
        (folder / "comm").write_text(comm)

    def later(self) -> None:
        self.clock.seconds += SCAN_SECONDS


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path)


def test_units_are_bytes_kibibytes_and_mebibytes() -> None:
    client = parse_client(CLIENT % (1, b"drm-memory-vram:\t7 KiB\ndrm-memory-gtt:\t3 MiB\ndrm-memory-cpu:\t5\n"))
    assert client is not None
    assert client.region_bytes == {"vram": 7 * KIB, "gtt": 3 << 20, "cpu": 5}


def test_what_lies_there_now_counts_before_what_could() -> None:
    text = b"drm-total-vram0:\t900 KiB\ndrm-resident-vram0:\t300 KiB\ndrm-total-gtt:\t8 KiB\n"
    client = parse_client(CLIENT % (1, text))
    assert client is not None
    assert client.region_bytes == {"vram0": 300 * KIB, "gtt": 8 * KIB}


def test_cycles_are_no_memory() -> None:
    text = b"drm-cycles-rcs:\t28257900\ndrm-total-cycles-rcs:\t7655183225\ndrm-engine-capacity-vcs:\t2\n"
    client = parse_client(CLIENT % (1, text))
    assert client is not None
    assert client.region_bytes == {}
    assert client.engine_cycles == {"rcs": (28257900, 7655183225)}
    assert client.engine_nanoseconds == {}


@given(st.binary(max_size=400))
def test_garbage_is_no_client_or_one_with_sensible_counts(text: bytes) -> None:
    client = parse_client(CLIENT % (1, text))
    assert client is None or all(0 <= count < 1 << 63 for count in client.region_bytes.values())


@given(st.integers(min_value=-(1 << 70), max_value=1 << 70), st.sampled_from(["", " KiB", " MiB", " GiB", " kB", " 5"]))
def test_sizes_that_no_memory_has_are_not_reported(count: int, unit: str) -> None:
    client = parse_client(CLIENT % (1, f"drm-memory-vram:\t{count}{unit}\n".encode()))
    assert client is not None
    assert all(0 <= size < 1 << 63 for size in client.region_bytes.values())


@pytest.mark.parametrize("text", [b"", b"pos:\t0\n", b"drm-driver:\tvc4\n", b"drm-pdev:\t0000:03:00.0\n"])
def test_a_file_that_names_no_driver_and_device_is_no_client(text: bytes) -> None:
    assert parse_client(text) is None


def test_a_client_in_two_processes_is_counted_with_one(processes: Processes) -> None:
    processes.opens(70, 3, CLIENT % (5, b"drm-memory-vram:\t100 KiB\n"))
    processes.opens(80, 4, CLIENT % (5, b"drm-memory-vram:\t100 KiB\n"))
    assert [(held.pid, held.region_bytes["vram"]) for held in processes.scanner.scan().holdings] == [(70, 100 * KIB)]


def test_a_file_that_was_handed_on_counts_with_the_desktop(processes: Processes) -> None:
    processes.opens(70, 3, CLIENT % (5, b"drm-memory-vram:\t100 KiB\n"), comm="systemd-logind")
    processes.opens(80, 4, CLIENT % (5, b"drm-memory-vram:\t100 KiB\n"), comm="kwin_wayland")
    assert [held.pid for held in processes.scanner.scan().holdings] == [80]


def test_clients_of_one_process_are_added_up(processes: Processes) -> None:
    processes.opens(70, 3, CLIENT % (5, b"drm-memory-vram:\t100 KiB\n"))
    processes.opens(70, 4, CLIENT % (6, b"drm-memory-vram:\t20 KiB\n"))
    (held,) = processes.scanner.scan().holdings
    assert held.region_bytes == {"vram": 120 * KIB}


def test_utilization_is_work_since_the_scan_before(processes: Processes) -> None:
    processes.opens(70, 3, CLIENT % (5, b"drm-engine-gfx:\t1000000000 ns\ndrm-engine-compute:\t0 ns\n"))
    (first,) = processes.scanner.scan().holdings
    assert first.utilization_ratio is None
    processes.opens(70, 3, CLIENT % (5, b"drm-engine-gfx:\t3500000000 ns\ndrm-engine-compute:\t500000000 ns\n"))
    processes.later()
    (second,) = processes.scanner.scan().holdings
    assert second.utilization_ratio == 2.5 / SCAN_SECONDS


def test_cycles_of_several_engines_of_one_name_are_shares_of_all(processes: Processes) -> None:
    text = b"drm-cycles-ccs:\t%d\ndrm-total-cycles-ccs:\t%d\ndrm-engine-capacity-ccs:\t4\n"
    processes.opens(70, 3, CLIENT % (5, text % (0, 1000)))
    processes.scanner.scan()
    processes.opens(70, 3, CLIENT % (5, text % (2000, 2000)))
    processes.later()
    assert processes.scanner.scan().busy_ratios == {"0000:03:00.0": 0.5}


def test_a_counter_that_goes_back_is_no_work(processes: Processes) -> None:
    processes.opens(70, 3, CLIENT % (5, b"drm-engine-gfx:\t3000000000 ns\n"))
    processes.scanner.scan()
    processes.opens(70, 3, CLIENT % (5, b"drm-engine-gfx:\t1000000000 ns\n"))
    processes.later()
    assert processes.scanner.scan().busy_ratios == {"0000:03:00.0": 0.0}


def test_files_are_looked_through_only_every_few_seconds(processes: Processes) -> None:
    processes.scanner.scan()
    processes.opens(70, 3, CLIENT % (5, b"drm-memory-vram:\t100 KiB\n"))
    processes.clock.seconds += SCAN_SECONDS / 2
    assert processes.scanner.scan().holdings == ()
    processes.later()
    assert len(processes.scanner.scan().holdings) == 1


def test_files_of_other_programs_are_passed_over(processes: Processes) -> None:
    folder = processes.root / "proc" / "70"
    (folder / "fd").mkdir(parents=True)
    (folder / "fd" / "3").symlink_to("/home/somebody/file")
    (folder / "fdinfo").mkdir()
    (folder / "fdinfo" / "3").write_bytes(CLIENT % (5, b"drm-memory-vram:\t100 KiB\n"))
    assert processes.scanner.scan().holdings == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_processes_that_may_not_be_read_are_counted(processes: Processes) -> None:
    folder = processes.root / "proc" / "70"
    (folder / "fd").mkdir(parents=True)
    (folder / "cmdline").write_text("server")
    (folder / "fd").chmod(0)
    assert processes.scanner.scan().n_hidden == 1


def test_a_client_of_number_0_has_its_work_counted_too(processes: Processes) -> None:
    processes.opens(70, 3, CLIENT % (0, b"drm-engine-gfx:\t0 ns\n"))
    processes.scanner.scan()
    processes.opens(70, 3, CLIENT % (0, b"drm-engine-gfx:\t5000000000 ns\n"))
    processes.later()
    (held,) = processes.scanner.scan().holdings
    assert held.utilization_ratio == 1.0
