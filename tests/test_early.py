"""A launch that will not have its room is said while it loads, once, until it is over."""

from dataclasses import replace

import pytest
from proc_tree import end_process, make_process
from test_recogniser import ENGINE, PID, Bench

from probes.served import Served
from probes.snapshot import Process
from tui.alarms import Alarms
from tui.places import places_of
from tui.settings import Alerts

GIB = 1 << 30
STRANGER = 77


class Screen:
    """What the app does with each reading: engines, places, alarms."""

    def __init__(self, root, hardware="RTX 4090, RAM 64GiB", alerts=None):
        self.bench = Bench(root, hardware)
        self.alarms = Alarms()
        self.alerts = alerts or Alerts()
        self.answers = {}

    def reading(self, held, *, after=1.0):
        """Messages of launches that are news, where each pid holds so many GiB of the first card."""
        self.bench.now += after
        device = self.bench.empty.devices[0]
        n_used = int(sum(held.values()) * GIB)
        pools = tuple(
            replace(pool, used_bytes=n_used, free_bytes=pool.total_bytes - n_used)
            if pool.key == device.pool_key
            else pool
            for pool in self.bench.empty.pools
        )
        processes = tuple(
            Process(pid=pid, device_key=device.key, used_bytes=int(gib * GIB)) for pid, gib in held.items()
        )
        snapshot = replace(self.bench.empty, pools=pools, processes=processes)
        engines = self.bench.recogniser.look(snapshot, self.answers)
        news = self.alarms.news(snapshot, self.alerts, engines, places_of(snapshot))
        return [alarm.message for alarm in news if alarm.kind == "launch"]

    @property
    def standing(self):
        return [alarm for alarm in self.alarms.standing if alarm.kind == "launch"]


@pytest.fixture
def screen(tmp_path):
    make_process(tmp_path, PID, *ENGINE)
    return Screen(tmp_path)


def test_a_launch_with_room_is_no_warning(screen):
    assert [news for gib in range(1, 23) if (news := screen.reading({PID: gib}))] == []


def test_a_launch_without_room_is_said_before_half_is_taken(screen):
    first = next(gib for gib in range(1, 23) if screen.reading({PID: gib, STRANGER: 8}))
    assert first < 11


def test_the_warning_names_the_process_need_and_room(screen):
    screen.reading({PID: 1, STRANGER: 8})
    screen.reading({PID: 2, STRANGER: 8})
    (alarm,) = screen.standing
    assert f"vllm serve {PID} (Qwen2.5 7B BF16)" in alarm.message
    assert "22.2 GiB on GPU 0" in alarm.message


def test_it_is_said_once(screen):
    assert sum(len(screen.reading({PID: gib, STRANGER: 8})) for gib in range(1, 15)) == 1


def test_it_clears_when_the_process_is_gone(screen):
    screen.reading({PID: 1, STRANGER: 8})
    screen.reading({PID: 2, STRANGER: 8})
    assert screen.standing
    end_process(screen.bench.root, PID)
    screen.reading({STRANGER: 8})
    assert screen.standing == []


def test_it_clears_when_the_launch_is_done_after_all(screen):
    screen.reading({PID: 1, STRANGER: 8})
    screen.reading({PID: 2, STRANGER: 8})
    assert screen.standing
    screen.reading({PID: 22.1})
    assert screen.standing == []


def test_it_does_not_flicker_while_room_comes_and_goes(screen):
    news = [screen.reading({PID: 1 + n / 10, STRANGER: 1.7 + n % 2 / 4}) for n in range(20)]
    assert sum(map(len, news)) <= 1


def test_two_launches_that_fit_only_one_at_a_time_are_said(tmp_path):
    screen = Screen(tmp_path, "A100 80GB, RAM 256GiB")
    share = ("--gpu-memory-utilization", "0.6")
    make_process(tmp_path, PID, *ENGINE, *share)
    screen.reading({PID: 40})
    make_process(tmp_path, PID + 1, *ENGINE, *share, ticks=900)
    (message,) = screen.reading({PID: 41, PID + 1: 1})
    assert str(PID + 1) in message


def test_who_took_its_weights_before_it_was_first_seen_is_a_launch(tmp_path):
    screen = Screen(tmp_path)
    screen.reading({STRANGER: 11})
    make_process(tmp_path, PID, *ENGINE)
    (message,) = screen.reading({PID: 10, STRANGER: 11})
    assert f"vllm serve {PID}" in message


def test_it_is_warned_of_no_more_once_it_rests(tmp_path):
    screen = Screen(tmp_path)
    screen.reading({STRANGER: 11})
    make_process(tmp_path, PID, *ENGINE)
    for _ in range(30):
        screen.reading({PID: 10, STRANGER: 11})
    assert screen.standing == []


def test_who_holds_the_same_since_it_was_first_seen_is_no_launch(screen):
    assert [news for _ in range(40) if (news := screen.reading({PID: 5, STRANGER: 17}))] == []


def test_what_the_driver_tells_late_is_no_growth(tmp_path):
    make_process(tmp_path, PID, *ENGINE, status="RssAnon:\t 300000 kB\n")
    screen = Screen(tmp_path)
    held = [{STRANGER: 17}, {STRANGER: 17}, *[{PID: 5, STRANGER: 17}] * 20]
    assert [news for one in held if (news := screen.reading(one))] == []


def test_who_gives_back_and_takes_again_is_at_work(screen):
    screen.reading({PID: 9})
    screen.reading({PID: 6, STRANGER: 8})
    assert [news for n in range(20) if (news := screen.reading({PID: 6 + n % 2 * 3, STRANGER: 12}))] == []


def test_a_device_that_it_holds_nothing_on_is_not_warned_of(tmp_path):
    make_process(tmp_path, PID, *ENGINE, "--tensor-parallel-size", "2")
    screen = Screen(tmp_path, "2x RTX 4090, RAM 64GiB")
    pools = [replace(pool, free_bytes=GIB, used_bytes=pool.total_bytes - GIB) for pool in screen.bench.empty.pools[1:]]
    screen.bench.empty = replace(screen.bench.empty, pools=(screen.bench.empty.pools[0], *pools))
    assert [news for gib in (1, 2, 3, 4) if (news := screen.reading({PID: gib}))] == []


def test_a_model_known_by_its_name_alone_is_not_warned_of(tmp_path):
    make_process(tmp_path, PID, "vllm", "serve", "/nowhere/qwen3-32b-q4_k_m.gguf")
    screen = Screen(tmp_path)
    assert [news for gib in (1, 2, 3, 4) if (news := screen.reading({PID: gib, STRANGER: 18}))] == []


def test_whoever_wants_none_gets_none(tmp_path):
    make_process(tmp_path, PID, *ENGINE)
    screen = Screen(tmp_path, alerts=Alerts(launch=False))
    assert [screen.reading({PID: gib, STRANGER: 8}) for gib in (1, 2)] == [[], []]


def test_it_clears_when_others_give_their_memory_back(tmp_path):
    make_process(tmp_path, PID, "llama-server", "-m", "Qwen3 14B", "-ngl", "99", "-c", "8192")
    screen = Screen(tmp_path)
    for gib in (1, 2):
        screen.reading({PID: gib, STRANGER: 18})
    stood = screen.standing
    screen.reading({PID: 3})
    assert (len(stood), screen.standing) == (1, [])


def reading_since(root, n_gib):
    """The engine has taken in so much by now, of a file that it has mapped."""
    make_process(root, PID, *ENGINE, status=f"VmHWM:\t {int(n_gib * 1024**2)} kB\n")


def test_a_load_that_took_all_at_once_is_warned_of_while_it_reads(tmp_path):
    screen = Screen(tmp_path)
    screen.reading({STRANGER: 11})
    for second in range(60):
        reading_since(tmp_path, second / 8)
        screen.reading({PID: 10, STRANGER: 11})
    assert len(screen.standing) == 1
    for _ in range(25):
        screen.reading({PID: 10, STRANGER: 11})
    assert screen.standing == []


def test_one_that_says_that_it_loads_and_hangs_is_not_warned_of_for_ever(tmp_path):
    make_process(tmp_path, PID, *ENGINE)
    screen = Screen(tmp_path)
    screen.answers = {PID: (Served(is_loading=True),)}
    counts = []
    for _ in range(70):
        screen.reading({PID: 10, STRANGER: 11})
        counts.append(len(screen.standing))
    assert counts[50] == 1
    assert counts[-1] == 0


def test_one_found_while_it_says_that_it_loads_is_a_launch(screen):
    screen.answers = {PID: (Served(is_loading=True),)}
    assert screen.reading({PID: 5, STRANGER: 17})
