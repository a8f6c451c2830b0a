"""Engines are found among processes, counted with their children, and known by what they will hold."""

import os
from dataclasses import replace

import pytest
from proc_tree import end_process, make_process
from shelves import OllamaStore, write_model

from probes.process_facts import ProcessReader
from probes.sampler import take_one
from probes.served import Served
from probes.simulate import simulated_sources
from probes.snapshot import Process
from tui.recognised import Phase
from tui.recogniser import Recogniser
from tui.watch import Glances
from tui.widgets.engine_text import engine_line

GIB = 1 << 30
ENGINE = ("vllm", "serve", "Qwen/Qwen2.5-7B-Instruct", "--max-model-len", "8192")
PID = 4000


class Bench:
    """A machine of one or two cards, its processes and a clock."""

    def __init__(self, root, hardware="RTX 4090, RAM 64GiB"):
        self.root, self.now = root, 0.0
        self.empty = take_one(simulated_sources(hardware), 5.0)
        self.recogniser = Recogniser(ProcessReader(root=str(root)), clock=lambda: self.now)

    def look(self, held=None, *, after=0.0, answers=None):
        """Engines, where each pid holds so many GiB on the first card, or on each of a list."""
        self.now += after
        return self.recogniser.look(self.snapshot(held or {}), answers or {})

    def snapshot(self, held):
        """Of these processes on the cards."""
        processes = []
        for pid, gib in held.items():
            parts = gib if isinstance(gib, list) else [gib]
            processes += [
                Process(pid=pid, device_key=device.key, used_bytes=int(part * GIB))
                for device, part in zip(self.empty.devices, parts, strict=False)
            ]
        return replace(self.empty, processes=tuple(processes))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_an_engine_is_known_by_its_command_line(bench):
    make_process(bench.root, PID, *ENGINE)
    (found,) = bench.look({PID: 1})
    assert (found.pid, found.engine_name, found.model_name, found.context_tokens) == (PID, "vllm", "Qwen2.5 7B", 8192)


def test_what_is_no_engine_is_none(bench):
    make_process(bench.root, PID, "python3", "train.py")
    assert bench.look({PID: 10}) == ()


def test_its_quant_is_what_the_engine_loads(bench):
    make_process(bench.root, PID, *ENGINE)
    (found,) = bench.look({PID: 1})
    assert found.quant == "BF16"


@pytest.mark.parametrize(
    "before",
    [
        ("plimsoll", "check", "--"),
        ("python3", "/venv/bin/plimsoll", "run", "--wait"),
        ("timeout", "-k", "1", "60", "plimsoll", "run", "--wait", "--"),
        ("sudo", "-u", "me", "/venv/bin/plimsoll", "run", "--"),
    ],
)
def test_who_only_judges_a_command_is_no_engine(bench, before):
    make_process(bench.root, PID, *before, *ENGINE)
    assert bench.look({PID: 1}) == ()


def test_a_terminal_that_holds_who_judges_is_no_engine(bench):
    make_process(bench.root, PID, "tmux", "new", "-d", f"plimsoll run -- {' '.join(ENGINE)}")
    make_process(bench.root, PID + 1, "tmux", "new", "-d", f"cd x; plimsoll run -- bash -c '{' '.join(ENGINE)}'")
    assert bench.look({PID: 1, PID + 1: 1}) == ()


def test_who_is_behind_two_dashes_may_be_called_anything(bench):
    make_process(bench.root, PID, "secrets", "run", "--", *ENGINE, "--served-model-name", "plimsoll", "run")
    assert len(bench.look({PID: 1})) == 1


@pytest.mark.parametrize("words", [(" ".join(ENGINE),), ("-p", f"{' '.join(ENGINE)} gives OOM"), ENGINE])
def test_a_program_that_may_only_read_an_engines_words_is_none(bench, words):
    make_process(bench.root, PID, "claude", *words)
    assert bench.look({PID: 1}) == ()


def test_children_count_with_their_parent(bench):
    make_process(bench.root, PID, *ENGINE)
    make_process(bench.root, PID + 1, "VLLM::EngineCore", parent=PID)
    make_process(bench.root, PID + 2, "VLLM::Worker_TP0", parent=PID + 1)
    (found,) = bench.look({PID + 1: 2, PID + 2: 3})
    assert (found.pids, found.held["GPU 0"]) == ({PID, PID + 1, PID + 2}, 5 * GIB)


def test_a_child_with_its_parents_command_is_no_second_engine(bench):
    make_process(bench.root, PID, *ENGINE)
    make_process(bench.root, PID + 1, *ENGINE, parent=PID)
    assert len(bench.look({PID: 1})) == 1


def test_a_shell_between_them_does_not_matter(bench):
    make_process(bench.root, PID, "bash", "-c", "x")
    make_process(bench.root, PID + 1, *ENGINE, parent=PID)
    (found,) = bench.look({PID + 1: 1})
    assert found.pids == {PID + 1}


def test_a_loop_of_parents_ends(bench):
    make_process(bench.root, PID, *ENGINE, parent=PID + 1)
    make_process(bench.root, PID + 1, "sh", parent=PID)
    assert len(bench.look({PID: 1})) == 1


def test_what_it_will_hold_is_predicted_as_if_it_held_nothing(bench):
    make_process(bench.root, PID, *ENGINE)
    (early,) = bench.look({PID: 0.5})
    other = Bench(bench.root)
    (late,) = other.look({PID: 20})
    assert early.predicted["GPU 0"].n_bytes == pytest.approx(late.predicted["GPU 0"].n_bytes, rel=0.01)


def test_a_launch_loads_until_it_holds_what_was_predicted(bench):
    make_process(bench.root, PID, *ENGINE)
    (begun,) = bench.look({PID: 1})
    (half,) = bench.look({PID: 11}, after=5)
    (done,) = bench.look({PID: 22.1}, after=5)
    assert [one.phase for one in (begun, half, done)] == [Phase.LOADING, Phase.LOADING, Phase.RESTING]


def test_its_progress_and_the_time_left_follow_from_its_growth(bench):
    make_process(bench.root, PID, *ENGINE)
    bench.look({PID: 1})
    (found,) = bench.look({PID: 11}, after=5)
    assert found.growth_bytes_per_second == pytest.approx(2 * GIB)
    assert found.left_seconds == pytest.approx((found.predicted_bytes - 11 * GIB) / (2 * GIB))
    assert found.progress_ratio == pytest.approx(11 * GIB / found.predicted_bytes)


def test_one_that_stops_growing_rests_though_it_holds_less(bench):
    make_process(bench.root, PID, *ENGINE)
    bench.look({PID: 10})
    (pausing,) = bench.look({PID: 10}, after=10)
    (resting,) = bench.look({PID: 10}, after=15)
    assert (pausing.phase, resting.phase) == (Phase.LOADING, Phase.RESTING)


def test_work_after_rest_is_no_launch(bench):
    make_process(bench.root, PID, *ENGINE)
    bench.look({PID: 22.1})
    (found,) = bench.look({PID: 5}, after=5)
    assert found.phase is Phase.RESTING


def test_a_launch_is_not_calm(bench):
    make_process(bench.root, PID, *ENGINE)
    bench.look({PID: 1})
    bench.look({PID: 9}, after=5)
    assert not bench.recogniser.is_calm


def test_one_that_gives_back_what_it_had_is_calm(bench):
    make_process(bench.root, PID, *ENGINE)
    bench.look({PID: 9})
    bench.look({PID: 4}, after=5)
    bench.look({PID: 9}, after=5)
    assert bench.recogniser.is_calm


def test_a_child_of_a_child_that_began_later_counts_with_the_engine(bench):
    make_process(bench.root, PID, *ENGINE)
    bench.look({PID: 1})
    make_process(bench.root, PID + 2, "VLLM::EngineCore", parent=PID)
    make_process(bench.root, PID + 1, "VLLM::Worker_TP0", parent=PID + 2)
    (found,) = bench.look({PID + 1: 3})
    assert (found.pids, found.held["GPU 0"]) == ({PID, PID + 1, PID + 2}, 3 * GIB)


def test_one_that_is_gone_is_gone(bench):
    make_process(bench.root, PID, *ENGINE)
    bench.look({PID: 1})
    end_process(bench.root, PID)
    assert bench.look() == ()


def test_a_number_that_is_used_again_is_another_launch(bench):
    make_process(bench.root, PID, *ENGINE, ticks=1)
    bench.look({PID: 22.1})
    make_process(bench.root, PID, "vllm", "serve", "Qwen/Qwen2.5-0.5B-Instruct", ticks=2)
    (found,) = bench.look({PID: 1}, after=5)
    assert (found.model_name, found.phase) == ("Qwen2.5 0.5B", Phase.LOADING)


def test_a_model_that_is_not_known_is_said_and_nothing_is_predicted(bench):
    make_process(bench.root, PID, "vllm", "serve", "/nowhere/of-a-stranger")
    (found,) = bench.look({PID: 1})
    assert (found.predicted, found.phase) == ({}, Phase.UNKNOWN)
    assert found.reason


def test_its_variables_choose_its_devices(tmp_path):
    bench = Bench(tmp_path, "2x RTX 4090, RAM 64GiB")
    make_process(bench.root, PID, *ENGINE, environ="CUDA_VISIBLE_DEVICES=1\0")
    (found,) = bench.look({})
    assert "GPU 1" in found.predicted
    assert "GPU 0" not in found.predicted


def test_the_drivers_word_on_devices_counts_more_than_variables(tmp_path):
    bench = Bench(tmp_path, "2x RTX 4090, RAM 64GiB")
    make_process(bench.root, PID, *ENGINE)
    (found,) = bench.look({PID: [0, 5]})
    assert "GPU 1" in found.predicted


def test_what_it_says_of_itself_is_kept_beside_it(bench):
    make_process(bench.root, PID, *ENGINE)
    (found,) = bench.look({PID: 1}, answers={PID: (Served(model="a", cache_ratio=0.5),)})
    assert found.served.cache_ratio == 0.5


def test_words_that_are_not_understood_are_named(bench):
    make_process(bench.root, PID, *ENGINE, "--quite-new", "5")
    (found,) = bench.look({PID: 1})
    assert found.unknown == ("--quite-new 5",)


def test_memory_of_another_container_is_not_taken_for_its_own(bench):
    make_process(bench.root, PID, *ENGINE)
    outside = Process(pid=PID, device_key=bench.empty.devices[0].key, used_bytes=GIB, is_outside=True)
    (found,) = bench.recogniser.look(replace(bench.empty, processes=(outside,)))
    assert "GPU 0" not in found.held


def test_a_file_that_cannot_be_read_is_taken_for_what_its_name_says(bench):
    make_process(bench.root, PID, "vllm", "serve", "/nowhere/qwen3-32b-q4_k_m.gguf")
    (found,) = bench.look({PID: 1})
    assert (found.model_name, found.quant, found.is_by_name) == ("Qwen3 32B", "Q4_K_M", True)


@pytest.mark.parametrize("name", ["qwen3-32b.gguf", "mine-q4_k_m.gguf", "q4_k_m.gguf", "qwen-q4_k_m.gguf"])
def test_a_name_that_is_not_clear_is_taken_for_nothing(bench, name):
    make_process(bench.root, PID, "vllm", "serve", f"/nowhere/{name}")
    (found,) = bench.look({PID: 1})
    assert (found.predicted, found.model_name) == ({}, name)


def test_who_runs_for_long_when_first_seen_is_loaded(tmp_path):
    bench = Bench(tmp_path)
    bench.recogniser = Recogniser(ProcessReader(root=str(tmp_path)), clock=lambda: 0.0, running_seconds=lambda _: 1e4)
    make_process(tmp_path, PID, *ENGINE)
    (found,) = bench.look({PID: 5})
    assert found.phase is Phase.RESTING


def test_the_context_is_what_it_serves_where_nothing_else_is_known(bench):
    make_process(bench.root, PID, "vllm", "serve", "/nowhere/of-a-stranger")
    bench.look({PID: 1})
    (found,) = bench.look({PID: 1}, answers={PID: (Served(model="a", context_tokens=4096),)})
    assert found.context_tokens == 4096


def test_many_engines_are_judged_few_at_a_time_until_all_are(bench):
    for number in range(7):
        make_process(bench.root, PID + number, *ENGINE, ticks=500 + number)
    n_judged = [sum(bool(one.predicted) for one in bench.look({}, after=1)) for _ in range(4)]
    assert n_judged == [2, 4, 6, 7]


def test_who_waits_to_be_judged_keeps_it_from_being_settled(bench):
    for number in range(3):
        make_process(bench.root, PID + number, *ENGINE, ticks=500 + number)
    settled = []
    for _ in range(2):
        bench.look({}, after=1)
        settled.append(bench.recogniser.is_settled)
    assert settled == [False, True]


class Spared:
    """An engine that has rested for long, and whose looks are spared."""

    def __init__(self, bench):
        make_process(bench.root, PID, *ENGINE, ticks=100)
        make_process(bench.root, 9000, "plimsoll", ticks=90_000)
        self.bench, self.reader = bench, bench.recogniser._reader
        self.glances = Glances(bench.recogniser, self.reader)
        for _ in range(40):
            while self.spare():
                pass
            bench.look({PID: 20}, after=3)

    def spare(self, held=20.0, answers=None):
        return self.glances.spare(self.bench.snapshot({PID: held}), answers or {})


@pytest.fixture
def spared(bench):
    return Spared(bench)


def test_two_looks_of_three_are_spared_where_nothing_happens(spared):
    assert [spared.spare() for _ in range(6)] == [True, True, False, True, True, False]


def test_no_look_is_spared_where_an_engine_holds_more(spared):
    assert not spared.spare(held=21)


def test_no_look_is_spared_where_an_engine_says_something_else(spared):
    assert not spared.spare(answers={PID: (Served(model="a"),)})


def test_no_look_is_spared_where_a_process_came(spared):
    make_process(spared.bench.root, 9001, "llama-server", ticks=95_000)
    assert not spared.spare()


def test_no_look_is_spared_while_something_loads(bench):
    make_process(bench.root, PID, *ENGINE, ticks=100)
    glances = Glances(bench.recogniser, bench.recogniser._reader)
    glances.spare(bench.snapshot({PID: 1}), {})
    bench.look({PID: 1})
    assert not glances.spare(bench.snapshot({PID: 1}), {})


@pytest.fixture
def tiny(bench):
    """A store of Ollama with one model, and the path of its weights."""
    store = OllamaStore(bench.root / "store")
    blob = store.weights("a")
    store.name("library/tiny/1b", [store.layer("a")])
    return str(blob)


def test_ollamas_server_alone_is_an_engine_with_nothing_loaded(bench):
    make_process(bench.root, PID, "/usr/local/bin/ollama", "serve")
    (found,) = bench.look()
    assert (found.program, found.model_name, found.phase) == ("ollama serve", "", Phase.UNKNOWN)
    assert engine_line(found) == "ollama serve · nothing loaded"


def test_ollamas_runner_is_called_as_its_store_calls_the_model(bench, tiny):
    make_process(bench.root, PID, "/usr/local/bin/ollama", "serve")
    make_process(bench.root, PID + 1, "/usr/local/bin/ollama", "runner", "--model", tiny, "--port", "4242", parent=PID)
    (found,) = bench.look({PID + 1: 1})
    assert (found.pid, found.model_name) == (PID + 1, "tiny:1b")


def test_a_llama_server_of_ollama_is_called_so_too(bench, tiny):
    make_process(bench.root, PID, "/usr/local/bin/ollama", "serve")
    make_process(bench.root, PID + 1, "/usr/lib/ollama/llama-server", "--model", tiny, "-c", "2048", parent=PID)
    (found,) = bench.look({PID + 1: 1})
    assert found.model_name == "tiny:1b"


def test_ollamas_runner_has_the_context_that_its_server_tells(bench, tiny):
    make_process(bench.root, PID, "/usr/local/bin/ollama", "serve")
    make_process(bench.root, PID + 1, "/usr/local/bin/ollama", "runner", "--model", tiny, "--port", "4242", parent=PID)
    served = (Served(model="other:1b", context_tokens=7), Served(model="tiny:1b", context_tokens=1024))
    bench.look({PID + 1: 1})
    (found,) = bench.look({PID + 1: 1}, after=1, answers={PID + 1: served})
    assert (found.context_tokens, found.served) == (1024, served[1])


def test_ollamas_runner_is_asked_of_at_its_servers_port(bench, tiny):
    make_process(bench.root, PID, "/usr/local/bin/ollama", "serve")
    make_process(bench.root, PID + 1, "/usr/local/bin/ollama", "runner", "--model", tiny, "--port", "4242", parent=PID)
    row = f"0: 0100007F:2CAA 0:0 0A 0:0 0:0 0 {os.getuid()} 0 5 1"
    (bench.root / "proc" / "self" / "net").mkdir(parents=True)
    (bench.root / "proc" / "self" / "net" / "tcp").write_text(f"sl local_address\n{row}\n")
    (found,) = bench.look({PID + 1: 1})
    assert found.ports == (11434,)


def test_who_only_asks_ollama_for_a_model_is_no_engine(bench):
    make_process(bench.root, PID, "ollama", "run", "llama3.1:8b")
    assert bench.look() == ()


@pytest.fixture
def studio(bench):
    """LM Studio with a window's process beside it, and the child in which its model lies."""
    make_process(bench.root, PID, "/opt/LM Studio/lm-studio")
    make_process(bench.root, PID + 1, "/opt/LM Studio/lm-studio", "--type=renderer", parent=PID)
    path = write_model(bench.root / "tiny-q4_0.gguf")
    maps = f"7f0000-7fff00 r--s 0 08:01 6 {path}\n"
    make_process(bench.root, PID + 2, "/home/a/.lmstudio/.internal/utils/node", parent=PID, maps=maps)
    return bench


def test_lm_studio_is_one_engine_with_its_children(studio):
    (found,) = studio.look({PID + 2: 1})
    assert (found.program, found.pids, found.held["GPU 0"]) == ("LM Studio", {PID, PID + 1, PID + 2}, GIB)


def test_its_model_is_the_one_that_a_child_has_mapped(studio):
    (found,) = studio.look({PID + 2: 1})
    assert found.predicted["GPU 0"].n_bytes > 0
    assert not found.is_by_name


def test_its_context_is_what_it_says_once_it_is_asked(studio):
    (before,) = studio.look({PID + 2: 1})
    (after,) = studio.look({PID + 2: 1}, answers={PID: (Served(model="tiny", context_tokens=512),)})
    assert (before.context_tokens, after.context_tokens) == (4096, 512)


def test_lm_studio_is_asked_by_its_own_interface(studio):
    (found,) = studio.look({})
    assert (found.interface, found.engine_name) == ("lmstudio", "llamacpp")


def test_who_only_asks_lm_studio_for_a_model_is_no_engine(bench):
    make_process(bench.root, PID, "lms", "load", "qwen3-8b")
    assert bench.look() == ()


def test_a_guard_that_becomes_the_engine_is_recognised(bench):
    make_process(bench.root, PID, "python3", "/venv/bin/plimsoll", "run", "--wait", "--", *ENGINE)
    bench.look({})
    make_process(bench.root, PID, *ENGINE)
    (found,) = bench.look({PID: 1})
    assert found.engine_name == "vllm"


def test_its_version_is_what_is_installed_beside_it(bench, tmp_path):
    program = tmp_path / "venv" / "bin" / "vllm"
    (tmp_path / "venv" / "lib" / "python3.12" / "site-packages" / "vllm-0.11.0.dist-info").mkdir(parents=True)
    program.parent.mkdir()
    program.write_text("")
    make_process(bench.root, PID, str(program.with_name("python3")), str(program), *ENGINE[1:])
    (found,) = bench.look({PID: 1})
    assert (found.engine_version, found.architecture) == ("0.11.0", "qwen2")


def test_what_it_says_of_its_version_counts_first(bench):
    make_process(bench.root, PID, *ENGINE)
    bench.look({PID: 1})
    (found,) = bench.look({PID: 1}, answers={PID: (Served(model="Qwen/Qwen2.5-7B-Instruct", version="0.12.1"),)})
    assert found.engine_version == "0.12.1"


def test_pages_of_the_file_are_no_more_predicted_than_they_are_held(bench):
    path = write_model(bench.root / "tiny-q4_0.gguf")
    found = {}
    for word in ("--no-mmap", "--mmap"):
        make_process(bench.root, PID, "llama-server", "-m", str(path), "-c", "4096", "--no-repack", word)
        (found[word],) = Bench(bench.root, "RAM 64GiB").look()
    assert 0 < found["--mmap"].predicted["RAM"].n_bytes < found["--no-mmap"].predicted["RAM"].n_bytes


def test_where_its_own_process_has_the_model_its_children_are_not_looked_through(bench):
    path = write_model(bench.root / "tiny-q4_0.gguf")
    maps = f"7f0000-7fff00 r--s 0 08:01 6 {path}\n"
    make_process(bench.root, PID, "vllm", "serve", "/nowhere/of-a-stranger", maps=maps)
    make_process(bench.root, PID + 1, "VLLM::Worker", parent=PID)
    asked = []
    reader = ProcessReader(root=str(bench.root))

    class Counting:
        def __getattr__(self, name):
            return getattr(reader, name)

        def files(self, pid):
            asked.append(pid)
            return reader.files(pid)

    Recogniser(Counting(), clock=lambda: 0.0).look(bench.empty)
    assert asked == [PID]


def test_who_says_that_it_loads_says_nothing_of_its_model(bench):
    make_process(bench.root, PID, *ENGINE)
    (found,) = bench.look({PID: 1}, answers={PID: (Served(is_loading=True),)})
    assert (found.served, found.context_tokens) == (None, 8192)


def test_what_it_has_to_read_is_what_its_file_has(bench):
    path = write_model(bench.root / "a.gguf")
    make_process(bench.root, PID, "llama-server", "-m", str(path), "-c", "512", "-ngl", "99")
    make_process(bench.root, PID + 1, "llama-server", "-m", "/nowhere/qwen3-8b-q4_k_m.gguf", "-ngl", "99")
    bench.look({PID: 0.01, PID + 1: 0.01})
    n_bytes = [bench.recogniser._engines[pid].loading.weight_bytes for pid in (PID, PID + 1)]
    assert 0 < n_bytes[0] <= path.stat().st_size
    assert n_bytes[1] == 0


def test_a_launch_that_reads_in_a_child_loads(bench):
    make_process(bench.root, PID, *ENGINE, status="VmHWM:\t 1024 kB\n")
    phases = []
    for second in range(40):
        make_process(bench.root, PID + 1, "VLLM::Worker", parent=PID, status=f"VmHWM:\t {second * 65536} kB\n")
        (found,) = bench.look({PID + 1: 10}, after=1)
        phases.append(found.phase)
    assert set(phases) == {Phase.LOADING}
