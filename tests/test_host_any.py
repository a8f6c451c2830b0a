"""Whatever the files below /proc and /sys hold, the host is described, and its figures make sense."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.access import Access
from probes.errors import ProbeError
from probes.recording import snapshot_from_json, snapshot_to_json
from probes.snapshot import Reading, Snapshot
from probes.vendors.host import LinuxProbe

NUMBERS = st.sampled_from([b"0", b"-1", b"max", b"9223372036854771712", b"1" * 30, b"9" * 5000, b"1048576", b"x", b""])
TEXTS = st.binary(max_size=200) | NUMBERS
MOUNTS = b"""30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
35 31 0:32 / /sys/fs/cgroup rw - cgroup cgroup rw,memory,cpu
"""


def meminfo(value: bytes, other: bytes) -> bytes:
    names = (
        b"MemTotal",
        b"MemFree",
        b"MemAvailable",
        b"SwapTotal",
        b"SwapFree",
        b"HugePages_Total",
        b"Hugetlb",
        b"Zswap",
    )
    return b"".join(b"%s: %s kB\n" % (name, (value, other)[n % 2]) for n, name in enumerate(names))


FILES = {
    "proc/meminfo": st.builds(meminfo, NUMBERS, NUMBERS) | TEXTS,
    "proc/stat": TEXTS,
    "proc/cpuinfo": TEXTS,
    "proc/swaps": TEXTS.map(lambda text: b"Filename Type Size Used Priority\n/dev/zram0 partition 1 2 " + text),
    "proc/self/status": TEXTS.map(lambda text: b"CapEff: " + text + b"\nCpus_allowed_list: " + text),
    "proc/self/limits": TEXTS.map(lambda text: b"Max locked memory " + text),
    "proc/self/cgroup": st.just(b"0::/a\n4:memory,cpu:/a\n") | TEXTS,
    "proc/self/mountinfo": st.just(MOUNTS) | TEXTS,
    "proc/pressure/memory": TEXTS.map(lambda text: b"some avg10=" + text),
    "proc/spl/kstat/zfs/arcstats": TEXTS.map(lambda text: b"size 4 " + text),
    "sys/block/zram0/mm_stat": TEXTS,
    "sys/devices/system/cpu/online": TEXTS,
    "sys/devices/system/node/online": TEXTS,
    "sys/fs/cgroup/a/memory.max": TEXTS,
    "sys/fs/cgroup/a/memory.current": TEXTS,
    "sys/fs/cgroup/a/memory.stat": TEXTS.map(lambda text: b"inactive_file " + text),
    "sys/fs/cgroup/a/memory.swap.max": TEXTS,
    "sys/fs/cgroup/a/memory.swap.current": TEXTS,
    "sys/fs/cgroup/a/memory.limit_in_bytes": TEXTS,
    "sys/fs/cgroup/a/memory.memsw.limit_in_bytes": TEXTS,
    "sys/fs/cgroup/a/cpu.max": TEXTS.map(lambda text: text + b" 100000"),
    "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": TEXTS,
    "sys/class/power_supply/BAT0/type": TEXTS,
    "sys/class/dmi/id/sys_vendor": TEXTS,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("any")
    for path in FILES:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    return root


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(contents=st.fixed_dictionaries(FILES))
def test_any_files_give_figures_that_make_sense_and_can_be_recorded(root: Path, contents: dict[str, bytes]) -> None:
    for path, content in contents.items():
        (root / path).write_bytes(content)
    try:
        reading = LinuxProbe(Access(root=str(root), system="linux", environment={})).sample()
    except ProbeError:
        reading = Reading()
    for pool in reading.pools:
        assert 0 <= pool.free_bytes <= pool.total_bytes == pool.used_bytes + pool.free_bytes
        assert 0 <= (pool.cached_bytes or 0) <= pool.free_bytes
    snapshot = Snapshot(taken_seconds=0.0, pools=reading.pools, machine=reading.machine, faults=reading.faults)
    assert snapshot_from_json(snapshot_to_json(snapshot)).machine == reading.machine
