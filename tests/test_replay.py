"""Recordings: every snapshot comes back as it was, plays at its own speed, and hostile files give a sentence."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import ProbeError, ProbeUnavailable
from probes.probe import Probe
from probes.process_titles import COMMAND_BYTES
from probes.recording import RecordingError, snapshot_from_json, snapshot_to_json
from probes.replay import replay_sources, snapshot_from_line
from probes.snapshot import HOST_POOL, Absence, Details, Device, Fault, Machine, Pool, Process, Snapshot, Version

GIB = 1024**3


class FakeClock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def snapshot(taken_seconds: float = 1_700_000_000.0, used_gib: int = 4) -> Snapshot:
    return Snapshot(
        taken_seconds=taken_seconds,
        pools=(
            Pool(key=HOST_POOL, total_bytes=64 * GIB, used_bytes=8 * GIB, free_bytes=56 * GIB),
            Pool(
                key="GPU-1",
                total_bytes=24 * GIB,
                used_bytes=used_gib * GIB,
                free_bytes=(24 - used_gib) * GIB,
                reserved_bytes=GIB // 2,
                late_seconds=0.25,
            ),
        ),
        devices=(Device(key="GPU-1", name="NVIDIA X", vendor="nvidia", index=0, pool_key="GPU-1", power_watts=71.5),),
        processes=(Process(pid=42, device_key="GPU-1", used_bytes=3 * GIB, name="ollama", command="ollama serve"),),
        faults=(Fault(probe="nvidia", message="no temperature"),),
        versions=(Version(name="driver", value="580.1"),),
        machine=Machine(host_name="box", system="linux", n_cores=8),
        late_seconds=0.25,
    )


def line(taken_seconds: float = 1_700_000_000.0, used_gib: int = 4) -> bytes:
    return json.dumps(snapshot_to_json(snapshot(taken_seconds, used_gib))).encode() + b"\n"


def opened(tmp_path: Path, data: bytes, clock: FakeClock | None = None) -> Probe:
    path = tmp_path / "recording.jsonl"
    path.write_bytes(data)
    (source,) = replay_sources(path, tell_command=" ".join, clock=clock or FakeClock())
    return source.open()


def used_gib(probe: Probe) -> int:
    return probe.sample().pools[1].used_bytes // GIB


# -- the schema ---------------------------------------------------------------------------------------------------

_TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
"""With control characters and lone surrogates: the name of a process can hold either."""
_COUNTS = st.integers(0, 2**63 - 1)
_FIGURES = st.floats(0, 253_402_300_799)
_STRATEGIES: dict[object, st.SearchStrategy[Any]] = {
    str: _TEXTS,
    int: _COUNTS,
    float: _FIGURES,
    bool: st.booleans(),
    str | None: st.none() | _TEXTS,
    int | None: st.none() | _COUNTS,
    float | None: st.none() | _FIGURES,
    bool | None: st.none() | st.booleans(),
    tuple[int, ...]: st.lists(_COUNTS, max_size=2).map(tuple),
    tuple[str, ...]: st.lists(_TEXTS, max_size=2).map(tuple),
    tuple[str, ...] | None: st.none() | st.lists(_TEXTS, max_size=2).map(tuple),
}


def rows(make: type) -> st.SearchStrategy[Any]:
    return st.builds(make, **{field.name: _STRATEGIES[field.type] for field in fields(make)})


_STRATEGIES[Details | None] = st.none() | rows(Details)


def tuples(make: type, **options: Any) -> st.SearchStrategy[Any]:
    return st.lists(rows(make), max_size=3, **options).map(tuple)


_SNAPSHOTS = st.builds(
    Snapshot,
    taken_seconds=_FIGURES,
    pools=tuples(Pool, unique_by=lambda pool: pool.key),
    devices=tuples(Device, unique_by=lambda device: device.key),
    processes=tuples(Process),
    faults=tuples(Fault),
    versions=tuples(Version),
    machine=st.none() | rows(Machine),
    late_seconds=_FIGURES,
    absences=tuples(Absence),
    pending=st.lists(_TEXTS, max_size=2).map(tuple),
)


@given(_SNAPSHOTS)
def test_any_snapshot_comes_back_equal_in_every_field(original: Snapshot) -> None:
    text = json.dumps(snapshot_to_json(original), allow_nan=False)
    assert asdict(snapshot_from_json(json.loads(text))) == asdict(original)
    assert asdict(snapshot_from_line(text.encode())) == asdict(original)


def test_what_is_written_holds_every_field_of_a_snapshot_and_the_schema() -> None:
    names = [field.name for field in fields(Snapshot)]
    assert list(snapshot_to_json(snapshot())) == ["schema", *names]


def test_what_is_not_reported_is_null_and_bytes_are_whole_numbers() -> None:
    pool = snapshot_to_json(snapshot())["pools"][0]
    assert pool["reserved_bytes"] is None
    assert pool["total_bytes"] == 64 * GIB


def test_a_temperature_below_zero_comes_back() -> None:
    cold = replace(snapshot(), devices=(replace(snapshot().devices[0], temperature_celsius=-5.0),))
    assert snapshot_from_json(snapshot_to_json(cold)).devices[0].temperature_celsius == -5.0


def test_a_field_that_came_later_may_be_missing() -> None:
    value = snapshot_to_json(snapshot())
    del value["pools"][0]["late_seconds"]
    assert snapshot_from_json(value).pools[0].late_seconds == 0.0


def test_a_key_that_is_not_known_is_passed_over() -> None:
    value = snapshot_to_json(snapshot())
    value["pools"][0]["colour"] = "blue"
    assert asdict(snapshot_from_json(value)) == asdict(snapshot())


def broken(path: str, wrong: object) -> dict[str, Any]:
    """A snapshot of which the value at ``pools.0.key`` is another, or missing where ``wrong`` is ``...``."""
    value = snapshot_to_json(snapshot())
    *parents, last = path.split(".")
    place: Any = value
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if wrong is ...:
        del place[last]
    else:
        place[last] = wrong
    return value


@pytest.mark.parametrize(
    ("path", "wrong", "message"),
    [
        ("schema", ..., '"schema" is missing'),
        ("schema", 2, "its schema is 2"),
        ("schema", True, "its schema is True"),
        ("schema", "\x1b[2J", r"its schema is '\\x1b"),
        ("taken_seconds", ..., "taken_seconds is missing"),
        ("taken_seconds", None, "taken_seconds is a number, not null"),
        ("taken_seconds", 1e300, "taken_seconds is out of range"),
        ("taken_seconds", float("nan"), "taken_seconds is out of range"),
        ("late_seconds", float("inf"), "late_seconds is out of range"),
        ("late_seconds", -1.0, "late_seconds is out of range"),
        ("pools", ..., "pools is missing"),
        ("pools", {}, "pools is a list, not an object"),
        ("pools", [7], r"pools\[0\] is an object, not a number"),
        ("pools.0.total_bytes", ..., r"pools\[0\].total_bytes is missing"),
        ("pools.1.used_bytes", -1, r"pools\[1\].used_bytes is out of range"),
        ("pools.1.used_bytes", 2**63, r"pools\[1\].used_bytes is out of range"),
        ("pools.1.used_bytes", 1.5, r"pools\[1\].used_bytes is a whole number"),
        ("pools.1.used_bytes", None, r"pools\[1\].used_bytes is a whole number, not null"),
        ("pools.1.used_bytes", True, r"pools\[1\].used_bytes is a whole number, not true or false"),
        ("pools.1.key", HOST_POOL, "pools: two are called 'host'"),
        ("devices.0.name", 7, r"devices\[0\].name is text, not a number"),
        ("devices.0.power_watts", "71", r"devices\[0\].power_watts is a number, not text"),
        ("processes.0.pid", -1, r"processes\[0\].pid is out of range"),
        ("machine", [], "machine is an object, not a list"),
        ("machine.system", None, "machine.system is text, not null"),
        ("pending", [None], r"pending\[0\] is text, not null"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(path: str, wrong: object, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        snapshot_from_json(broken(path, wrong))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)
_PATHS = st.sampled_from(
    "schema taken_seconds pools devices processes faults versions machine late_seconds pending pools.0 pools.0.key"
    " pools.0.used_bytes devices.0.name devices.0.temperature_celsius processes.0.pid machine.n_cores".split()
)


@given(_JSON)
def test_any_json_is_a_snapshot_or_a_recording_error(value: object) -> None:
    with suppress(RecordingError):
        snapshot_from_json(value)


@given(_PATHS, _JSON)
def test_any_value_in_place_of_another_is_read_or_a_recording_error(path: str, value: object) -> None:
    hostile = broken("pools", [value]) if path == "pools.0" else broken(path, value)
    with suppress(RecordingError):
        json.dumps(snapshot_to_json(snapshot_from_json(hostile)), allow_nan=False)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_recording_error(data: bytes) -> None:
    with pytest.raises(RecordingError):
        snapshot_from_line(data)


@given(st.integers(0, 10**6), st.binary(max_size=4))
def test_a_damaged_line_is_read_or_a_recording_error(position: int, damage: bytes) -> None:
    data = line()
    start = position % len(data)
    with suppress(RecordingError):
        snapshot_from_line(data[:start] + damage + data[start + len(damage) :])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"[" * 100_000, "nested too deep", id="deep"),
        pytest.param(b'{"schema": ' + b"1" * 5000 + b"}", "not JSON", id="long"),
        (b'{"schema": NaN}', "not JSON"),
        (b"\xff\xfe{\x00", "UTF-16"),
        (b'{"schema": "\xff"}', "not UTF-8"),
        (b'{"schema": 1', "cut off"),
        (b"  \n", "blank"),
    ],
)
def test_hostile_lines_are_recording_errors(data: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        snapshot_from_line(data)


# -- playing ------------------------------------------------------------------------------------------------------


def test_the_one_source_gives_all_that_was_recorded(tmp_path: Path) -> None:
    probe = opened(tmp_path, line())
    reading, recorded = probe.sample(), snapshot()
    probe.close()
    assert reading.pools == recorded.pools
    assert reading.devices == recorded.devices
    assert reading.processes == recorded.processes
    assert reading.faults == recorded.faults
    assert reading.versions == recorded.versions
    assert reading.machine == recorded.machine


def test_the_source_leaves_processes_as_they_were_named(tmp_path: Path) -> None:
    (source,) = replay_sources(tmp_path / "recording.jsonl", tell_command=" ".join)
    assert source.name == "replay"
    assert source.describe_process is None


def test_of_a_command_without_end_no_more_is_told_and_kept_than_of_a_running_one(tmp_path: Path) -> None:
    lengths = []

    def told(words: Iterable[str]) -> str:
        lengths.append(len(" ".join(words)))
        return "told"

    endless = replace(
        snapshot(), processes=(Process(pid=42, device_key="GPU-1", name="x" * 9000, command="a " * 9000),)
    )
    path = tmp_path / "recording.jsonl"
    path.write_text(json.dumps(snapshot_to_json(endless)) + "\n")
    (source,) = replay_sources(path, tell_command=told, clock=FakeClock())
    source.open().close()

    assert lengths == [COMMAND_BYTES, COMMAND_BYTES]


def test_it_plays_at_the_speed_at_which_it_was_recorded(tmp_path: Path) -> None:
    clock = FakeClock()
    probe = opened(tmp_path, line(50.0, 1) + line(51.0, 2) + line(53.0, 3), clock)
    seen = []
    for seconds in (1000.0, 1000.9, 1001.0, 1002.9, 1003.0):
        clock.seconds = seconds
        seen.append(used_gib(probe))
    probe.close()
    assert seen == [1, 1, 2, 2, 3]


def test_what_was_missed_is_passed_over(tmp_path: Path) -> None:
    clock = FakeClock()
    probe = opened(tmp_path, b"".join(line(50.0 + index, index) for index in range(20)), clock)
    clock.seconds += 15.5
    assert used_gib(probe) == 15
    probe.close()


def test_it_stays_at_the_last_snapshot(tmp_path: Path) -> None:
    clock = FakeClock()
    probe = opened(tmp_path, line(50.0, 1) + line(51.0, 2), clock)
    clock.seconds += 1e6
    assert [used_gib(probe), used_gib(probe)] == [2, 2]
    probe.close()


def test_a_clock_that_was_set_back_does_not_stop_it(tmp_path: Path) -> None:
    clock = FakeClock()
    probe = opened(tmp_path, line(5000.0, 1) + line(50.0, 2) + line(51.0, 3), clock)
    clock.seconds += 1.0
    assert used_gib(probe) == 3
    probe.close()


def test_a_last_line_that_is_cut_off_is_a_fault_that_says_which(tmp_path: Path) -> None:
    clock = FakeClock()
    probe = opened(tmp_path, line(50.0, 1) + line(51.0, 2) + line(52.0, 3)[:80], clock)
    clock.seconds += 10
    probe.sample()
    reading = probe.sample()
    probe.close()
    assert reading.pools[1].used_bytes == 2 * GIB
    assert reading.faults[-1].probe == "replay"
    assert "line 3" in reading.faults[-1].message
    assert "cut off" in reading.faults[-1].message


def test_a_broken_line_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    clock = FakeClock()
    probe = opened(tmp_path, line(50.0, 1) + b"oops\n\n" + line(51.0, 2), clock)
    clock.seconds += 1
    reading = probe.sample()
    probe.close()
    assert reading.pools[1].used_bytes == 2 * GIB
    assert "line 2" in reading.faults[-1].message
    assert "2 lines are broken" in reading.faults[-1].message


def test_a_file_of_broken_lines_is_not_read_to_its_end(tmp_path: Path) -> None:
    clock = FakeClock()
    probe = opened(tmp_path, line(50.0, 1) + b"oops\n" * 500 + line(51.0, 2), clock)
    clock.seconds += 10
    assert used_gib(probe) == 1
    probe.close()


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    probe = opened(tmp_path, line(50.0, 1) + b"[" * (9 * 1024**2))
    message = probe.sample().faults[-1].message
    probe.close()
    assert "too long" in message


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    probe = opened(tmp_path, b"\xef\xbb\xbf" + line())
    assert used_gib(probe) == 4
    probe.close()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty; record one"),
        (b"\n\n", "line 1: it is blank"),
        (b"time,used\n1,2\n", "is no recording: line 1"),
        (b'{"a": 1}\n', '"schema" is missing'),
        ("{}\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_what_is_no_recording_is_unavailable_with_a_sentence(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ProbeUnavailable, match=message) as caught:
        opened(tmp_path, data)
    assert not caught.value.is_expected


def test_a_file_without_lines_is_not_read_into_memory(tmp_path: Path) -> None:
    with pytest.raises(ProbeUnavailable, match="too long"):
        opened(tmp_path, b"\x00" * (9 * 1024**2))


@pytest.mark.parametrize("name", ["missing.jsonl", ".", "a\0b"])
def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path, name: str) -> None:
    (source,) = replay_sources(tmp_path / name, tell_command=" ".join)
    with pytest.raises(ProbeError):
        source.open()
