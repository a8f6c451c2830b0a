"""What is worth a warning, and that it is said once."""

from dataclasses import replace

import pytest
from scenes import desktop, device, gib, pool, snapshot, workstation

from probes.snapshot import Fault, Snapshot
from tui.alarms import Alarms
from tui.notification import notification_escape
from tui.settings import Alerts

SOME = Alerts(used_percent=90, temperature_celsius=85)


def heated(celsius: float) -> Snapshot:
    return snapshot([(device(0, "RTX 4090", celsius=celsius), pool("gpu-0", 23.5, 4))])


def said(alarms: Alarms, taken: Snapshot, alerts: Alerts = SOME) -> list[str]:
    return [alarm.message for alarm in alarms.news(taken, alerts)]


def test_a_full_device_is_said_once_until_it_has_room_again() -> None:
    alarms = Alarms()

    assert said(alarms, desktop(4)) == []
    assert said(alarms, desktop(22)) == ["GPU 0 NVIDIA GeForce RTX 4090 is 94 % full: 1.5 GiB free"]
    assert said(alarms, desktop(22.5)) == []
    assert said(alarms, desktop(21.0)) == []  # 89 %: hardly less
    assert said(alarms, desktop(22)) == []
    assert said(alarms, desktop(4)) == []
    assert len(said(alarms, desktop(22))) == 1


def test_heat_is_said_once_until_it_has_cooled() -> None:
    alarms = Alarms()

    assert said(alarms, heated(90)) == ["GPU 0 RTX 4090 is at 90 °C"]
    assert said(alarms, heated(84)) == []
    assert said(alarms, heated(86)) == []
    assert said(alarms, heated(70)) == []
    assert len(said(alarms, heated(86))) == 1


def test_a_lost_device_is_said_with_its_reason_until_it_is_back() -> None:
    alarms, both = Alarms(), workstation()
    fault = Fault(probe="nvidia", device_key="gpu-0", message="fell off the bus")
    lost = replace(both, pools=both.pools[1:], faults=(fault,))

    assert said(alarms, both) == []
    assert said(alarms, lost) == ["GPU 0 NVIDIA GeForce RTX 4090 gives no figures any more: fell off the bus"]
    assert said(alarms, lost) == []
    assert said(alarms, both) == []
    assert len(said(alarms, lost)) == 1


def test_a_device_that_is_not_listed_any_more_is_lost() -> None:
    alarms, both = Alarms(), workstation()
    fewer = replace(both, devices=both.devices[1:], pools=both.pools[1:])
    said(alarms, both)

    assert said(alarms, fewer)[0].endswith("is gone: the driver does not list it any more")


def test_a_driver_that_is_gone_says_why_of_all_its_devices() -> None:
    alarms, both = Alarms(), workstation()
    said(alarms, both)
    gone = replace(both, devices=(), pools=both.pools[2:], faults=(Fault(probe="nvidia", message="was unloaded"),))

    assert [message.partition(": ")[2] for message in said(alarms, gone)] == ["was unloaded", "was unloaded"]


def test_a_device_that_went_to_sleep_is_not_lost() -> None:
    alarms, one = Alarms(), desktop()
    asleep = replace(one, devices=(replace(one.devices[0], is_asleep=True),), pools=one.pools[1:])
    said(alarms, one)

    assert said(alarms, asleep) == []


def test_nothing_is_said_unless_it_is_set() -> None:
    alarms = Alarms()
    assert said(alarms, desktop(23.4), Alerts()) == []
    assert said(alarms, heated(99), Alerts()) == []


@pytest.mark.parametrize(
    ("environment", "escape"),
    [
        ({"TERM": "xterm-kitty"}, "\x1b]99;i=plimsoll:d=0;t\x1b\\\x1b]99;i=plimsoll:p=body;m, n\x1b\\"),
        ({"TERM_PROGRAM": "iTerm.app"}, "\x1b]9;t: m, n\x1b\\"),
        ({"TERM": "foot"}, "\x1b]777;notify;t;m, n\x1b\\"),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, "\x1b]777;notify;t;m, n\x1b\\"),
        ({"TERM": "xterm-256color"}, ""),
        ({"TERM": "tmux-256color", "TERM_PROGRAM": "iTerm.app", "TMUX": "/tmp/x"}, ""),
        ({}, ""),
    ],
)
def test_a_notification_is_what_the_terminal_knows(environment: dict[str, str], escape: str) -> None:
    assert notification_escape("t", "m; n", environment) == escape


def test_no_code_of_a_name_gets_into_the_escape() -> None:
    made = notification_escape("t", "a\x1b]0;evil\x07b\x9c", {"TERM": "foot"})

    assert made == "\x1b]777;notify;t;a ]0,evil b\x1b\\"


def test_a_silent_spill_is_said_where_the_device_is_full() -> None:
    def taken(used: float, shared: float) -> Snapshot:
        full = replace(device(0, "RTX 4090"), shared_used_bytes=gib(shared))
        return snapshot([(full, pool("gpu-0", 23.5, used))])

    assert said(Alarms(), taken(23.0, 3.2), Alerts()) == [
        "GPU 0 RTX 4090 is full, and holds 3.2 GiB in RAM instead: many times slower"
    ]
    assert said(Alarms(), taken(4.0, 3.2), Alerts()) == []
    assert said(Alarms(), taken(23.0, 0.1), Alerts()) == []
    assert said(Alarms(), taken(23.0, 3.2), Alerts(spilled=False)) == []
