"""What a process has read is seen by its owner in full, and by others as far as its pages tell."""

import os

import pytest
from fake_psutil import FakeProcess, FakePsutil
from proc_tree import make_process

from probes.intake import Intake, intake_in
from probes.process_facts import ProcessReader
from probes.psutil_reader import PsutilReader

STATUS = "VmPeak:\t 900 kB\nVmHWM:\t 3 kB\nVmRSS:\t 2 kB\n"
IO = "rchar: 100\nwchar: 7\nsyscr: 1\nsyscw: 1\nread_bytes: 20\nwrite_bytes: 9\ncancelled_write_bytes: 0\n"


def test_calls_storage_and_pages_count(tmp_path):
    make_process(tmp_path, 7, "x", status=STATUS, io=IO)
    assert intake_in(str(tmp_path), 7) == Intake(n_bytes=3192, is_whole=True)


def test_where_reads_may_not_be_seen_pages_count_and_it_is_not_whole(tmp_path):
    make_process(tmp_path, 7, "x", status=STATUS)
    assert intake_in(str(tmp_path), 7) == Intake(n_bytes=3072, is_whole=False)


@pytest.mark.parametrize("io", ["rchar: 1", "rchar: -5\nread_bytes: x\n", "rchar: " + "9" * 30 + "\nread_bytes: 1\n"])
def test_what_is_half_told_is_not_whole(tmp_path, io):
    make_process(tmp_path, 7, "x", status=STATUS, io=io)
    assert not intake_in(str(tmp_path), 7).is_whole


def test_of_one_that_is_gone_nothing_is_told(tmp_path):
    assert intake_in(str(tmp_path), 7) is None


def test_a_file_that_this_process_reads_is_in_its_intake(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(bytes(1 << 22))
    before = ProcessReader().intake(os.getpid())
    path.read_bytes()
    assert ProcessReader().intake(os.getpid()).n_bytes - before.n_bytes >= 1 << 22


def test_windows_tells_reads_and_the_peak_and_not_all():
    process = FakeProcess(["x"], memory={"peak_wset": 5, "rss": 3}, reads={"read_bytes": 40})
    assert PsutilReader(FakePsutil("windows", {7: process})).intake(7) == Intake(n_bytes=45, is_whole=False)


def test_macos_tells_nothing():
    process = FakeProcess(["x"], memory={"rss": 3})
    assert PsutilReader(FakePsutil("macos", {7: process})).intake(7) is None
