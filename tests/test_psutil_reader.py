"""Processes of macOS and Windows, as psutil tells them; on Linux it is held against /proc."""

import os
import sys
import time
from collections import Counter

import psutil
import pytest
from fake_psutil import FakeProcess, FakePsutil

from probes.access import Access
from probes.process_facts import ProcessReader
from probes.processes import open_processes
from probes.psutil_reader import PsutilReader
from probes.sampler import take_one
from probes.simulate import simulated_sources
from tui.recogniser import Recogniser

GGUF = r"C:\models\qwen.gguf"


def reader_of(system, processes):
    table = FakePsutil(system, processes)
    return PsutilReader(table), table


def test_words_parent_variables_folder_and_start_are_read():
    process = FakeProcess(
        ["llama-server", "-m", "a b.gguf"], 3, 12.34, {"LLAMA_ARG_CTX_SIZE": "5", "PATH": "/bin"}, "/Users/a"
    )
    reader, _ = reader_of("macos", {3: FakeProcess(["zsh"], created=1.0), 7: process})
    (facts,) = [one for one in reader.all_facts() if one.pid == 7]
    assert (facts.arguments, facts.parent_pid, facts.started_ticks) == (("llama-server", "-m", "a b.gguf"), 3, 1234)
    assert (facts.environment, facts.directory) == ({"LLAMA_ARG_CTX_SIZE": "5"}, "/Users/a")


def test_no_secret_is_kept():
    reader, _ = reader_of("windows", {7: FakeProcess(["x"], variables={"HF_TOKEN": "s3cret"})})
    assert reader.all_facts()[0].environment == {}


def test_a_variable_of_no_text_is_told_as_text():
    reader, _ = reader_of("windows", {7: FakeProcess(["x"], variables={"LLAMA_ARG_MODEL": "C:\\\ud800.gguf"})})
    assert reader.all_facts()[0].environment == {
        "LLAMA_ARG_MODEL": "C:\\???.gguf".replace("???", "\N{REPLACEMENT CHARACTER}" * 3)
    }


def test_what_this_user_may_not_see_is_none():
    reader, _ = reader_of("macos", {7: FakeProcess(["x"])})
    (facts,) = reader.all_facts()
    assert (facts.environment, facts.directory) == (None, None)
    assert (reader.files(7), reader.ports(7), reader.own_bytes(7)) == (None, (), None)


def test_one_whose_command_may_not_be_seen_is_left_out():
    reader, _ = reader_of("windows", {4: FakeProcess(None), 7: FakeProcess(["x"])})
    assert [one.pid for one in reader.all_facts()] == [7]


def test_one_that_is_seen_before_its_command_can_be_is_looked_at_again():
    reader, table = reader_of("windows", {7: FakeProcess(None, created=time.time())})
    assert reader.all_facts() == ()
    table.processes[7].words = ["ollama.exe", "serve"]
    assert reader.all_facts()[0].arguments == ("ollama.exe", "serve")


def test_the_same_process_is_the_same_object_from_look_to_look():
    reader, _ = reader_of("windows", {7: FakeProcess(["x"])})
    first = reader.all_facts()
    assert reader.all_facts() is first


def test_only_new_processes_are_asked_on_windows():
    processes = {pid: FakeProcess(["x"], parent=0) for pid in range(1000, 1200)}
    reader, table = reader_of("windows", processes)
    reader.all_facts()
    table.processes[2000] = FakeProcess(["x"], parent=0)
    table.asked.clear()
    reader.all_facts()
    assert table.asked == Counter(ppid_map=1, created=2, words=1, variables=1, directory=1)


def test_the_list_of_parents_is_asked_for_once_a_look():
    reader, table = reader_of("windows", {pid: FakeProcess(["x"]) for pid in range(1000, 1200)})
    reader.all_facts()
    assert table.asked["ppid_map"] == 1


def test_a_look_ends_in_time_and_the_next_goes_on():
    now = iter(range(1000))
    table = FakePsutil("macos", {pid: FakeProcess(["x"]) for pid in (7, 8)})
    reader = PsutilReader(table, clock=lambda: float(next(now)))
    assert [[one.pid for one in reader.all_facts()] for _ in range(2)] == [[8], [8, 7]]


def test_one_that_is_gone_is_forgotten():
    reader, table = reader_of("windows", {7: FakeProcess(["x"])})
    (facts,) = reader.all_facts()
    del table.processes[7]
    assert not reader.is_same(facts)
    assert reader.all_facts() == ()


def test_a_number_used_again_is_another_process():
    reader, table = reader_of("windows", {7: FakeProcess(["x"])})
    (facts,) = reader.all_facts()
    table.processes[7] = FakeProcess(["y"], created=2_000.0)
    assert not reader.is_same(facts)
    assert reader.all_facts()[0].arguments == ("y",)


def test_one_that_becomes_another_program_is_noticed_on_macos():
    reader, table = reader_of("macos", {7: FakeProcess(["plimsoll", "run", "--", "llama-server"])})
    reader.all_facts()
    table.processes[7].words = ["llama-server"]
    assert reader.all_facts()[0].arguments == ("llama-server",)


@pytest.mark.parametrize(("age_seconds", "n_asked"), [(5.0, 8), (500.0, 0)])
def test_who_ran_for_long_when_first_seen_is_not_asked_again_at_each_look(age_seconds, n_asked):
    reader, table = reader_of("macos", {101: FakeProcess(["zsh"], created=time.time() - age_seconds)})
    reader.all_facts()
    table.asked.clear()
    for _ in range(8):
        reader.all_facts()
    assert table.asked["words"] == n_asked


@pytest.mark.parametrize(("created", "expected"), [(900.0, 3), (1_100.0, 0)])
def test_on_windows_who_is_younger_is_no_parent(created, expected):
    reader, _ = reader_of("windows", {3: FakeProcess(["x"], created=created), 7: FakeProcess(["y"], parent=3)})
    assert {one.pid: one.parent_pid for one in reader.all_facts()}[7] == expected


def test_a_parent_that_is_gone_is_none():
    reader, _ = reader_of("windows", {7: FakeProcess(["x"], parent=3)})
    assert reader.all_facts()[0].parent_pid == 0


def test_on_windows_models_are_those_mapped_the_largest_first():
    blob = "C:\\Users\\a\\.ollama\\models\\blobs\\sha256-" + "0" * 64
    mapped = [(r"C:\Windows\System32\ntdll.dll", 9), (GGUF, 5), (blob, 7)]
    reader, _ = reader_of("windows", {7: FakeProcess(["x"], mapped=mapped)})
    assert reader.files(7) == (blob, GGUF)


def test_on_macos_models_are_those_open():
    reader, _ = reader_of("macos", {7: FakeProcess(["x"], opened=["/dev/null", "/Users/a/qwen.gguf"])})
    assert reader.files(7) == ("/Users/a/qwen.gguf",)


def test_ports_are_those_that_loopback_reaches():
    ports = [("192.168.1.5", 1), ("0.0.0.0", 2), ("127.0.0.1", 3), ("::", 4), ("fe80::1", 5), ("::1", 3)]
    reader, _ = reader_of("windows", {7: FakeProcess(["x"], ports=ports)})
    assert reader.ports(7) == (2, 3, 4)


def test_nobody_is_asked_at_a_port_that_may_be_anothers():
    reader, _ = reader_of("macos", {7: FakeProcess(["x"])})
    assert reader.ports(7, 8000) == ()


@pytest.mark.parametrize(("private", "resident"), [(5, 9), (9, 5)])
def test_on_windows_what_is_committed_and_resident_is_its_own(private, resident):
    reader, _ = reader_of("windows", {7: FakeProcess(["x"], memory={"private": private, "rss": resident})})
    assert (reader.own_bytes(7), reader.held(7).resident_bytes) == (5, resident)


def test_on_macos_its_own_memory_is_not_told():
    reader, _ = reader_of("macos", {7: FakeProcess(["x"], memory={"rss": 5, "vms": 9})})
    assert (reader.own_bytes(7), reader.held(7).resident_bytes) == (None, 5)


@pytest.mark.parametrize("words", [[], [""], ["\ud800x", "\udcff"], ["x" * 500_000], ["x"] * 300_000])
def test_any_command_line_is_taken_within_bounds(words):
    reader, _ = reader_of("windows", {7: FakeProcess(words)})
    told = [word for one in reader.all_facts() for word in one.arguments]
    assert sum(map(len, told)) <= 128 * 1024
    assert all(word.encode() is not None for word in told)


@pytest.mark.parametrize("failure", [OSError(31, "x"), SystemError("x"), RuntimeError("x"), ValueError("x")])
def test_what_a_system_answers_beside_psutils_own_errors_ends_nothing(failure):
    class Broken(FakePsutil):
        def pids(self):
            raise failure

    assert PsutilReader(Broken("windows")).all_facts() == ()


def test_it_is_read_where_there_is_no_proc():
    opened = open_processes(access=Access(system="darwin"))
    assert (type(opened), opened.library) == (PsutilReader, psutil)


def test_on_linux_proc_is_read():
    assert isinstance(open_processes(access=Access(system="linux")), ProcessReader)


def unhurried():
    """A reader of this machine that sees all of it in its first look."""
    return PsutilReader(psutil, clock=lambda: 0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc to compare with")
def test_it_says_of_this_process_what_proc_says():
    pid = os.getpid()
    told = [{one.pid: one for one in reader.all_facts()}[pid] for reader in (unhurried(), ProcessReader())]
    seen = [(one.arguments, one.parent_pid, one.environment, one.directory) for one in told]
    assert seen[0] == seen[1]


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc to compare with")
def test_it_has_running_times_as_proc_has_them():
    pid = os.getpid()
    readers = (unhurried(), ProcessReader())
    seconds = [
        reader.running_seconds({one.pid: one for one in reader.all_facts()}[pid].started_ticks) for reader in readers
    ]
    assert seconds[0] == pytest.approx(seconds[1], abs=2.0)


def recognised(system, processes):
    """Engines among them, by pid."""
    recogniser = Recogniser(PsutilReader(FakePsutil(system, processes)), clock=lambda: 0.0)
    return {one.pid: one for one in recogniser.look(take_one(simulated_sources("RTX 4090, RAM 64GiB"), 5.0))}


@pytest.mark.parametrize(
    ("system", "words", "program"),
    [
        ("windows", [r"C:\llama.cpp\llama-server.exe", "-m", GGUF], "llama-server"),
        ("windows", [r"C:\LLAMA\LLAMA-SERVER.EXE", "-m", GGUF], "llama-server"),
        ("windows", [r"C:\Users\A B\AppData\Local\Programs\Ollama\Ollama.exe", "serve"], "ollama serve"),
        (
            "windows",
            [r"C:\venv\Scripts\python.exe", "-m", "vllm.entrypoints.openai.api_server", "--model", "a/b"],
            "vllm",
        ),
        ("windows", ["PYTHON.EXE", r"C:\venv\Scripts\vllm.exe", "serve", "a/b"], "vllm serve"),
        ("windows", [r"D:\KoboldCpp.exe", "--model", GGUF], "koboldcpp"),
        ("windows", [r"C:\Users\a\AppData\Local\Programs\LM Studio\LM Studio.exe"], "LM Studio"),
        ("macos", ["/Applications/LM Studio.app/Contents/MacOS/LM Studio"], "LM Studio"),
        ("macos", ["/Applications/Ollama.app/Contents/Resources/ollama", "runner", "--model", "/a"], "ollama runner"),
        (
            "macos",
            [
                "/opt/homebrew/Cellar/python@3.13/3.13.1/Frameworks/Python.framework/Versions/3.13/Resources/"
                "Python.app/Contents/MacOS/Python",
                "/Users/a/venv/bin/mlx_lm.server",
                "--model",
                "mlx-community/Qwen3-8B-4bit",
            ],
            "mlx_lm.server",
        ),
        ("macos", ["/usr/local/bin/Python3.12", "-m", "mlx_lm", "server", "--model", "a/b"], "mlx_lm.server"),
    ],
)
def test_an_engine_is_known_by_its_command_line_there(system, words, program):
    found = recognised(system, {7: FakeProcess(words)})
    assert found[7].program.startswith(program)


@pytest.mark.parametrize("system", ["macos", "windows", "linux"])
def test_children_count_with_their_parent_there(system):
    words = ["vllm", "serve", "Qwen/Qwen2.5-7B-Instruct"]
    processes = {
        7: FakeProcess(words, created=1.0),
        8: FakeProcess(["VLLM::EngineCore"], parent=7, created=2.0),
        9: FakeProcess(["VLLM::Worker"], parent=8, created=3.0),
    }
    assert recognised(system, processes)[7].pids == {7, 8, 9}


def test_the_stub_of_a_windows_environment_and_its_child_are_one_engine():
    words = ["python.exe", "-m", "vllm.entrypoints.openai.api_server", "--model", "Qwen/Qwen2.5-7B-Instruct"]
    processes = {7: FakeProcess(words, created=1.0), 8: FakeProcess(words, parent=7, created=2.0)}
    assert {pid: one.pids for pid, one in recognised("windows", processes).items()} == {7: {7, 8}}
