"""What probes have said, folded into one snapshot."""

from dataclasses import replace

import pytest
from fake_probe import GPU, RAM

from probes.answer import Answer, take_snapshot
from probes.snapshot import Fault, Machine, Pool, Reading, Snapshot


def folded(*answers: Answer, now_seconds: float = 100.0) -> Snapshot:
    return take_snapshot(answers, now_seconds=now_seconds, taken_seconds=1.0, silent_seconds=3.0)


def test_readings_are_folded_in_the_order_of_their_probes() -> None:
    snapshot = folded(
        Answer(probe="host", has_answered=True, reading=RAM, read_seconds=100),
        Answer(probe="gpu", has_answered=True, reading=GPU, read_seconds=100),
    )
    assert [pool.key for pool in snapshot.pools] == ["host", "gpu"]
    assert snapshot.pending == ()
    assert not snapshot.faults


def test_age_adds_up_from_the_probe_and_the_time_since() -> None:
    old = replace(GPU, pools=(replace(GPU.pools[0], late_seconds=2.0),))
    snapshot = folded(Answer(probe="gpu", has_answered=True, reading=old, read_seconds=95.0))
    assert snapshot.pools[0].late_seconds == pytest.approx(7.0)
    assert snapshot.devices[0].late_seconds == pytest.approx(5.0)
    assert snapshot.late_seconds == pytest.approx(7.0)


def test_silent_probe_keeps_its_figures_and_says_since_when() -> None:
    answer = Answer(probe="gpu", has_answered=True, reading=GPU, read_seconds=87.0, asked_seconds=88.0)
    snapshot = folded(answer)
    assert snapshot.pool("gpu") is not None
    assert snapshot.faults == (
        Fault(probe="gpu", message="the driver has not answered for 12 s; the figures are from then"),
    )


def test_probe_that_is_still_at_it_is_no_fault() -> None:
    assert not folded(Answer(probe="gpu", has_answered=True, reading=GPU, read_seconds=97, asked_seconds=98)).faults


def test_probe_that_never_answered_is_pending() -> None:
    snapshot = folded(Answer(probe="gpu", asked_seconds=99.0))
    assert snapshot.pending == ("gpu",)
    assert not snapshot.faults


def test_faults_of_a_reading_and_of_a_probe_stand_side_by_side() -> None:
    ours = Fault(probe="gpu", message="GPU 2 fell off the bus")
    snapshot = folded(
        Answer(probe="gpu", has_answered=True, reading=replace(GPU, faults=(ours,)), read_seconds=100),
        Answer(probe="other", has_answered=True, error="no permission"),
    )
    assert snapshot.faults == (ours, Fault(probe="other", message="no permission"))


def test_machine_is_the_first_that_is_known() -> None:
    machine = Machine(host_name="m", system="linux")
    snapshot = folded(
        Answer(probe="gpu", has_answered=True, reading=GPU),
        Answer(probe="host", has_answered=True, reading=replace(RAM, machine=machine)),
    )
    assert snapshot.machine == machine


def test_age_is_added_to_whole_copies() -> None:
    pool = Pool(
        key="gpu", total_bytes=9, used_bytes=4, free_bytes=5, reserved_bytes=1, limited_by="x", late_seconds=1.0
    )
    device = replace(GPU.devices[0], power_watts=5.0, bus_address="0000:01:00.0", late_seconds=0.5)
    reading = Reading(pools=(pool,), devices=(device,))
    shown = folded(Answer(probe="gpu", has_answered=True, reading=reading, read_seconds=98.0))
    assert shown.pools == (replace(pool, late_seconds=3.0),)
    assert shown.devices == (replace(device, late_seconds=2.5),)
