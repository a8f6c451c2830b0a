"""What a launch that was let through will take counts as used until it has it; a claim that is wrong harms nobody."""

import json
import os
import re
import stat
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proc_tree import end_process, make_process
from test_guard import machine

from launches.command import Command
from probes.process_facts import ProcessReader
from probes.snapshot import HOST_POOL, Process
from tui.claim import Claim, claim_in, program_named
from tui.claims import ELSEWHERE_SECONDS, LASTING_SECONDS, Claims
from tui.guard import REFUSED, Terminal, run_guarded
from tui.manner import Manner
from tui.recognised import Phase, Predicted, Recognised
from tui.turn import WAITING_SECONDS, turn

GIB = 1 << 30
BOOT = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
FIRST, SECOND = 4000, 5000
CARD = machine().devices[0]
STARTED = 42
HALF = ("vllm", "serve", "Qwen/Qwen3-0.6B", "--max-model-len", "2048", "--gpu-memory-utilization", "0.6")


class Guards:
    """Several on one machine, each with a number of its own; a clock that all share."""

    def __init__(self, root):
        self.root, self.now = root, 100.0
        self.folder = root / "state" / "claims"
        for pid in (FIRST, SECOND):
            make_process(root, pid, "plimsoll", "run")

    def claims(self, pid, boot=BOOT):
        reader = ProcessReader(root=str(self.root))
        return Claims(
            folder=str(self.folder),
            boot=boot,
            processes=lambda: reader,
            clock=self.clock,
            sleep=self.sleep,
            own_pid=pid,
        )

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def run(self, pid, words=HALF, *, start=lambda _: STARTED, snapshot=machine, **manner):
        """The status of ``plimsoll run`` in this process."""
        return run_guarded(
            Command(arguments=words),
            snapshot,
            Manner(claims=self.claims(pid), **manner),
            terminal=Terminal(is_there=False, ask=lambda _: ""),
            start=start,
            sleep=self.sleep,
            clock=self.clock,
        )

    def left(self, held_gib=None, *, boot=BOOT):
        """What the second one sees as claimed of the card, in GiB, where others hold so many GiB of it."""
        processes = [Process(pid=pid, device_key=CARD.key, used_bytes=n * GIB) for pid, n in (held_gib or {}).items()]
        reserved = self.claims(SECOND, boot).reserved(replace(machine(), processes=tuple(processes)))
        return [one.left.get(CARD.pool_key, 0) / GIB for one in reserved.outstanding]

    def files(self):
        return sorted(path.name for path in self.folder.iterdir() if path.name != "lock")


@pytest.fixture
def guards(tmp_path):
    return Guards(tmp_path)


@pytest.fixture
def claimed(guards):
    """The first one has let through 10 GiB."""
    guards.claims(FIRST).add({CARD.pool_key: 10 * GIB}, "vllm serve")
    return guards


def test_two_in_one_second_do_not_both_count_on_the_same_room(guards, capsys):
    statuses = []
    guards.run(FIRST, start=lambda _: statuses.append(guards.run(SECOND)) or STARTED)
    assert statuses == [REFUSED]
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(rf"vllm serve {FIRST} was let through 0 s ago: 14\.\d GiB of GPU 0.* count as used", told)


def test_one_after_the_other_both_start(guards):
    assert (guards.run(FIRST), guards.run(SECOND)) == (STARTED, STARTED)


def test_two_that_wait_for_the_same_room_do_not_both_start(guards):
    full = replace(machine(), pools=machine("RTX 4090, used 20GiB, RAM 64GiB").pools)
    readings = [full, full, machine()]
    starts = []

    def start_first(_):
        starts.append(FIRST)
        guards.run(SECOND, start=lambda _: starts.append(SECOND) or STARTED, wait_seconds=2.0)
        return STARTED

    guards.run(FIRST, start=start_first, snapshot=lambda: readings.pop(0), wait_seconds=60.0)
    assert starts == [FIRST]


def test_one_that_waits_starts_once_the_other_is_gone(guards):
    def start_first(_):
        assert guards.run(SECOND, wait_seconds=60.0, start=lambda _: STARTED) == STARTED
        return STARTED

    sleep = guards.sleep
    guards.sleep = lambda seconds: (sleep(seconds), end_process(guards.root, FIRST)) if guards.now < 103 else None
    guards.run(FIRST, start=start_first)


def test_what_a_person_started_all_the_same_is_claimed(guards):
    found = []
    words = ("vllm", "serve", "Qwen/Qwen2.5-72B-Instruct")
    guards.run(FIRST, words, start=lambda _: found.extend(guards.left()) or STARTED, is_agreed=True)
    assert found[0] > 20


def test_what_another_program_loads_is_not_claimed(guards):
    guards.run(FIRST, ("ollama", "run", "llama3.1:8b"), start=lambda _: STARTED if guards.left() == [] else 1)
    assert not guards.folder.exists() or guards.files() == []


def test_a_claim_is_what_is_not_held_yet(claimed):
    assert claimed.left({FIRST: 4}) == [6.0]


def test_children_hold_for_their_parent(claimed):
    make_process(claimed.root, FIRST + 1, "sh", parent=FIRST)
    make_process(claimed.root, FIRST + 2, "VLLM::EngineCore", parent=FIRST + 1)
    assert claimed.left({FIRST + 2: 7, 9: 2}) == [3.0]


def test_a_claim_is_over_once_it_is_held(claimed):
    assert claimed.left({FIRST: 9.5}) == []
    assert claimed.files() == []


def test_a_claim_is_over_when_its_process_is_gone(claimed):
    end_process(claimed.root, FIRST)
    assert claimed.left() == []
    assert claimed.files() == []


def test_a_process_that_has_its_number_now_claimed_nothing(claimed):
    make_process(claimed.root, FIRST, "bash", ticks=501)
    assert claimed.left() == []


def test_a_claim_outlives_what_its_process_becomes(claimed):
    make_process(claimed.root, FIRST, "vllm", "serve", "a/b")
    assert claimed.left() == [10.0]


def test_another_start_of_the_machine_has_no_claims(claimed):
    assert claimed.left(boot=BOOT.replace("1", "2")) == []
    assert len(claimed.files()) == 1


@pytest.mark.parametrize(("seconds", "held", "left"), [(170, {}, [10.0]), (190, {}, []), (190, {FIRST: 1}, [9.0])])
def test_who_takes_nothing_for_minutes_takes_something_else(claimed, seconds, held, left):
    claimed.now += seconds
    assert claimed.left(held) == left


def test_no_claim_lasts_for_ever(claimed):
    claimed.now += LASTING_SECONDS + 1
    assert claimed.left({FIRST: 1}) == []


def test_a_claim_from_the_future_is_none(claimed):
    claimed.now -= 50
    assert claimed.left() == []


def test_what_a_container_will_hold_is_claimed_for_seconds(guards):
    guards.claims(FIRST).add({CARD.pool_key: 10 * GIB}, "vllm serve", is_elsewhere=True)
    assert guards.left() == [10.0]
    guards.now += ELSEWHERE_SECONDS + 1
    assert guards.left() == []


def test_a_guards_own_claim_and_those_above_it_are_not_anothers(claimed):
    make_process(claimed.root, SECOND, "plimsoll", "run", parent=FIRST)
    claimed.claims(SECOND).add({CARD.pool_key: 3 * GIB}, "vllm serve")
    assert claimed.left() == []


def test_of_a_script_that_starts_a_guard_only_that_ones_claim_counts(claimed):
    make_process(claimed.root, 4500, "plimsoll", "run", parent=FIRST)
    claimed.claims(4500).add({CARD.pool_key: 9 * GIB}, "vllm serve")
    assert claimed.left() == [9.0]


def test_ram_that_is_claimed_counts_without_pages_of_files(guards):
    make_process(guards.root, FIRST, "llama-server", status="VmRSS: 1 kB\nRssAnon:\t 1048576 kB\n")
    guards.claims(FIRST).add({HOST_POOL: 5 * GIB}, "llama-server")
    (one,) = guards.claims(SECOND).reserved(machine()).outstanding
    assert one.left == {HOST_POOL: 4 * GIB}


def test_an_engine_whose_claim_counts_does_not_count_twice(claimed):
    need = {"GPU 0": Predicted(n_bytes=20 * GIB, low_bytes=20 * GIB, high_bytes=20 * GIB)}
    engine = Recognised(
        pid=FIRST + 1,
        started_ticks=1,
        pids=frozenset({FIRST + 1, FIRST}),
        program="vllm serve",
        engine_name="vllm",
        predicted=need,
        held={"GPU 0": GIB},
        phase=Phase.LOADING,
    )
    launching = claimed.claims(SECOND).reserved(machine()).others(lambda _: (engine, replace(engine, pids=frozenset())))
    assert len(launching(machine())) == 1


def test_nothing_but_figures_is_written_and_only_for_oneself(claimed):
    (name,) = claimed.files()
    path = claimed.folder / name
    told = json.loads(path.read_text())
    names = {"version", "boot", "pid", "started_ticks", "made_seconds", "lasts_seconds", "program", "bytes"}
    assert set(told) == names
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(claimed.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b"{}", b"7", b"x" * 20_000], ids=repr)
def test_a_file_that_is_no_claim_is_passed_over(claimed, content):
    (claimed.folder / "x-7.json").write_bytes(content[:100] if len(content) > 50_000 else content)
    assert claimed.left() == [10.0]


def test_a_pipe_or_a_folder_in_a_claims_place_is_passed_over(claimed):
    os.mkfifo(claimed.folder / "x-7.json")
    (claimed.folder / "x-8.json").mkdir()
    (claimed.folder / "x-9.json").symlink_to("/dev/zero")
    assert claimed.left() == [10.0]


def test_what_is_old_and_nobodys_is_removed(claimed):
    path = claimed.folder / "x-7.json.part"
    path.write_bytes(b"{")
    os.utime(path, (1, 1))
    claimed.left()
    assert len(claimed.files()) == 1


@pytest.mark.parametrize("name", ["", "lock"])
def test_where_nothing_can_be_written_a_launch_starts_all_the_same(guards, name):
    """In place of the folder, or of its lock, stands a thing that cannot be opened for writing."""
    path = guards.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir() if name else path.write_text("")
    assert guards.run(FIRST) == STARTED


def test_a_lock_that_is_never_given_back_is_not_waited_for_for_ever(guards):
    begun = guards.now
    with turn(str(guards.folder), clock=guards.clock, sleep=guards.sleep) as is_held:
        assert is_held
        with guards.claims(SECOND).turn() as is_held_too:
            assert not is_held_too
    assert WAITING_SECONDS <= guards.now - begun < WAITING_SECONDS + 1


def test_what_is_waited_for_is_said_once_and_within_a_second(guards):
    told = []
    claims = replace(guards.claims(SECOND), tell=lambda sentence: told.append((guards.now, sentence)))
    with turn(str(guards.folder)), claims.turn():
        pass
    ((when, sentence),) = told
    assert when < 101
    assert str(guards.folder / "lock") in sentence


def test_a_short_turn_is_waited_for_in_silence(guards):
    told = []
    held = turn(str(guards.folder))
    held.__enter__()
    claims = replace(guards.claims(SECOND), tell=told.append, sleep=lambda _: held.__exit__(None, None, None))
    with claims.turn() as is_held:
        assert (is_held, told) == (True, [])


def test_a_claim_of_more_than_there_is_counts_as_all_there_is(guards):
    guards.claims(FIRST).add({CARD.pool_key: 1 << 50}, "vllm serve")
    assert guards.left() == [pool.total_bytes / GIB for pool in machine().pools if pool.key == CARD.pool_key]
    assert guards.left({FIRST: 23}) == []


def test_a_turn_is_given_back(guards):
    for _ in range(2):
        with guards.claims(FIRST).turn() as is_held:
            assert is_held


CLAIM = Claim(
    boot=BOOT, pid=7, started_ticks=9, made_seconds=1.5, lasts_seconds=900.0, program="vllm serve", n_bytes={"a": 5}
)


def test_a_claim_is_read_as_it_was_written():
    assert claim_in(CLAIM.text().encode()) == CLAIM


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2},
        {"pid": -1},
        {"pid": True},
        {"started_ticks": 1.5},
        {"boot": "../../x"},
        {"program": "a\x1b[31m"},
        {"made_seconds": "now"},
        {"lasts_seconds": float("nan")},
        {"bytes": [1]},
        {"bytes": {str(number): 1 for number in range(65)}},
    ],
    ids=repr,
)
def test_a_claim_that_could_not_be_is_none(wrong):
    assert claim_in(json.dumps({**json.loads(CLAIM.text()), **wrong}).encode()) is None


@pytest.mark.parametrize("figure", [-1, 1 << 51, 10**40, 1.5, "5", None])
def test_a_figure_that_could_not_be_is_left_out(figure):
    told = json.loads(CLAIM.text())
    told["bytes"] = {"a": 5, "b": figure}
    assert claim_in(json.dumps(told).encode()).n_bytes == {"a": 5}


@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_claim_or_none(content):
    assert claim_in(content) is None


@given(name=st.text(max_size=60))
def test_a_program_of_any_name_can_be_claimed_for(name):
    assert claim_in(replace(CLAIM, program=program_named(name)).text().encode()) is not None
