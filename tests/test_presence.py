"""What is not there costs nothing: no import, no process, no thread."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gguf_files import llama_metadata, llama_tensors, write_gguf

from probes.access import Access
from probes.loader import may_load
from probes.presence import MISSING
from probes.probe import real_sources
from probes.sampler import take_one

PATIENCE_SECONDS = 30.0
LIBRARY = "libnvidia-ml.so.1"
WATCH = """
import sys
SPAWNING = ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.fork", "os.forkpty", "os.system", "os.startfile")
spawned = []
sys.addaudithook(lambda event, _: spawned.append(event) if event in SPAWNING else None)
def told():
    vendors = sorted(name for name in sys.modules if name.startswith("probes.vendors."))
    return " ".join(vendors) + "\\n" + " ".join(spawned)
"""
BARE_MACHINE = """
from probes.access import Access
from probes.probe import real_sources
from probes.sampler import take_one
from threading import active_count
snapshot = take_one(real_sources(Access(root=sys.argv[1], system="linux", environment={}), tell_command=" ".join), 30.0)
assert snapshot.pools, snapshot
print(told(), len(snapshot.absences), active_count(), "ctypes" in sys.modules, sep="\\n")
"""
COMMAND = """
from tui.cli import main
try:
    main(sys.argv[2:])
except SystemExit:
    pass
with open(sys.argv[1], "w") as file:
    file.write(told())
"""


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The root of a machine that has RAM and no more."""
    (tmp_path / "proc/bus/pci").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 65536000 kB\nMemAvailable: 52428800 kB\n")
    (tmp_path / "proc/bus/pci/devices").write_text("0000\t80860d57\t0\n0008\t1af41045\t0\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/ld.so.cache").write_bytes(b"ld.so-1.7.0\0libc.so.6\0/lib/libc.so.6\0")
    return tmp_path


def access(root: Path, **environment: str) -> Access:
    return Access(root=str(root), system="linux", environment=environment)


def present_vendors() -> set[str]:
    """Those of the machine that the tests run on."""
    return {f"probes.vendors.{name}" for name, missing in MISSING.items() if missing(Access()) is None}


# --- nothing is paid


def test_absent_vendors_are_not_imported_and_start_neither_process_nor_thread(bare: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WATCH + BARE_MACHINE, str(bare)], capture_output=True, text=True, check=True
    )
    vendors, spawned, n_absent, n_threads, has_ctypes = ended.stdout.splitlines()
    assert vendors == "probes.vendors.host"
    assert spawned == ""
    assert int(n_absent) == len(MISSING) - 1
    assert n_threads == "1"
    assert has_ctypes == "False"


@pytest.mark.parametrize("command", ["snapshot", "check"])
def test_a_command_imports_no_vendor_that_is_absent_and_starts_no_process_for_it(command: str, tmp_path: Path) -> None:
    model = tmp_path / "tiny.gguf"
    write_gguf(model, llama_metadata(), llama_tensors())
    told = tmp_path / "told"
    arguments = [command, *([str(model)] if command == "check" else [])]
    subprocess.run(
        [sys.executable, "-c", WATCH + COMMAND, str(told), *arguments], capture_output=True, check=True, text=True
    )
    assert_nothing_is_paid(told)


def test_the_app_imports_no_vendor_that_is_absent_and_starts_no_process_for_it(tmp_path: Path) -> None:
    told = tmp_path / "told"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(
            sys.executable,
            [sys.executable, "-c", WATCH + COMMAND, str(told)],
            os.environ | {"TERM": "xterm-256color"},
        )
    painted, deadline = b"", time.monotonic() + PATIENCE_SECONDS
    has_quit = False
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                painted += os.read(terminal, 1 << 16)
            except OSError:  # EIO: it has ended
                break
        if b"RAM" in painted and not has_quit:
            os.write(terminal, b"q")
            has_quit = True
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert_nothing_is_paid(told)


def assert_nothing_is_paid(told: Path) -> None:
    vendors, _, spawned = told.read_text().partition("\n")
    present = present_vendors()
    assert set(vendors.split()) <= present
    assert spawned == "" or present - {"probes.vendors.host"}


# --- how it is told


def test_an_nvidia_driver_is_missing_where_neither_library_nor_hardware_is(bare: Path) -> None:
    assert MISSING["nvidia"](access(bare)) == "no NVIDIA driver is here"


def test_an_nvidia_gpu_without_a_driver_is_not_missing(bare: Path) -> None:
    (bare / "proc/bus/pci/devices").write_text("0000\t80860d57\t0\n0100\t10de2684\t1f\n")
    assert MISSING["nvidia"](access(bare)) is None


def test_an_nvidia_gpu_is_found_where_the_kernel_lists_the_bus_in_folders_only(bare: Path) -> None:
    (bare / "proc/bus/pci/devices").unlink()
    folder = bare / "sys/bus/pci/devices/0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "vendor").write_text("0x10de\n")
    assert MISSING["nvidia"](access(bare)) is None


@pytest.mark.parametrize("path", ["dev/nvidiactl", "dev/dxg"])
def test_a_device_file_of_a_driver_is_enough(bare: Path, path: str) -> None:
    (bare / path).parent.mkdir(exist_ok=True)
    (bare / path).touch()
    assert MISSING["nvidia"](access(bare)) is None


def test_a_jetson_is_found_in_its_device_tree(bare: Path) -> None:
    (bare / "proc/device-tree").mkdir()
    (bare / "proc/device-tree/compatible").write_bytes(b"nvidia,p3737-0000\0nvidia,tegra234\0")
    assert MISSING["nvidia"](access(bare)) is None


# --- the loader


def test_a_library_in_no_cache_and_no_folder_cannot_be_loaded(bare: Path) -> None:
    assert not may_load(access(bare), LIBRARY)


def test_a_library_in_the_cache_may_be_loaded(bare: Path) -> None:
    (bare / "etc/ld.so.cache").write_bytes(b"libnvidia-ml.so.1\0/usr/lib/libnvidia-ml.so.1\0")
    assert may_load(access(bare), LIBRARY)


def test_a_library_of_another_name_in_the_cache_is_another(bare: Path) -> None:
    (bare / "etc/ld.so.cache").write_bytes(b"libnvidia-ml.so.12\0")
    assert not may_load(access(bare), LIBRARY)


def test_a_library_beside_the_cache_may_be_loaded(bare: Path) -> None:
    (bare / "usr/lib").mkdir(parents=True)
    (bare / "usr/lib" / LIBRARY).touch()
    assert may_load(access(bare), LIBRARY)


@pytest.mark.parametrize("separator", [":", ";"])
def test_a_library_in_a_folder_of_the_environment_may_be_loaded(bare: Path, separator: str) -> None:
    (bare / "given").mkdir()
    (bare / "given" / LIBRARY).touch()
    assert may_load(access(bare, LD_LIBRARY_PATH=f"/nowhere{separator}{bare}/given"), LIBRARY)


def test_without_a_cache_only_the_loader_knows(bare: Path) -> None:
    (bare / "etc/ld.so.cache").unlink()
    assert may_load(access(bare), LIBRARY)


def test_what_is_loaded_beforehand_may_bring_any_library(bare: Path) -> None:
    assert may_load(access(bare, LD_PRELOAD="/opt/stand-in.so"), LIBRARY)


def test_every_vendor_says_in_a_sentence_how_one_can_tell_that_it_is_missing(bare: Path) -> None:
    snapshot = take_one(real_sources(access(bare), tell_command=" ".join), PATIENCE_SECONDS)
    assert {absence.probe for absence in snapshot.absences} == MISSING.keys() - {"host"}
    assert all(len(absence.reason.split()) >= 4 for absence in snapshot.absences)
    assert not any(fault.probe in MISSING.keys() - {"host"} for fault in snapshot.faults)
