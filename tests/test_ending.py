"""Ending a process: the one that is meant, or none."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_psutil import FakeProcess, FakePsutil

from probes.ending import NotEndedError, end_by_psutil, end_process
from probes.process_start import parent_and_start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are checked on Linux only")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        comm = Path(f"/proc/{process.pid}/comm")
        while comm.read_text().strip() != "sleep":  # until the shell has become it
            pass
        yield process
        process.kill()


def test_it_is_asked_to_end(sleeper: subprocess.Popen[bytes]) -> None:
    end_process(sleeper.pid, "sleep")
    assert sleeper.wait(10) == -signal.SIGTERM


def test_it_is_ended_at_once_where_that_is_said(sleeper: subprocess.Popen[bytes]) -> None:
    end_process(sleeper.pid, "sleep", is_forced=True)
    assert sleeper.wait(10) == -signal.SIGKILL


def test_another_process_of_that_number_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    with pytest.raises(NotEndedError, match="is 'sleep' by now, and was left alone"):
        end_process(sleeper.pid, "llama-server")
    assert sleeper.poll() is None


def test_another_process_of_that_number_and_name_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    stat = parent_and_start(sleeper.pid)
    assert stat is not None
    with pytest.raises(NotEndedError, match="is 'sleep' by now, and was left alone"):
        end_process(sleeper.pid, "sleep", stat[1] - 1)
    assert sleeper.poll() is None


def test_the_same_process_is_ended_whatever_it_calls_itself_by_now(sleeper: subprocess.Popen[bytes]) -> None:
    stat = parent_and_start(sleeper.pid)
    assert stat is not None
    end_process(sleeper.pid, "sh", stat[1])
    assert sleeper.wait(10) == -signal.SIGTERM


def test_where_psutil_knows_processes_the_one_that_was_meant_is_ended() -> None:
    library = FakePsutil("macos", {42: FakeProcess(words=["ollama"], created=1_000.0)})
    end_by_psutil(library, 42, "ollama", 100_000, is_forced=False)
    assert library.ended == [(42, "terminate")]


def test_where_psutil_knows_processes_another_one_of_that_number_is_left_alone() -> None:
    library = FakePsutil("windows", {42: FakeProcess(words=["ollama"], created=1_000.5)})
    with pytest.raises(NotEndedError, match="another process by now"):
        end_by_psutil(library, 42, "ollama", 100_000, is_forced=True)
    assert library.ended == []


def test_where_psutil_knows_no_start_the_one_of_that_name_is_ended() -> None:
    library = FakePsutil("windows", {42: FakeProcess(words=None, name="ollama.exe")})
    end_by_psutil(library, 42, "ollama.exe", None, is_forced=False)
    assert library.ended == [(42, "terminate")]


def test_where_psutil_knows_no_start_one_of_another_name_is_left_alone() -> None:
    library = FakePsutil("windows", {42: FakeProcess(words=None, name="explorer.exe")})
    with pytest.raises(NotEndedError, match="another process by now"):
        end_by_psutil(library, 42, "ollama.exe", None, is_forced=True)
    assert library.ended == []


def test_where_psutil_may_know_neither_start_nor_name_nothing_is_ended() -> None:
    library = FakePsutil("macos", {42: FakeProcess(words=None, name=None)})
    with pytest.raises(PermissionError):
        end_by_psutil(library, 42, "ollama", None, is_forced=True)
    assert library.ended == []


def test_one_that_is_gone_is_said(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait(10)
    with pytest.raises(NotEndedError, match="is gone already"):
        end_process(sleeper.pid, "sleep")


def test_what_is_no_process_of_a_model_is_never_ended() -> None:
    for pid in (-1, 0, 1, os.getpid()):
        with pytest.raises(NotEndedError, match="not ended from here"):
            end_process(pid, "python")
