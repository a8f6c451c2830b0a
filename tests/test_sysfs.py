"""Small files of the kernel are read as they are, and what is no number is nothing."""

from pathlib import Path

from probes.sysfs import read_fields, read_named_fields

MEMINFO = "MemTotal:  100 kB\nSwapCached: 7 kB\nCached: 30 kB\nHuge: max\nEmpty:\nHugepagesize: 2048 kB\n"


def test_named_fields_are_those_of_all_fields(tmp_path: Path) -> None:
    path = tmp_path / "meminfo"
    path.write_text(MEMINFO)
    names = ("MemTotal", "Cached", "Hugepagesize")
    assert read_named_fields(str(path), names) == {name: read_fields(str(path))[name] for name in names}


def test_a_name_that_another_begins_with_is_not_that_one(tmp_path: Path) -> None:
    path = tmp_path / "memory.stat"
    path.write_text("inactive_file_x 1\ninactive_file 5\n")
    assert read_named_fields(str(path), ("inactive_file",)) == {"inactive_file": 5}


def test_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "meminfo"
    path.write_text(MEMINFO)
    assert read_named_fields(str(path), ("Huge", "Empty", "Missing")) == {}


def test_a_number_beyond_any_memory_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "memory.stat"
    path.write_text("hierarchical_memory_limit 9223372036854771712\n")
    assert read_named_fields(str(path), ("hierarchical_memory_limit",)) == {}


def test_of_a_file_that_is_not_there_nothing_is_read(tmp_path: Path) -> None:
    assert read_named_fields(str(tmp_path / "meminfo"), ("MemTotal",)) == {}
