"""RAM, swap, processor and processes, from trees of files as the kernel writes them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.access import Access
from probes.errors import ProbeLost, ProbeUnavailable
from probes.pressure import parse_pressure
from probes.probe import Title
from probes.snapshot import HOST_POOL, SWAP_POOL, Pool, Reading
from probes.sysfs import read_number, read_text
from probes.vendors.host import LinuxProbe, PsutilProbe, describe_process

GIB = 1 << 30
MEMINFO = """MemTotal:       33554432 kB
MemFree:         1048576 kB
MemAvailable:   25165824 kB
Buffers:          524288 kB
Cached:         12582912 kB
SwapTotal:       {swap} kB
SwapFree:        {swap} kB
"""
V2_MOUNT = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"


class Tree:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.meminfo()
        self.write("proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n")

    def write(self, path: str, text: str | int | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())

    def meminfo(self, swap_gib: int = 0) -> None:
        self.write("proc/meminfo", MEMINFO.format(swap=swap_gib << 20))

    def group_v2(self, path: str, *, current: int = 0, inactive: int = 0, **limits: int | str) -> None:
        folder = f"sys/fs/cgroup{path}"
        for name in ("max", "high"):
            self.write(f"{folder}/memory.{name}", limits.get(name, "max"))
        self.write(f"{folder}/memory.current", current)
        self.write(f"{folder}/memory.stat", f"anon 5\nfile {inactive}\ninactive_file {inactive}")

    def group_v1(self, path: str, limit: int, usage: int = 0, inactive: int = 0) -> None:
        folder = f"sys/fs/cgroup/memory{path}"
        self.write(f"{folder}/memory.limit_in_bytes", limit)
        self.write(f"{folder}/memory.usage_in_bytes", usage)
        self.write(f"{folder}/memory.stat", f"inactive_file 1\ntotal_inactive_file {inactive}")

    def belongs(self, cgroup: str, mountinfo: str) -> None:
        self.write("proc/self/cgroup", cgroup)
        self.write("proc/self/mountinfo", mountinfo)

    def access(self, environment: dict[str, str] | None = None) -> Access:
        return Access(root=str(self.root), system="linux", environment=environment or {})

    def sample(self) -> Reading:
        return LinuxProbe(self.access()).sample()

    def ram(self) -> Pool:
        return self.sample().pools[0]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


# --- memory


def test_available_memory_is_free_and_the_rest_is_used(tree: Tree) -> None:
    ram = tree.ram()
    assert (ram.total_bytes, ram.used_bytes, ram.free_bytes) == (32 * GIB, 8 * GIB, 24 * GIB)


def test_what_can_be_had_and_is_not_free_now_is_cached(tree: Tree) -> None:
    assert tree.ram().cached_bytes == 24 * GIB - 1 * GIB


def test_kernel_without_available_memory_counts_its_caches(tree: Tree) -> None:
    tree.write("proc/meminfo", "MemTotal: 4096 kB\nMemFree: 1024 kB\nBuffers: 512 kB\nCached: 512 kB")
    assert tree.ram().free_bytes == 2048 * 1024


def test_cache_of_zfs_counts_as_free_down_to_its_minimum(tree: Tree) -> None:
    tree.write("proc/spl/kstat/zfs/arcstats", f"name type data\nc_min 4 {GIB}\nsize 4 {5 * GIB}")
    assert tree.ram().free_bytes == 28 * GIB


def test_swap_is_a_pool_only_where_there_is_swap(tree: Tree) -> None:
    assert [pool.key for pool in tree.sample().pools] == [HOST_POOL]
    tree.meminfo(swap_gib=8)
    assert tree.sample().pools[1] == Pool(key=SWAP_POOL, total_bytes=8 * GIB, used_bytes=0, free_bytes=8 * GIB)


def test_system_without_meminfo_is_unavailable_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ProbeUnavailable, match="/proc/meminfo is not readable"):
        LinuxProbe(Access(root=str(tmp_path), system="linux"))


def test_meminfo_that_goes_away_is_lost(tree: Tree) -> None:
    probe = LinuxProbe(tree.access())
    (tree.root / "proc/meminfo").unlink()
    with pytest.raises(ProbeLost):
        probe.sample()


# --- control groups


def test_group_without_limit_changes_nothing(tree: Tree) -> None:
    tree.belongs("0::/user.slice", V2_MOUNT)
    tree.group_v2("/user.slice", current=3 * GIB)
    assert tree.ram().total_bytes == 32 * GIB


def test_limit_bounds_total_and_free_and_page_cache_is_not_use(tree: Tree) -> None:
    tree.belongs("0::/box", V2_MOUNT)
    tree.group_v2("/box", max=8 * GIB, current=5 * GIB, inactive=2 * GIB)
    ram = tree.ram()
    assert (ram.total_bytes, ram.used_bytes, ram.free_bytes, ram.cached_bytes) == (8 * GIB, 3 * GIB, 5 * GIB, 2 * GIB)


def test_level_and_file_that_limit_the_ram_are_named(tree: Tree) -> None:
    tree.belongs("0::/slurm/job/step", V2_MOUNT)
    tree.group_v2("/slurm/job/step", max=30 * GIB)
    tree.group_v2("/slurm/job", high=16 * GIB)
    tree.group_v2("/slurm", max=20 * GIB)
    assert tree.ram().limited_by == "memory.high of control group /slurm/job"


def test_ram_without_a_limit_is_limited_by_nothing(tree: Tree) -> None:
    tree.belongs("0::/box", V2_MOUNT)
    tree.group_v2("/box", max=64 * GIB)
    assert tree.ram().limited_by is None


def test_container_whose_limit_is_shown_as_its_ram_is_limited_all_the_same(tree: Tree) -> None:
    tree.belongs("0::/", V2_MOUNT)
    tree.group_v2("", max=32 * GIB, current=9 * GIB)
    assert tree.ram().limited_by == "memory.max of control group /"


def test_limit_above_what_can_be_seen_binds_under_version_1(tree: Tree) -> None:
    tree.belongs("4:memory:/kubepods/pod/box", V1_MOUNT.replace("0:32 / ", "0:32 /kubepods/pod/box "))
    tree.group_v1("", 9223372036854771712, usage=1 * GIB)
    tree.write("sys/fs/cgroup/memory/memory.stat", f"total_inactive_file 0\nhierarchical_memory_limit {4 * GIB}")
    ram = tree.ram()
    assert (ram.total_bytes, ram.free_bytes) == (4 * GIB, 3 * GIB)
    assert ram.limited_by == "hierarchical_memory_limit of control group /"


def test_tightest_level_above_the_own_group_counts(tree: Tree) -> None:
    tree.belongs("0::/slurm/job/step", V2_MOUNT)
    tree.group_v2("/slurm/job/step")
    tree.group_v2("/slurm/job", max=16 * GIB, current=15 * GIB)
    tree.group_v2("/slurm", max=20 * GIB, current=16 * GIB)
    assert (tree.ram().total_bytes, tree.ram().free_bytes) == (16 * GIB, 1 * GIB)


def test_outer_group_that_is_fuller_bounds_what_is_free(tree: Tree) -> None:
    tree.belongs("0::/slurm/job", V2_MOUNT)
    tree.group_v2("/slurm/job", max=16 * GIB, current=1 * GIB)
    tree.group_v2("/slurm", max=20 * GIB, current=18 * GIB)
    assert (tree.ram().total_bytes, tree.ram().free_bytes) == (16 * GIB, 2 * GIB)


def test_high_below_max_is_the_limit(tree: Tree) -> None:
    tree.belongs("0::/box", V2_MOUNT)
    tree.group_v2("/box", max=8 * GIB, high=6 * GIB, current=1 * GIB)
    assert (tree.ram().total_bytes, tree.ram().free_bytes) == (6 * GIB, 5 * GIB)


def test_available_memory_of_the_machine_still_bounds_a_wide_group(tree: Tree) -> None:
    tree.belongs("0::/box", V2_MOUNT)
    tree.group_v2("/box", max=30 * GIB, current=1 * GIB)
    assert tree.ram().free_bytes == 24 * GIB


def test_group_above_its_limit_has_nothing_free(tree: Tree) -> None:
    tree.belongs("0::/box", V2_MOUNT)
    tree.group_v2("/box", max=2 * GIB, current=3 * GIB)
    assert (tree.ram().used_bytes, tree.ram().free_bytes) == (2 * GIB, 0)


def test_container_that_mounts_its_own_group_as_the_top_finds_it(tree: Tree) -> None:
    tree.belongs("0::/docker/abc", V2_MOUNT.replace("0:26 / ", "0:26 /docker/abc "))
    tree.group_v2("", max=4 * GIB, current=1 * GIB)
    assert tree.ram().total_bytes == 4 * GIB


def test_group_outside_of_the_namespace_is_not_walked_to(tree: Tree) -> None:
    tree.belongs("0::/../other", V2_MOUNT)
    tree.write("sys/fs/other/memory.max", GIB)
    assert tree.ram().total_bytes == 32 * GIB


def test_limit_of_version_1_holds_and_the_huge_number_is_none(tree: Tree) -> None:
    tree.belongs("4:memory:/docker/abc\n1:cpu:/", V1_MOUNT)
    tree.group_v1("", 9223372036854771712, usage=9 * GIB)
    tree.group_v1("/docker/abc", 6 * GIB, usage=5 * GIB, inactive=1 * GIB)
    assert (tree.ram().total_bytes, tree.ram().free_bytes) == (6 * GIB, 2 * GIB)


def test_hybrid_system_takes_the_version_that_has_the_memory_controller(tree: Tree) -> None:
    tree.belongs("4:memory:/box\n0::/box", V1_MOUNT + V2_MOUNT.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified"))
    tree.group_v1("/box", 3 * GIB, usage=1 * GIB)
    tree.write("sys/fs/cgroup/unified/box/cgroup.procs", "")
    assert (tree.ram().total_bytes, tree.ram().free_bytes) == (3 * GIB, 2 * GIB)


def test_limit_that_is_changed_later_holds(tree: Tree) -> None:
    tree.belongs("0::/box", V2_MOUNT)
    tree.group_v2("/box", max=8 * GIB)
    now = [0.0]
    probe = LinuxProbe(tree.access(), clock=lambda: now[0])
    probe.sample()
    tree.group_v2("/box", max=4 * GIB)
    now[0] = 5.0
    assert probe.sample().pools[0].total_bytes == 4 * GIB


def test_group_without_swap_has_no_swap_pool(tree: Tree) -> None:
    tree.meminfo(swap_gib=8)
    tree.belongs("0::/box", V2_MOUNT)
    tree.group_v2("/box", max=8 * GIB)
    tree.write("sys/fs/cgroup/box/memory.swap.max", 0)
    assert [pool.key for pool in tree.sample().pools] == [HOST_POOL]


def test_swap_of_a_group_is_bounded_by_its_limit(tree: Tree) -> None:
    tree.meminfo(swap_gib=8)
    tree.belongs("0::/box", V2_MOUNT)
    tree.group_v2("/box", max=8 * GIB)
    tree.write("sys/fs/cgroup/box/memory.swap.max", 2 * GIB)
    tree.write("sys/fs/cgroup/box/memory.swap.current", GIB)
    swap = tree.sample().pools[1]
    assert (swap.total_bytes, swap.used_bytes, swap.free_bytes) == (2 * GIB, GIB, GIB)
    assert swap.limited_by == "swap limit of control group /box"


def test_swap_under_version_1_is_what_memory_and_swap_may_be_less_the_memory(tree: Tree) -> None:
    tree.meminfo(swap_gib=8)
    tree.belongs("4:memory:/box", V1_MOUNT)
    tree.group_v1("/box", 4 * GIB, usage=3 * GIB)
    tree.write("sys/fs/cgroup/memory/box/memory.memsw.limit_in_bytes", 6 * GIB)
    tree.write("sys/fs/cgroup/memory/box/memory.memsw.usage_in_bytes", 3 * GIB + GIB // 2)
    swap = tree.sample().pools[1]
    assert (swap.total_bytes, swap.used_bytes) == (2 * GIB, GIB // 2)


# --- swap space


SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


@pytest.mark.parametrize(
    ("lines", "zswap", "medium"),
    [
        ("/dev/zram0 partition 8388604 0 100\n/swapfile file 8388604 0 -2\n", "N", "zram"),
        ("/dev/zram0 partition 8388604 0 5\n/dev/nvme0n1p3 partition 8388604 0 10\n", "N", "partition"),
        ("/swapfile file 8388604 0 -2\n", "N", "file"),
        ("/swapfile file 8388604 0 -2\n", "Y", "zswap"),
        ("/a\\040b (deleted) file 8388604 0 -2\n", "N", "file"),
        ("/dev/zramen partition 1 0 -2\n", "N", "partition"),
    ],
)
def test_medium_of_swap_is_that_of_the_space_used_first(tree: Tree, lines: str, zswap: str, medium: str) -> None:
    tree.meminfo(swap_gib=8)
    tree.write("proc/swaps", SWAPS + lines)
    tree.write("sys/module/zswap/parameters/enabled", zswap)
    assert tree.sample().pools[1].medium == medium


def test_what_zram_takes_of_the_ram_is_said(tree: Tree) -> None:
    tree.meminfo(swap_gib=8)
    tree.write("proc/swaps", SWAPS + "/dev/zram0 partition 8388604 4000000 100\n")
    tree.write("sys/block/zram0/mm_stat", "4096000000 1024000000 1073741824 0 1073741824 0 0 0 0")
    assert tree.sample().pools[1].compressed_bytes == GIB


def test_what_zswap_takes_of_the_ram_is_said(tree: Tree) -> None:
    tree.write("proc/meminfo", MEMINFO.format(swap=8 << 20) + "Zswap: 524288 kB\n")
    tree.write("proc/swaps", SWAPS + "/swapfile file 8388604 0 -2\n")
    tree.write("sys/module/zswap/parameters/enabled", "Y")
    assert tree.sample().pools[1].compressed_bytes == GIB // 2


def test_space_that_is_no_zram_takes_nothing_of_the_ram(tree: Tree) -> None:
    tree.meminfo(swap_gib=8)
    tree.write("proc/swaps", SWAPS + "/swapfile file 8388604 0 -2\n")
    assert tree.sample().pools[1].compressed_bytes is None


# --- huge pages and memory that is a GPU's


def test_unused_huge_pages_of_all_sizes_are_reserved_and_said(tree: Tree) -> None:
    tree.write("proc/meminfo", MEMINFO.format(swap=0) + "HugePages_Total: 1024\nHugetlb: 6291456 kB\n")
    tree.write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", 512)
    tree.write("sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", 2)
    reading = tree.sample()
    assert reading.pools[0].reserved_bytes == GIB + 2 * GIB
    assert [fault.is_note for fault in reading.faults] == [True]
    assert "3.0 GiB" in reading.faults[0].message


def test_kernel_that_promises_no_more_than_it_has_says_what_is_left_to_promise(tree: Tree) -> None:
    committed = "CommitLimit: 16777216 kB\nCommitted_AS: 14680064 kB\n"
    tree.write("proc/meminfo", MEMINFO.format(swap=0) + committed)
    assert tree.sample().faults == ()
    tree.write("proc/sys/vm/overcommit_memory", 2)
    assert "2.0 GiB of memory more" in tree.sample().faults[0].message


def test_limit_on_what_programs_may_map_is_said(tree: Tree) -> None:
    tree.write("proc/self/limits", f"Max address space         {8 * GIB}           unlimited            bytes")
    assert "no more than 8.0 GiB" in tree.sample().faults[0].message


def test_no_huge_pages_are_nothing_to_say(tree: Tree) -> None:
    tree.write("proc/meminfo", MEMINFO.format(swap=0) + "HugePages_Total: 0\nHugePages_Free: 0\nHugetlb: 0 kB\n")
    reading = tree.sample()
    assert (reading.pools[0].reserved_bytes, reading.faults) == (None, ())


def test_memory_of_a_gpu_that_the_kernel_counts_is_not_the_hosts(tree: Tree) -> None:
    tree.write("proc/driver/nvidia/gpus/0009:01:00.0/numa_status", "Node:\t\t1\nStatus:\t\tonline")
    tree.write("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: 8388608 kB\nNode 1 MemFree: 6291456 kB\n")
    tree.write("sys/devices/system/node/node0/meminfo", f"Node 0 MemTotal: {24 << 20} kB\n")
    tree.write("sys/devices/system/node/online", "0-1")
    reading = tree.sample()
    ram, machine = reading.pools[0], reading.machine
    assert (ram.total_bytes, ram.free_bytes) == (24 * GIB, 18 * GIB)
    assert machine is not None
    assert machine.numa_node_bytes == (24 * GIB,)


def test_job_bound_to_a_node_has_the_memory_of_that_node(tree: Tree) -> None:
    tree.write("sys/devices/system/node/online", "0-1")
    for node, free in ((0, 1), (1, 6)):
        lines = f"Node {node} MemTotal: {16 << 20} kB\nNode {node} MemFree: {free << 20} kB\n"
        lines += f"Node {node} FilePages: {4 << 20} kB\nNode {node} Shmem: {1 << 20} kB\n"
        tree.write(f"sys/devices/system/node/node{node}/meminfo", lines)
    tree.write("proc/self/status", "Mems_allowed_list:\t1")
    ram = tree.ram()
    assert (ram.total_bytes, ram.free_bytes, ram.cached_bytes) == (16 * GIB, 9 * GIB, 3 * GIB)
    assert ram.limited_by == "NUMA nodes that this may use: 1"
    tree.write("proc/self/status", "Mems_allowed_list:\t0-1")
    assert tree.ram().limited_by is None


# --- pressure


PRESSURE = "some avg10={0} avg60=0.30 avg300=0.07 total=1234\nfull avg10={1} avg60=0.10 avg300=0.02 total=567\n"


def test_share_of_time_in_which_tasks_waited_for_memory(tree: Tree) -> None:
    tree.write("proc/pressure/memory", PRESSURE.format("12.50", "3.00"))
    machine = tree.sample().machine
    assert machine is not None
    assert (machine.stalled_ratio, machine.fully_stalled_ratio) == (0.125, 0.03)


def test_pressure_in_a_limited_group_is_the_groups(tree: Tree) -> None:
    tree.write("proc/pressure/memory", PRESSURE.format("1.00", "0.00"))
    tree.belongs("0::/box", V2_MOUNT)
    tree.group_v2("/box", max=8 * GIB)
    tree.write("sys/fs/cgroup/box/memory.pressure", PRESSURE.format("50.00", "40.00"))
    machine = tree.sample().machine
    assert machine is not None
    assert machine.stalled_ratio == 0.5


def test_kernel_that_keeps_no_account_of_pressure_reports_none(tree: Tree) -> None:
    machine = tree.sample().machine
    assert machine is not None
    assert (machine.stalled_ratio, machine.fully_stalled_ratio) == (None, None)


@given(st.text(max_size=200))
def test_pressure_of_any_text_is_a_ratio_or_nothing(text: str) -> None:
    pressure = parse_pressure(text)
    for ratio in (pressure.stalled_ratio, pressure.fully_stalled_ratio):
        assert ratio is None or 0 <= ratio <= 1


# --- machine


def test_processor_use_is_known_from_the_second_sample_on(tree: Tree) -> None:
    probe = LinuxProbe(tree.access())
    first = probe.sample().machine
    tree.write("proc/stat", "cpu  125 0 100 750 125 0 0 0 0 0\n")
    second = probe.sample().machine
    assert first is not None
    assert first.cpu_utilization_ratio is None
    assert second is not None
    assert second.cpu_utilization_ratio == pytest.approx(0.25)


def test_physical_cores_are_counted_over_all_packages(tree: Tree) -> None:
    tree.write(
        "proc/cpuinfo", "processor\t: 0\nmodel name\t: Fast CPU\ncpu cores\t: 16\n\nprocessor\t: 1\ncpu cores: 99"
    )
    tree.write("sys/devices/system/cpu/online", "0-63")
    tree.write("sys/devices/system/cpu/cpu63/topology/physical_package_id", 1)
    machine = tree.sample().machine
    assert machine is not None
    assert (machine.cpu_name, machine.n_cores) == ("Fast CPU", 32)


def test_logical_cores_stand_in_where_the_processor_does_not_say(tree: Tree) -> None:
    tree.write("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 50")
    tree.write("sys/devices/system/cpu/online", "0-3,8")
    machine = tree.sample().machine
    assert machine is not None
    assert (machine.cpu_name, machine.n_cores) == (None, 5)


@pytest.mark.parametrize(
    ("release", "system"),
    [("6.12.0-amd64", "linux"), ("5.15.167.4-microsoft-standard-WSL2", "wsl"), ("4.4.0-19041-Microsoft", "wsl")],
)
def test_linux_inside_windows_is_told_apart(tree: Tree, release: str, system: str) -> None:
    tree.write("proc/sys/kernel/osrelease", release)
    machine = tree.sample().machine
    assert machine is not None
    assert machine.system == system


def test_psutil_gives_the_same_shape_of_reading() -> None:
    probe = PsutilProbe()
    reading = probe.sample()
    probe.close()
    assert reading.pools[0].key == HOST_POOL
    assert reading.machine is not None
    assert reading.machine.cpu_utilization_ratio is None


# --- processes


def test_process_has_its_name_and_the_whole_command_line(tree: Tree) -> None:
    tree.write("proc/42/comm", "ollama")
    tree.write("proc/42/cmdline", b"/usr/bin/ollama\0serve\0")
    assert describe_process(42, str(tree.root)) == Title(name="ollama", command="/usr/bin/ollama serve")


def test_process_has_its_start_which_tells_it_from_a_later_one(tree: Tree) -> None:
    tree.write("proc/42/comm", "a) b")
    tree.write("proc/42/cmdline", b"a\0")
    tree.write("proc/42/stat", "42 (a) b) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 71500 0 0")
    assert describe_process(42, str(tree.root)) == Title(name="a) b", command="a", started_ticks=71500)


def test_name_that_the_kernel_cut_is_made_whole(tree: Tree) -> None:
    tree.write("proc/42/comm", "VLLM::EngineCor")
    tree.write("proc/42/cmdline", b"VLLM::EngineCore_0\0\0\0")
    assert describe_process(42, str(tree.root)) == Title(name="VLLM::EngineCore_0", command="VLLM::EngineCore_0")


def test_command_line_need_not_be_utf8_and_is_bounded(tree: Tree) -> None:
    tree.write("proc/42/comm", b"bad\xff\n")
    tree.write("proc/42/cmdline", b"bad\xff\0" + b"a" * 100_000)
    described = describe_process(42, str(tree.root))
    assert described is not None
    assert described.name == "bad\N{REPLACEMENT CHARACTER}"
    assert len(described.command) == 4096


def test_kernel_thread_is_called_by_its_name(tree: Tree) -> None:
    tree.write("proc/2/comm", "kthreadd")
    tree.write("proc/2/cmdline", b"")
    assert describe_process(2, str(tree.root)) == Title(name="kthreadd", command="kthreadd")


@pytest.mark.parametrize("pid", [0, -1, 4_000_000])
def test_process_that_cannot_be_seen_has_no_name(tree: Tree, pid: int) -> None:
    assert describe_process(pid, str(tree.root)) is None


def test_container_does_not_name_a_process_that_only_shares_the_number(tree: Tree) -> None:
    tree.write("proc/42/comm", "bash")
    (tree.root / "proc/42/fd").mkdir()
    (tree.root / "proc/self/ns").mkdir(parents=True)
    (tree.root / "proc/self/ns/pid").symlink_to("pid:[4026532999]")
    (tree.root / "proc/42/fd/0").symlink_to("/dev/pts/1")
    assert describe_process(42, str(tree.root)) is None
    (tree.root / "proc/42/fd/3").symlink_to("/dev/nvidiactl")
    assert describe_process(42, str(tree.root)) == Title(name="bash", command="bash")


# --- small files


def test_number_that_is_none_is_not_zero(tmp_path: Path) -> None:
    (tmp_path / "max").write_text("max\n")
    assert read_number(str(tmp_path / "max")) is None
    assert read_number(str(tmp_path / "absent")) is None
    assert read_number(str(tmp_path)) is None


def test_text_is_read_up_to_a_bound(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b" abc\xffdef ")
    assert read_text(str(tmp_path / "text"), 5) == "abc\N{REPLACEMENT CHARACTER}"
