"""Whatever the libraries of a Mac or a Windows answer, what is read of it is a snapshot that can be written."""

import json
from typing import Any

from fake_mac import PAGE_FIELDS, FakeMac
from fake_windows import FakeWindows
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.access import Access, Load
from probes.answer import Answer, take_snapshot
from probes.mac_host import open_mac_host
from probes.probe import Probe
from probes.recording import snapshot_from_json, snapshot_to_json
from probes.snapshot import Reading, Snapshot
from probes.vendors import apple, windows
from probes.windows_memory import WindowsMemory

FEW = settings(max_examples=30, deadline=None)
BYTES_4, BYTES_8 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
SIGNED = st.integers(-(2**63), 2**63 - 1)
PLAIN_TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=150)


def no_commands(_command: object) -> bytes:
    raise FileNotFoundError(2, "No such file or directory")


def two_samples(probe: Probe) -> list[Reading]:
    """The second has differences to the first."""
    try:
        return [probe.sample(), probe.sample()]
    finally:
        probe.close()


def assert_writable(reading: Reading) -> None:
    answer = Answer(probe="any", has_answered=True, reading=reading)
    snapshot = take_snapshot([answer], now_seconds=0, taken_seconds=0, silent_seconds=1)
    again = snapshot_from_json(json.loads(json.dumps(snapshot_to_json(snapshot), allow_nan=False)))
    assert told(again) == told(snapshot)
    for pool in snapshot.pools:
        assert pool.used_bytes + pool.free_bytes == pool.total_bytes


def told(snapshot: Snapshot) -> tuple[object, ...]:
    return snapshot.pools, snapshot.devices, snapshot.processes, snapshot.faults, snapshot.machine


def reached(system: str, load: Load) -> Access:
    access = Access(system=system, load=load, run=no_commands)
    access.attention.is_on_details = True
    return access


OBJECTS = st.recursive(
    st.one_of(st.booleans(), SIGNED, st.floats(), PLAIN_TEXT, st.binary(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["In use system memory", "Device Utilization %", "accumulatedGPUTime"]), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


@FEW
@given(
    statistics=OBJECTS,
    n_cores=OBJECTS,
    creator=st.one_of(OBJECTS, SIGNED.map(lambda pid: f"pid {pid}, x")),
    usage=OBJECTS,
    energy=st.lists(SIGNED, min_size=2, max_size=2),
    residency=st.lists(SIGNED, min_size=2, max_size=2),
    working_set=BYTES_8,
    name=PLAIN_TEXT,
)
def test_a_mac_gpu(
    statistics: Any,
    n_cores: Any,
    creator: Any,
    usage: Any,
    energy: list[int],
    residency: list[int],
    working_set: int,
    name: str,
) -> None:
    mac = FakeMac(
        sysctl={"hw.optional.arm64": 1, "machdep.cpu.brand_string": name},
        accelerators=[
            {
                "PerformanceStatistics": statistics,
                "gpu-core-count": n_cores,
                "clients": [{"IOUserClientCreator": creator, "AppUsage": usage}],
            }
        ],
        energy=[value // 4 for value in energy],
        residencies=[{"OFF": 1, "P1": value // 4} for value in residency],
        voltage_states=b"\0" * 8 + (400_000_000).to_bytes(4, "little") + b"\1\0\0\0",
        working_set=working_set,
    )
    for reading in two_samples(apple.open_probe(reached("darwin", mac.load))):
        assert_writable(reading)
    assert (mac.n_held, mac.objects.left(), mac.objects.crashes) == (0, [], [])


@FEW
@given(
    pages=st.dictionaries(st.sampled_from(PAGE_FIELDS), BYTES_4),
    total=st.integers(1, 2**63 - 1),
    swap=st.tuples(BYTES_8, BYTES_8),
    level=st.integers(-(2**31), 2**31 - 1),
    ticks=st.tuples(BYTES_4, BYTES_4, BYTES_4, BYTES_4),
)
def test_a_mac_host(
    pages: dict[str, int], total: int, swap: tuple[int, int], level: int, ticks: tuple[int, int, int, int]
) -> None:
    mac = FakeMac(
        sysctl={"hw.memsize": total, "kern.memorystatus_vm_pressure_level": level}, pages=pages, swap=swap, ticks=ticks
    )
    for reading in two_samples(open_mac_host(reached("darwin", mac.load))):
        assert_writable(reading)


INSTANCE = "luid_0x00000000_0x0001532A_phys_0"


@FEW
@given(
    name=PLAIN_TEXT,
    sizes=st.tuples(BYTES_8, BYTES_8, BYTES_8),
    vendor=st.one_of(st.sampled_from([0x10DE, 0x8086]), BYTES_4),
    is_integrated=st.integers(0, 255),
    bus=st.tuples(BYTES_4, BYTES_4, BYTES_4),
    counts=st.lists(SIGNED, min_size=4, max_size=4),
    percent=st.floats(),
    pid=BYTES_8,
)
def test_a_windows_gpu(
    name: str,
    sizes: tuple[int, int, int],
    vendor: int,
    is_integrated: int,
    bus: tuple[int, int, int],
    counts: list[int],
    percent: float,
    pid: int,
) -> None:
    dedicated, shared, budget = sizes
    machine = FakeWindows(
        adapters=[
            {
                "name": name,
                "vendor": vendor,
                "luid": 0x1532A,
                "dedicated": dedicated,
                "shared": shared,
                "budget": budget,
                "bus": bus,
                "integrated": is_integrated,
                "version": "1.2.3.65535",
            }
        ],
        counters={
            r"GPU Adapter Memory\Dedicated Usage": {INSTANCE: counts[0]},
            r"GPU Adapter Memory\Shared Usage": {INSTANCE: counts[1]},
            r"GPU Engine\Utilization Percentage": {f"pid_{pid}_{INSTANCE}_eng_0_engtype_3D": percent},
            r"GPU Process Memory\Local Usage": {f"pid_{pid}_{INSTANCE}": counts[2]},
            r"GPU Process Memory\Non Local Usage": {f"pid_{pid}_{INSTANCE}": counts[3]},
        },
    )
    for reading in two_samples(windows.open_probe(reached("win32", machine.load))):
        assert_writable(reading)
    assert (machine.n_references, machine.n_queries, machine.n_open_adapters) == (0, 0, 0)


@FEW
@given(sizes=st.lists(BYTES_8, min_size=4, max_size=4))
def test_a_windows_host(sizes: list[int]) -> None:
    order = ("total_phys", "avail_phys", "total_page_file", "avail_page_file")
    memory = FakeWindows(memory=dict(zip(order, sizes, strict=True)))
    answer = WindowsMemory(memory.load("kernel32.dll")).told()
    if answer is not None:
        assert_writable(Reading(pools=answer[0], faults=answer[1]))
