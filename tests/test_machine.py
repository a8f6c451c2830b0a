"""Processor, container, hypervisor, limits and battery, from trees of files as the kernel writes them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.repacking import INSTRUCTION_SETS
from probes.access import Access
from probes.container import container_kind, container_of
from probes.machine import hypervisor, is_on_battery, linux_machine
from probes.numa import numbers_of
from probes.probe import Title
from probes.process_titles import process_title
from probes.processor import read_processor
from probes.snapshot import Machine
from probes.windows_host import instruction_sets, vendor_family_model

HASH = "4f2c0ab1c9de" + "0" * 52
V2_MOUNT = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"


class Tree:
    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: object) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n", encoding="utf-8")

    def cores(self, online: str) -> None:
        self.write("sys/devices/system/cpu/online", online)

    def machine(self, environment: dict[str, str] | None = None) -> Machine:
        access = Access(root=str(self.root), system="linux", environment=environment or {})
        return linux_machine(access, read_processor(str(self.root)), bandwidth=None, basis=None)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


# --- processor


def test_instruction_sets_of_x86_are_those_that_kernels_are_written_for(tree: Tree) -> None:
    tree.write("proc/cpuinfo", "flags\t: fpu sse4_2 avx2 avx512f avx512bw avx512_vnni avx512_bf16 amx_int8 hypervisor")
    assert read_processor(str(tree.root)).instruction_sets == (
        "avx2",
        "avx512",
        "avx512_vnni",
        "avx512_bf16",
        "amx",
    )


def test_instruction_sets_and_cores_of_arm(tree: Tree) -> None:
    core = "processor\t: {0}\nFeatures\t: fp asimd asimddp sve i8mm bf16\nCPU implementer\t: 0x41\nCPU part\t: {1}\n\n"
    tree.write("proc/cpuinfo", core.format(0, "0xd87") + core.format(1, "0xd85"))
    processor = read_processor(str(tree.root))
    assert processor.name == "Cortex-X925 and Cortex-A725"
    assert processor.instruction_sets == ("neon", "dotprod", "sve", "i8mm", "bf16")


def test_cores_that_have_no_name_are_called_by_their_machine(tree: Tree) -> None:
    tree.write("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x61\nCPU part\t: 0x023")
    tree.write("sys/firmware/devicetree/base/model", "Apple MacBook Air (M1, 2020)\0")
    assert read_processor(str(tree.root)).name == "Apple MacBook Air (M1, 2020)"


def test_instruction_sets_are_called_as_the_estimator_calls_them(tree: Tree) -> None:
    tree.write("proc/cpuinfo", "flags\t: avx2 avx512f amx_tile amx_int8")
    x86 = read_processor(str(tree.root)).instruction_sets
    tree.write("proc/cpuinfo", "Features\t: asimd asimddp")
    assert {*x86, *read_processor(str(tree.root)).instruction_sets} >= set(INSTRUCTION_SETS)


def test_quota_of_a_container_bounds_its_cores(tree: Tree) -> None:
    tree.cores("0-15")
    tree.write("proc/self/status", "Cpus_allowed_list:\t0-15")
    tree.write("proc/self/cgroup", "0::/box")
    tree.write("proc/self/mountinfo", V2_MOUNT)
    tree.write("sys/fs/cgroup/box/cpu.max", "150000 100000")
    assert read_processor(str(tree.root)).usable_cores == 1.5


def test_quota_of_version_1_bounds_them_too(tree: Tree) -> None:
    tree.cores("0-15")
    tree.write("proc/self/cgroup", "4:cpu,cpuacct:/box")
    tree.write("proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n")
    tree.write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", 400000)
    tree.write("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", 100000)
    tree.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", -1)
    tree.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", 100000)
    assert read_processor(str(tree.root)).usable_cores == 4


def test_processors_that_this_may_not_run_on_are_not_usable(tree: Tree) -> None:
    tree.cores("0-15")
    tree.write("proc/self/status", "Cpus_allowed_list:\t0-3,8")
    assert read_processor(str(tree.root)).usable_cores == 5


def test_all_cores_are_no_limit(tree: Tree) -> None:
    tree.cores("0-3")
    tree.write("proc/self/status", "Cpus_allowed_list:\t0-127")
    assert read_processor(str(tree.root)).usable_cores is None


def test_nodes_without_memory_are_not_counted(tree: Tree) -> None:
    tree.write("sys/devices/system/node/online", "0-2")
    tree.write("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:       1024 kB\nNode 0 MemFree: 1 kB")
    tree.write("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal:       2048 kB")
    tree.write("sys/devices/system/node/node2/meminfo", "Node 2 MemTotal:          0 kB")
    machine = tree.machine()
    assert (machine.n_numa_nodes, machine.numa_node_bytes) == (2, (1 << 20, 1 << 21))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0-3,8", (0, 1, 2, 3, 8)), ("5", (5,)), ("", ()), ("3-1", ()), ("0-99999999", ()), ("a", ()), ("-", ())],
)
def test_list_of_processors(text: str, numbers: tuple[int, ...]) -> None:
    assert numbers_of(text) == numbers


@given(st.binary(max_size=3000))
def test_processor_of_any_bytes_is_described_without_failing(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    root = tmp_path_factory.getbasetemp() / "any-cpu"
    for path in ("proc/cpuinfo", "proc/self/status", "sys/devices/system/cpu/online"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(raw)
    processor = read_processor(str(root))
    assert processor.n_cores is None or processor.n_cores > 0


def test_instruction_sets_of_windows_are_asked_by_number() -> None:
    assert instruction_sets({40, 41}.__contains__) == ("avx2", "avx512")


def test_kind_of_processor_is_read_from_what_windows_calls_it() -> None:
    assert vendor_family_model("AMD64 Family 25 Model 97 Stepping 2, AuthenticAMD") == ("AuthenticAMD", 25, 97)
    assert vendor_family_model("ARMv8 (64-bit) Family 8 Model 1 Revision 201, Qualcomm Technologies Inc") is None


# --- system


def test_name_of_the_system_is_the_pretty_one(tree: Tree) -> None:
    tree.write("etc/os-release", 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 24.04.3 LTS"')
    tree.write("proc/sys/kernel/osrelease", "6.8.0-45-generic")
    machine = tree.machine()
    assert (machine.system_name, machine.kernel) == ("Ubuntu 24.04.3 LTS", "6.8.0-45-generic")


def test_limit_on_locked_memory(tree: Tree) -> None:
    tree.write("proc/self/limits", "Limit Soft Limit Hard Limit Units\nMax locked memory 8388608 unlimited bytes")
    assert tree.machine().locked_memory_limit_bytes == 8 << 20


@pytest.mark.parametrize(
    ("soft", "capabilities"), [("unlimited", "0000000000000000"), ("65536", "000001ffffffffff"), ("65536", "4000")]
)
def test_memory_may_be_locked_without_limit(tree: Tree, soft: str, capabilities: str) -> None:
    tree.write("proc/self/limits", f"Max locked memory         {soft}            65536              bytes")
    tree.write("proc/self/status", f"CapEff:\t{capabilities}")
    assert tree.machine().locked_memory_limit_bytes is None


@pytest.mark.parametrize(
    ("vendor", "product", "is_guest", "name"),
    [
        ("QEMU", "Standard PC (Q35 + ICH9, 2009)", True, "KVM"),
        ("Amazon EC2", "g5.xlarge", True, "Amazon EC2"),
        ("Amazon EC2", "g5.metal", False, None),
        ("VMware, Inc.", "VMware Virtual Platform", True, "VMware"),
        ("Microsoft Corporation", "Virtual Machine", True, "Hyper-V"),
        ("Microsoft Corporation", "Surface Laptop 5", False, None),
        ("", "", True, "unknown"),
        ("Dell Inc.", "PowerEdge R760", False, None),
    ],
)
def test_guest_knows_whose_it_is(tree: Tree, vendor: str, product: str, is_guest: bool, name: str | None) -> None:
    tree.write("sys/class/dmi/id/sys_vendor", vendor)
    tree.write("sys/class/dmi/id/product_name", product)
    assert hypervisor(str(tree.root), is_guest=is_guest) == name


def test_guest_without_a_maker_is_known_by_its_clock(tree: Tree) -> None:
    tree.write("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc kvm-clock")
    assert hypervisor(str(tree.root), is_guest=True) == "KVM"


# --- battery


def supply(tree: Tree, name: str, **files: str) -> None:
    for file, text in files.items():
        tree.write(f"sys/class/power_supply/{name}/{file}", text)


def test_laptop_off_the_mains_is_on_battery(tree: Tree) -> None:
    supply(tree, "AC", type="Mains", online="0")
    supply(tree, "BAT0", type="Battery", status="Discharging", scope="System")
    assert is_on_battery(str(tree.root)) is True


def test_laptop_on_the_mains_is_not(tree: Tree) -> None:
    supply(tree, "AC", type="Mains", online="1")
    supply(tree, "BAT0", type="Battery", status="Not charging")
    assert is_on_battery(str(tree.root)) is False


def test_battery_of_a_mouse_says_nothing_of_the_machine(tree: Tree) -> None:
    supply(tree, "hidpp_battery_0", type="Battery", status="Discharging", scope="Device")
    assert is_on_battery(str(tree.root)) is None


# --- containers


@pytest.mark.parametrize(
    ("files", "environment", "kind"),
    [
        ({".dockerenv": ""}, {}, "docker"),
        ({"run/.containerenv": ""}, {"container": "podman"}, "podman"),
        ({".dockerenv": ""}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({"run/systemd/container": "lxc"}, {}, "lxc"),
        ({}, {"container": "systemd-nspawn"}, "nspawn"),
        ({}, {"container": "an odd; value \x1b[31m that is far too long"}, None),
        ({}, {}, None),
    ],
)
def test_kind_of_container_that_this_runs_in(
    tree: Tree, files: dict[str, str], environment: dict[str, str], kind: str | None
) -> None:
    for path, text in files.items():
        tree.write(path, text)
    assert container_kind(str(tree.root), environment) == kind


def test_marks_of_a_container_do_not_count_on_the_machine_itself(tree: Tree) -> None:
    tree.write(".dockerenv", "")
    (tree.root / "proc/self/ns").mkdir(parents=True)
    for name, number in (("pid", 4026531836), ("uts", 4026531838), ("ipc", 4026531839)):
        (tree.root / "proc/self/ns" / name).symlink_to(f"{name}:[{number}]")
    assert container_kind(str(tree.root), {}) is None
    (tree.root / "proc/self/ns/ipc").unlink()
    (tree.root / "proc/self/ns/ipc").symlink_to("ipc:[4026532999]")
    assert container_kind(str(tree.root), {}) == "docker"


@pytest.mark.parametrize(
    ("cgroup", "container"),
    [
        (f"0::/system.slice/docker-{HASH}.scope", "docker 4f2c0ab1c9de"),
        (f"0::/docker/{HASH}", "docker 4f2c0ab1c9de"),
        (f"12:memory:/docker/{HASH}\n1:name=systemd:/docker/{HASH}", "docker 4f2c0ab1c9de"),
        (f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{HASH}.scope", "podman 4f2c0ab1c9de"),
        (f"0::/machine.slice/libpod-{HASH}.scope/container", "podman 4f2c0ab1c9de"),
        (
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12ab_34cd.slice"
            f"/cri-containerd-{HASH}.scope",
            "pod 4f2c0ab1c9de",
        ),
        (f"4:memory:/kubepods/besteffort/pod12ab-34cd/{HASH}", "pod 4f2c0ab1c9de"),
        ("0::/lxc.payload.web/init.scope", "lxc web"),
        ("4:memory:/lxc/web", "lxc web"),
        ("0::/machine.slice/machine-build.scope/payload", "nspawn build"),
        ("0::/system.slice/slurmstepd.scope/job_1234/step_0/user/task_0", "slurm job 1234"),
        ("4:memory:/slurm/uid_1000/job_1234/step_batch", "slurm job 1234"),
        ("0::/user.slice/user-1000.slice/session-2.scope", None),
        ("0::/../../docker-not-a-hash.scope", None),
        ("", None),
    ],
)
def test_container_of_a_process_is_known_by_its_groups(cgroup: str, container: str | None) -> None:
    assert container_of(cgroup) == container


@given(st.text(max_size=400))
def test_container_of_any_text_is_short_or_none(text: str) -> None:
    found = container_of(text)
    assert found is None or len(found) < 80


# --- processes


def test_process_has_its_user_and_container(tree: Tree) -> None:
    tree.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nana:x:1000:1000::/home/ana:/bin/sh")
    tree.write("proc/42/comm", "vllm")
    tree.write("proc/42/cmdline", "vllm")
    tree.write("proc/42/status", "Name:\tvllm\nUid:\t1000\t1000\t1000\t1000")
    tree.write("proc/42/cgroup", f"0::/docker/{HASH}")
    title = process_title(42, str(tree.root))
    assert title is not None
    assert (title.user, title.container) == ("ana", "docker 4f2c0ab1c9de")


def test_user_that_no_file_names_is_a_number(tree: Tree) -> None:
    tree.write("proc/42/comm", "vllm")
    tree.write("proc/42/status", "Uid:\t70001\t0\t0\t0")
    assert process_title(42, str(tree.root)) == Title(name="vllm", command="vllm", user="70001")
