"""A process is known by what the kernel tells of it, and by nothing it would not tell this user."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proc_tree import end_process, make_process

from probes.process_facts import HeldFacts, ProcessReader

GGUF = "/models/qwen.gguf"


@pytest.fixture
def reader(tmp_path):
    return ProcessReader(root=str(tmp_path))


def test_words_parent_and_start_are_read(tmp_path, reader):
    make_process(tmp_path, 7, "llama-server", "-m", "a b.gguf", parent=3, ticks=900)
    (facts,) = reader.all_facts()
    assert (facts.arguments, facts.parent_pid, facts.started_ticks) == (("llama-server", "-m", "a b.gguf"), 3, 900)


def test_a_name_with_brackets_and_blanks_misleads_nobody(tmp_path, reader):
    make_process(tmp_path, 7, "x", name="a) S 9 (b", parent=3)
    assert reader.facts(7).parent_pid == 3


def test_a_kernel_thread_is_no_process(tmp_path, reader):
    make_process(tmp_path, 7)
    assert reader.all_facts() == ()


def test_one_that_is_gone_is_forgotten(tmp_path, reader):
    make_process(tmp_path, 7, "x")
    reader.all_facts()
    (tmp_path / "proc" / "7").rename(tmp_path / "proc" / "gone")
    assert reader.all_facts() == ()


def test_a_number_used_again_is_another_process(tmp_path, reader):
    make_process(tmp_path, 7, "x", ticks=1)
    (facts,) = reader.all_facts()
    make_process(tmp_path, 7, "y", ticks=2)
    assert not reader.is_same(facts)
    assert reader.all_facts()[0].arguments == ("y",)


def test_variables_that_move_memory_are_kept(tmp_path, reader):
    make_process(
        tmp_path, 7, "x", environ="CUDA_VISIBLE_DEVICES=1\0OLLAMA_NUM_PARALLEL=4\0LLAMA_ARG_CTX_SIZE=5\0PATH=/bin\0"
    )
    assert reader.facts(7).environment == {
        "CUDA_VISIBLE_DEVICES": "1",
        "OLLAMA_NUM_PARALLEL": "4",
        "LLAMA_ARG_CTX_SIZE": "5",
    }


@pytest.mark.parametrize("name", ["HF_TOKEN", "VLLM_API_KEY", "HUGGINGFACE_HUB_TOKEN", "LLAMA_ARG_API_KEY"])
def test_no_secret_is_kept(tmp_path, reader, name):
    make_process(tmp_path, 7, "x", environ=f"{name}=s3cret\0")
    assert reader.facts(7).environment == {}


def test_an_environment_that_may_not_be_read_is_none(tmp_path, reader):
    make_process(tmp_path, 7, "x")
    assert reader.facts(7).environment is None


def test_files_of_models_are_named_the_largest_mapping_first(tmp_path, reader):
    maps = (
        "7f00-7f10 r--s 0 08:01 5 /models/small.gguf\n"
        f"7f0000-7fff00 r--s 0 08:01 6 {GGUF}\n"
        "7f00-7f10 r--p 0 08:01 7 /usr/lib/libc.so.6\n"
        "7f20-7f30 rw-p 0 00:00 0 \n"
    )
    make_process(tmp_path, 7, "x", maps=maps)
    assert reader.held(7).files == (GGUF, "/models/small.gguf")


def test_an_open_model_is_named_though_it_is_not_mapped(tmp_path, reader):
    make_process(tmp_path, 7, "x")
    descriptors = tmp_path / "proc" / "7" / "fd"
    descriptors.mkdir()
    os.symlink(GGUF, descriptors / "3")
    os.symlink("/dev/null", descriptors / "0")
    assert reader.held(7).files == (GGUF,)


def test_only_its_own_listening_ports_are_its_ports(tmp_path, reader):
    make_process(tmp_path, 7, "x")
    descriptors = tmp_path / "proc" / "7" / "fd"
    descriptors.mkdir()
    os.symlink("socket:[111]", descriptors / "3")
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1\n"
        "   1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 222 1\n"
        "   2: 0100007F:2222 00000000:0000 01 00000000:00000000 00:00000000 00000000  1000        0 111 1\n"
    )
    (tmp_path / "proc" / "7" / "net").mkdir()
    (tmp_path / "proc" / "7" / "net" / "tcp").write_text(table)
    assert reader.held(7).ports == (8080,)


def listen(root, *rows, inode=111, uid=1000):
    """A process with a socket, and (address, port) that it listens on."""
    make_process(root, 7, "x")
    lines = "".join(
        f"   0: {address}:{port:04X} 00000000:0000 0A 0:0 00:0 0  {uid}        0 {inode} 1\n" for address, port in rows
    )
    for pid in ("7", "self"):
        (root / "proc" / pid / "net").mkdir(parents=True)
        (root / "proc" / pid / "net" / "tcp").write_text(f"  sl  local_address\n{lines}")


def test_a_port_of_one_address_is_none_of_loopback(tmp_path, reader):
    listen(tmp_path, ("0501A8C0", 8000), ("00000000", 8001), ("0100007F", 8002))
    (tmp_path / "proc" / "7" / "fd").mkdir()
    os.symlink("socket:[111]", tmp_path / "proc" / "7" / "fd" / "3")
    assert reader.ports(7) == (8001, 8002)


def test_a_port_of_another_network_is_none_of_this_machine(tmp_path, reader):
    listen(tmp_path, ("00000000", 8000))
    for pid, network in (("7", 1), ("self", 2)):
        (tmp_path / "proc" / pid / "fd").mkdir()
        (tmp_path / "proc" / pid / "ns").mkdir()
        os.symlink("socket:[111]", tmp_path / "proc" / pid / "fd" / "3")
        os.symlink(f"net:[{network}]", tmp_path / "proc" / pid / "ns" / "net")
    assert reader.ports(7) == ()


def test_where_sockets_may_not_be_seen_its_users_socket_at_the_stated_port_counts(tmp_path, reader):
    listen(tmp_path, ("0100007F", 8000), ("0100007F", 9000), uid=os.getuid())
    assert (reader.ports(7), reader.ports(7, 8000)) == ((), (8000,))


def test_another_users_socket_at_the_stated_port_does_not_count(tmp_path, reader):
    listen(tmp_path, ("0100007F", 8000), uid=os.getuid() + 1)
    assert reader.ports(7, 8000) == ()


def test_a_path_of_a_container_is_opened_through_its_root(tmp_path, reader):
    make_process(tmp_path, 7, "x")
    inside = tmp_path / "proc" / "7" / "root" / "only-in-there"
    inside.mkdir(parents=True)
    assert reader.path_of(7, "/only-in-there") == str(inside)


def test_own_memory_leaves_out_the_pages_of_files(tmp_path, reader):
    make_process(tmp_path, 7, "x", status="VmRSS:\t 900 kB\nRssAnon:\t 100 kB\nRssFile:\t 790 kB\nRssShmem:\t 10 kB\n")
    held = reader.held(7)
    assert (held.resident_bytes, held.own_bytes) == (900 << 10, 110 << 10)


def test_of_a_process_that_is_gone_nothing_is_known(reader):
    assert (reader.facts(7), reader.held(7)) == (None, HeldFacts())


@given(content=st.binary(max_size=200))
def test_any_content_of_the_kernels_files_is_taken_without_a_crash(tmp_path_factory, content):
    root = tmp_path_factory.mktemp("any")
    folder = root / "proc" / "7"
    (folder / "net").mkdir(parents=True)
    (folder / "fd").mkdir()
    os.symlink("socket:[1]", folder / "fd" / "3")
    for name in ("stat", "cmdline", "environ", "maps", "status", "net/tcp"):
        (folder / name).write_bytes(content)
    reader = ProcessReader(root=str(root))
    assert reader.all_facts() is not None
    assert reader.held(7) is not None


def test_this_process_is_known_where_there_is_a_proc():
    if not Path("/proc/self/stat").exists():
        pytest.skip("no /proc here")
    facts = ProcessReader().facts(os.getpid())
    assert facts.parent_pid == os.getppid()
    assert facts.directory == os.getcwd()


def test_one_that_becomes_another_program_is_noticed(tmp_path, reader):
    make_process(tmp_path, 7, "plimsoll", "run", "--", "llama-server")
    reader.all_facts()
    make_process(tmp_path, 7, "llama-server")  # as exec does it: same number, same start
    assert reader.all_facts()[0].arguments == ("llama-server",)


def test_a_new_one_without_words_is_looked_at_again(tmp_path, reader):
    make_process(tmp_path, 7, "x")
    reader.all_facts()
    make_process(tmp_path, 8)
    reader.all_facts()
    make_process(tmp_path, 8, "llama-server")
    assert [facts.pid for facts in reader.all_facts()] == [7, 8]


def test_one_that_ran_for_long_at_the_first_look_has_its_turn_only(tmp_path, reader):
    make_process(tmp_path, 7, "bash", "start.sh", ticks=500)
    make_process(tmp_path, 8, "plimsoll", ticks=50_000)
    reader.all_facts()
    make_process(tmp_path, 7, "llama-server", ticks=500)
    n_looks = next(n for n in range(30) if reader.all_facts()[0].arguments == ("llama-server",))
    assert 0 < n_looks <= 20


def test_what_is_the_same_is_the_same_tuple(tmp_path, reader):
    make_process(tmp_path, 7, "x")
    assert reader.all_facts() is reader.all_facts()


def test_one_that_takes_a_number_at_once_is_no_longer_the_other(tmp_path, reader):
    make_process(tmp_path, 7, "x", ticks=1)
    (facts,) = reader.all_facts()
    make_process(tmp_path, 7, "x", ticks=2)
    reader.is_same(facts)
    assert reader.all_facts()[0].started_ticks == 2


def test_more_nuls_behind_a_title_are_no_news(tmp_path, reader):
    make_process(tmp_path, 7, "x")
    before = reader.all_facts()
    (tmp_path / "proc" / "7" / "cmdline").write_bytes(b"x\0\0\0")
    assert reader.all_facts() is before


def test_an_old_one_that_becomes_another_program_is_noticed_in_turn(tmp_path, reader):
    make_process(tmp_path, 7, "bash", "start.sh")
    for _ in range(100):
        reader.all_facts()
    make_process(tmp_path, 7, "llama-server")
    assert any(reader.all_facts()[0].arguments == ("llama-server",) for _ in range(21))


def test_one_that_waits_to_become_an_engine_is_noticed_at_once(tmp_path, reader):
    make_process(tmp_path, 7, "python3", "/venv/bin/plimsoll", "run", "--wait", "--", "llama-server")
    for _ in range(100):
        reader.all_facts()
    make_process(tmp_path, 7, "llama-server")
    assert reader.all_facts()[0].arguments == ("llama-server",)


def test_libraries_of_ggml_are_named_by_their_device(tmp_path, reader):
    maps = "".join(
        f"7f00-7f01 r-xp 00000000 08:01 1 {path}\n"
        for path in (
            "/usr/lib/ollama/cuda_v12/libggml-cuda.so",
            "/opt/a b/libggml-vulkan.so.0.9.4 (deleted)",
            "/usr/lib/ollama/libggml-base.so",
            "/usr/lib/ollama/libggml-cpu-haswell.so",
            "/opt/ggml-cuda/model.gguf",
        )
    )
    make_process(tmp_path, 7, "x", maps=maps)
    assert reader.backends(7) == {"cuda", "vulkan"}
    assert reader.backends(8) == frozenset()


@pytest.fixture
def settled(tmp_path, reader):
    """Two processes, neither of which is young any more."""
    make_process(tmp_path, 7, "old", ticks=100)
    make_process(tmp_path, 100, "plimsoll", ticks=90_000)
    for _ in range(31):
        reader.all_facts()
    return reader


def test_where_nobody_came_or_went_a_look_would_find_the_same(settled):
    assert not settled.has_changed()


def test_one_that_came_is_a_change_until_it_has_been_looked_at(tmp_path, settled):
    make_process(tmp_path, 200, "new", ticks=91_000)
    assert settled.has_changed()
    settled.all_facts()
    assert not settled.has_changed()


def test_a_young_one_that_becomes_another_program_is_a_change(tmp_path, settled):
    make_process(tmp_path, 200, "bash", ticks=91_000)
    settled.all_facts()
    make_process(tmp_path, 200, "llama-server", ticks=91_000)
    assert settled.has_changed()


def test_one_that_went_is_a_change(tmp_path, settled):
    end_process(tmp_path, 7)
    assert settled.has_changed()


def test_one_that_has_waited_for_long_and_becomes_the_engine_is_a_change(tmp_path, settled):
    make_process(tmp_path, 200, "plimsoll", "run", "--wait", "--", "vllm", ticks=91_000)
    for _ in range(40):
        settled.all_facts()
    assert not settled.has_changed()
    make_process(tmp_path, 200, "vllm", ticks=91_000)
    assert settled.has_changed()


def test_whose_turn_it_was_in_a_spared_look_is_looked_at_in_the_next(tmp_path, settled):
    make_process(tmp_path, 7, "llama-server", ticks=100)
    for _ in range(19):
        settled.has_changed()
    (facts,) = [facts for facts in settled.all_facts() if facts.pid == 7]
    assert facts.arguments == ("llama-server",)
