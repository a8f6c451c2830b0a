"""Names of processes, from one reading to the next."""

from dataclasses import replace

from probes.probe import Title
from probes.remembered_titles import RememberedTitles
from probes.snapshot import Process

PROCESS = Process(pid=7, device_key="gpu", used_bytes=5)


def test_a_process_is_named_and_one_whose_name_is_known_is_left_alone() -> None:
    described: list[int] = []

    def describe(pid: int) -> Title:
        described.append(pid)
        return Title(name="ollama", command="ollama serve")

    known = Process(pid=8, device_key="gpu", name="known")
    shown = RememberedTitles(describe).named((PROCESS, known), 0.0)
    assert [(process.name, process.command) for process in shown] == [("ollama", "ollama serve"), ("known", None)]
    assert described == [7]


def test_a_process_that_has_not_changed_is_shown_as_the_same_object() -> None:
    titles = RememberedTitles(lambda pid: Title(name=f"program {pid}", command="", user="me"))
    still, moving = PROCESS, replace(PROCESS, pid=8)
    first = titles.named((still, moving), 0.0)
    second = titles.named((still, replace(moving, used_bytes=2)), 1.0)

    assert second[0] is first[0]
    assert (second[1].name, second[1].used_bytes) == ("program 8", 2)


def test_a_process_with_another_title_is_shown_with_it() -> None:
    names = ["loading"]
    titles = RememberedTitles(lambda _: Title(name=names[0], command="", user="me"))
    titles.named((PROCESS,), 0.0)
    names[0] = "serving"

    assert titles.named((PROCESS,), 100.0)[0].name == "serving"


def test_a_process_that_stays_is_described_once_though_nothing_was_found() -> None:
    described: list[int] = []
    titles = RememberedTitles(described.append)
    shown = [titles.named((PROCESS,), seconds)[0].name for seconds in (0.0, 1.0, 2.0)]
    assert shown == [None] * 3
    assert described == [7]


def test_titles_that_change_are_read_anew_after_a_while_and_few_at_a_time() -> None:
    now_named = ["old"]
    titles = RememberedTitles(lambda _: Title(name=now_named[0], command=""))
    processes = tuple(replace(PROCESS, pid=pid) for pid in range(1, 11))
    titles.named(processes, 0.0)
    now_named[0] = "new"
    n_new = [sum(shown.name == "new" for shown in titles.named(processes, seconds)) for seconds in (1, 11, 12, 13)]
    assert n_new == [0, 4, 8, 10]


def test_naming_loses_nothing_that_the_probe_says() -> None:
    said = replace(PROCESS, user="of the probe", container="c", shared_used_bytes=6, utilization_ratio=0.5)
    (shown,) = RememberedTitles(lambda _: Title(name="n", command="c d", started_ticks=5)).named((said,), 0.0)
    assert shown == replace(said, name="n", command="c d", started_ticks=5)


def test_same_process_that_is_listed_twice_is_shown_twice() -> None:
    titles = RememberedTitles(lambda _: Title(name="n", command="c"))
    assert [process.name for process in titles.named((PROCESS, PROCESS), 0.0)] == ["n", "n"]
