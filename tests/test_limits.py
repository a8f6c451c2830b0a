"""What systemd, Slurm, a shell and a container let a program have of the RAM is told, or named without a size."""

from dataclasses import replace

import pytest
from command_lines import launches_of
from hypothesis import given
from hypothesis import strategies as st

from launches.command import Command
from launches.launch import read_launches
from launches.limits import bytes_of, limited_by, limiting_words
from probes.sampler import take_one
from probes.simulate import simulated_sources
from probes.snapshot import SWAP_POOL, Pool
from tui.launched import places_seen

GIB = 1 << 30
SERVER = "llama-server -m /a.gguf"


def read(text: str):
    (launch,) = launches_of(text)
    return launch


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        (f"systemd-run --scope -p MemoryMax=2G {SERVER}", 2 * GIB),
        (f"systemd-run --property=MemoryHigh=512M --property MemoryMax=2G {SERVER}", GIB // 2),
        (f"systemd-run -pMemoryMax=infinity {SERVER}", None),
        (f"systemd-run -p MemoryMax=2G bash -c '{SERVER}'", 2 * GIB),
        (f"srun --mem=2G {SERVER}", 2 * GIB),
        (f"srun --mem 2048 {SERVER}", 2 * GIB),
        (f"srun --mem=0 {SERVER}", None),
        (f"prlimit --as=4294967296:8589934592 {SERVER}", 4 * GIB),
        (f"apptainer exec --nv --memory 8G x.sif {SERVER}", 8 * GIB),
        (f"ulimit -v 4194304; {SERVER}", 4 * GIB),
        (f"ulimit -Sv 4194304\n{SERVER}", 4 * GIB),
        (f"ulimit -v unlimited; {SERVER}", None),
        (f"ulimit -l 4194304; {SERVER}", None),
        (f"bash -c 'ulimit -v 4194304 && exec {SERVER}'", 4 * GIB),
        (f"[Service]\nExecStart=/usr/bin/{SERVER}\nMemoryMax=2G\n", 2 * GIB),
        (f"[Service]\nMemoryMax=2G\nMemoryHigh=1G\nExecStart=/usr/bin/{SERVER}\n", GIB),
        (f"#!/bin/bash\n#SBATCH --mem=32G\n{SERVER}", 32 * GIB),
        (f"#!/bin/bash\n#SBATCH -c 8\n#SBATCH --mem-per-cpu 4G\n#SBATCH --time=1:00\n{SERVER}", 32 * GIB),
        (f"#!/bin/bash\n#SBATCH --cpus-per-task=8\n{SERVER}", None),
        (f"srun --mem-per-cpu=1024 -c 4 {SERVER}", 4 * GIB),
        (f"srun --mem-per-gpu=16G --gres=gpu:a100:2 {SERVER}", 32 * GIB),
        (f"srun --mem-per-gpu 16G --gpus-per-task 1 --mem 8G {SERVER}", 8 * GIB),
        (f"srun --mem-per-cpu=0 {SERVER}", None),
    ],
)
def test_a_limit_of_ram_is_told_however_it_is_set(text, n_bytes):
    assert (read(text).ram_limit_bytes, read(text).source) == (n_bytes, "/a.gguf")


def test_of_two_limits_the_lower_one_counts():
    assert read(f"systemd-run -p MemoryMax=4G prlimit --as=2147483648 {SERVER}").ram_limit_bytes == 2 * GIB


@pytest.mark.parametrize(
    ("runtime", "n_gib"),
    [("docker", 4), ("podman", 2)],
    ids=["a server starts its containers", "it starts them itself"],
)
def test_a_limit_around_a_container_counts_where_it_is_started_below(runtime, n_gib):
    image = "ghcr.io/ggml-org/llama.cpp:server-cuda"
    text = f"systemd-run -p MemoryMax=2G {runtime} run --gpus all -m 4g {image} -m /a.gguf"
    assert read(text).ram_limit_bytes == n_gib * GIB


@pytest.mark.parametrize(
    ("before", "named"),
    [
        ("systemd-run -p MemoryMax=50%", "MemoryMax=50%"),
        ("srun --mem-per-cpu=2G", "--mem-per-cpu 2G"),
        ("cgexec -g memory:small", "-g memory:small"),
    ],
)
def test_a_limit_without_a_size_is_named_as_not_understood(before, named):
    assert read(f"{before} {SERVER}").unknown == (named,)


def test_a_limit_is_all_the_ram_that_a_program_has():
    snapshot = take_one(simulated_sources("RTX 4090, RAM 64GiB"), 5.0)
    places = places_seen(read(f"systemd-run -p MemoryMax=2G {SERVER}"), snapshot)
    assert [place.total_bytes for place in places if place.kind == "host"] == [2 * GIB]


def test_of_a_limit_as_much_is_left_as_of_a_machine_of_that_size():
    whole, limited = (
        next(
            place
            for place in places_seen(read(text), take_one(simulated_sources(hardware), 30.0))
            if place.kind == "host"
        )
        for text, hardware in (
            (SERVER, "RTX 4090, RAM 2GiB"),
            (f"systemd-run -p MemoryMax=2G {SERVER}", "RTX 4090, RAM 64GiB"),
        )
    )
    assert 0 < limited.line_bytes == whole.line_bytes


def test_a_limit_beyond_what_is_free_leaves_the_machines_own_reserve():
    snapshot = take_one(simulated_sources("RTX 4090, RAM 64GiB"), 30.0)
    (_, free), (_, limited) = (places_seen(read(text), snapshot) for text in (SERVER, f"srun --mem=63G {SERVER}"))
    assert limited.line_bytes <= free.line_bytes


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("2G", 2 * GIB), ("1.5g", 3 * GIB // 2), ("8Gb", 8 * GIB), ("2GiB", 2 * GIB), ("7", 7), ("0", None), ("x", None)],
)
def test_a_size_is_read(text, n_bytes):
    assert bytes_of(text) == n_bytes


@given(st.text(max_size=60))
def test_any_text_is_a_size_or_none(text):
    assert bytes_of(text) is None or bytes_of(text) > 0
    assert isinstance(limiting_words(text), tuple)


@given(st.sampled_from(["systemd-run", "srun", "prlimit", "cgexec", "env"]), st.lists(st.text(max_size=12), max_size=6))
def test_any_words_of_a_wrapper_come_to_a_limit_or_none(name, words):
    assert limited_by(name, words).ram_bytes != 0


@pytest.mark.parametrize(
    ("words", "n_bytes"),
    [
        (("llama-server", "-m", "/a.gguf"), 4 * GIB),
        (("prlimit", "--as=2147483648", "llama-server", "-m", "/a.gguf"), 2 * GIB),
        (("bash", "-c", "llama-server -m /a.gguf"), 4 * GIB),
        (("docker", "run", "ghcr.io/ggml-org/llama.cpp:server", "-m", "/a.gguf"), None),
    ],
)
def test_a_limit_of_what_starts_it_is_inherited_but_not_by_a_server_that_starts_containers(words, n_bytes):
    (launch,) = read_launches(Command(arguments=words, ram_limit_bytes=4 * GIB))
    assert launch.ram_limit_bytes == n_bytes


IMAGE = "ghcr.io/ggml-org/llama.cpp:server -m /a.gguf"


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        (f"docker run -m 2g --memory-swap 2g {IMAGE}", 0),
        (f"docker run -m 2g --memory-swap=3g {IMAGE}", GIB),
        (f"docker run -m 2g --memory-swap -1 {IMAGE}", None),
        (f"docker run -m 2g {IMAGE}", None),
        (f"systemd-run -p MemoryMax=2G -p MemorySwapMax=0 {SERVER}", 0),
        (f"systemd-run -p MemoryMax=2G -p MemorySwapMax=1G bash -c '{SERVER}'", GIB),
        ("systemd-run -p MemorySwapMax=infinity python3 -m llama_cpp.server --model /a.gguf", None),
        (f"[Service]\nExecStart=/usr/bin/{SERVER}\nMemoryMax=2G\nMemorySwapMax=1G\n", GIB),
    ],
)
def test_a_limit_of_swap_is_told(text, n_bytes):
    assert read(text).swap_limit_bytes == n_bytes


@pytest.mark.parametrize(("told", "n_gib"), [("", 2), ("--memory-swap 2g", 0), ("--memory-swap 3g", 1)])
def test_no_more_is_swapped_than_the_container_may(told, n_gib):
    snapshot = take_one(simulated_sources("RAM 64GiB"), 5.0)
    swap = Pool(key=SWAP_POOL, total_bytes=8 * GIB, used_bytes=0, free_bytes=8 * GIB)
    places = places_seen(read(f"docker run -m 2g {told} {IMAGE}"), replace(snapshot, pools=(*snapshot.pools, swap)))
    assert places[-1].overflow_free_bytes == n_gib * GIB
