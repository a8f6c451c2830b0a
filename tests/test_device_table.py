"""The list of devices: whole values at every width, and what is left out first."""

from dataclasses import replace

import pytest
from scenes import desktop, device, late, lost, mixed, pool, server, snapshot, unified, workstation

from probes.snapshot import Device, Snapshot
from tui.widgets.device_table import DeviceTable
from tui.widgets.headline import Headline
from tui.widgets.line import fit_words, width_of
from tui.widgets.view import View

MACHINES = {
    "desktop": desktop(),
    "workstation": workstation(),
    "eight": server(),
    "sixty-four": server(64),
    "mixed": mixed(),
    "lost": lost(),
    "late": late(),
    "unified": unified(),
    "heavy": snapshot([(device(0, "B300", watts=1187, limit=1400), pool("gpu-0", 268, 181))]),
}


def rows_at(taken: Snapshot, width: int) -> list[str]:
    table = DeviceTable(taken.devices, taken, width)
    return [table.head(), *("".join(text for text, _ in table.row(device)) for device in taken.devices)]


@pytest.mark.parametrize("width", [36, 45, 56, 57, 76, 96, 116, 196])
@pytest.mark.parametrize("machine", MACHINES)
def test_no_row_is_wider_than_its_list_and_no_value_is_cut(machine: str, width: int) -> None:
    taken = MACHINES[machine]
    table = DeviceTable(taken.devices, taken, width)

    assert len(table.head()) <= width
    for one in taken.devices:
        row = table.row(one)
        assert width_of(row) <= width
        cut = [text.strip() for text, _ in row if "…" in text]
        assert [text for text in cut if text.removesuffix(" …") not in one.name] == []


@pytest.mark.parametrize(
    ("width", "said", "unsaid"),
    [
        (76, ("H100 80GB HBM3", "285 of 700 W", "62 °C"), ()),
        (56, ("285 of 700 W", "62 °C"), ("H100",)),
        (50, ("285 W", "62 °C", "97 %"), ("of 700", "H100")),
        (40, ("97 %", "79.6"), ("°C",)),
    ],
)
def test_what_is_told_below_the_list_goes_first(width: int, said: tuple[str, ...], unsaid: tuple[str, ...]) -> None:
    row = rows_at(server(), width)[1]

    assert [text for text in said if text not in row] == []
    assert [text for text in unsaid if text in row] == []


def test_values_stand_under_their_titles() -> None:
    head, *rows = rows_at(workstation(), 76)

    for title, ends in (("power", " W"), ("heat", " °C"), ("busy", " %")):
        end = head.index(title) + len(title)
        assert [row[:end].endswith(ends) for row in rows] == [True, True]


def test_a_state_has_a_column_where_a_device_is_in_one() -> None:
    assert "state" not in rows_at(workstation(), 76)[0]
    head, *rows = rows_at(mixed(), 76)
    assert "state" in head
    assert [row.split()[-1] for row in rows[1:]] == ["hidden", "asleep"]


@pytest.mark.parametrize(
    ("text", "width", "said"),
    [
        ("H100 80GB HBM3", 14, "H100 80GB HBM3"),
        ("H100 80GB HBM3", 13, "H100 80GB …  "),
        ("H100 80GB HBM3", 9, "H100 …   "),
        ("Accelerator", 8, "Acceler…"),
        ("H100 80GB HBM3", 10, "H100 80GB…"),
        ("serve -m /models/Qwen3-30B", 22, "serve -m /models/Qwen…"),
    ],
)
def test_a_name_is_cut_behind_a_word(text: str, width: int, said: str) -> None:
    assert fit_words(text, width) == said


@pytest.mark.parametrize("width", [60, 70, 80])
def test_a_version_is_whole_or_not_there(width: int) -> None:
    taken = replace(desktop(), machine=replace(desktop().machine, host_name="lab"))  # type: ignore[type-var]
    (line,) = Headline(id="headline").lines(View(snapshot=taken), width, 1)
    said = "".join(text for text, _ in line)

    assert ("580.159.04" in said) == ("NVIDIA" in said)
    assert "…" not in said


def test_devices_without_a_name_still_have_a_row() -> None:
    bare = Device(key="gpu-0", name="", vendor="nvidia", index=0, pool_key="gpu-0")
    taken = snapshot([(bare, pool("gpu-0", 8, 1))])

    assert rows_at(taken, 76)[1].startswith("GPU 0")
