"""A running program sees the devices that its own variables leave it."""

import pytest
from scenes import server

from tui.visibility import as_seen_with, for_probes


def seen(environment):
    devices = as_seen_with(environment, server()).devices
    return [device.index for device in sorted(devices, key=lambda one: one.program_index or 0) if not device.hidden_by]


@pytest.mark.parametrize(
    ("value", "indices"),
    [("3", [3]), ("5,2", [5, 2]), ("", []), ("-1", []), ("1,9,2", [1]), ("0,0", [0]), (" 4 , 6", [4, 6])],
)
def test_numbers_choose_and_order_devices(value, indices):
    assert seen({"CUDA_VISIBLE_DEVICES": value}) == indices


def test_without_a_variable_all_are_seen():
    assert len(seen({})) == len(server().devices)


def test_an_identity_chooses_too():
    key = server().devices[2].key
    assert seen({"CUDA_VISIBLE_DEVICES": key}) == [2]


def test_drivers_are_looked_for_by_this_programs_own_variables():
    own = {"LD_LIBRARY_PATH": "/driver", "CUDA_VISIBLE_DEVICES": "0", "PATH": "/bin"}
    assert for_probes({"PATH": "/inside", "CUDA_VISIBLE_DEVICES": "1"}, own) == {
        "PATH": "/bin",
        "LD_LIBRARY_PATH": "/driver",
        "CUDA_VISIBLE_DEVICES": "1",
    }
