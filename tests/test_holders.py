"""Who could be stopped to make room: an engine with its children counts as one."""

import time
from dataclasses import replace

from measured import measured_model
from scenes import HOSTILE, device, engine, engines, gib, laptop, model, pool, serving, snapshot

from estimator.ledger import Workload
from probes.snapshot import Process
from tui.advice import advise
from tui.holders import holders_of
from tui.places import places_of
from tui.plan import default_plan
from tui.screens.desk import Desk


def two_ranks():
    """Two processes of 4 GiB each that are one server, and a larger one that is none."""
    held = ((31, 4, "VLLM::Worker_TP0"), (32, 4, "VLLM::Worker_TP1"), (40, 14, "python3"))
    return snapshot(
        [(device(0, "RTX 5090"), pool("gpu-0", 32, 31))],
        processes=[Process(pid=pid, device_key="gpu-0", used_bytes=gib(n), name=name) for pid, n, name in held],
    )


def server(**known):
    return engine(30, "GPU 0", 8, None, program="vllm serve", pids=frozenset({30, 31, 32}), **known)


def by_hand(taken, *recognised):
    model = measured_model("llama-3.1-8b")
    assert model is not None
    plan = replace(default_plan(model), workload=Workload(context_tokens=8192))
    changes = advise(plan, places_of(taken), taken, recognised).changes
    return [change.label for change in changes if change.label.startswith("after")]


def test_an_engine_counts_with_its_children_under_its_own_number():
    found = holders_of(two_ranks(), [server(model_name="Qwen3 4B")])
    assert [(one.pid, one.n_bytes, one.name) for one in found] == [
        (30, gib(8), "Qwen3 4B in vllm serve"),
        (40, gib(14), "python3"),
    ]


def test_stopping_an_engine_as_a_whole_is_advised_where_no_child_alone_is_enough():
    assert by_hand(two_ranks(), server(model_name="Qwen3 4B")) == [
        "after stopping 30 (8.0 GiB, Qwen3 4B in vllm serve)"
    ]


def test_without_engines_each_process_is_one():
    assert by_hand(two_ranks()) == ["after stopping 40 (14.0 GiB, python3)"]


def test_an_engine_whose_model_is_not_known_is_called_by_its_program():
    assert holders_of(two_ranks(), [server()])[0].name == "vllm serve"


def test_a_process_outside_is_not_taken_for_the_engine_of_that_number_here():
    taken = two_ranks()
    outside = replace(taken, processes=tuple(replace(one, is_outside=True) for one in taken.processes))
    assert holders_of(outside, [server()]) == []


def test_an_engine_in_ram_alone_gives_back_ram():
    in_ram = engine(9, "RAM", 2.6, None, model_name="Qwen3 1.7B")
    assert [(one.pid, dict(one.held)) for one in holders_of(laptop(), [in_ram])] == [(9, {"RAM": gib(2.6)})]


def test_stopping_an_engine_in_ram_makes_room_for_a_device_that_draws_on_it():
    taken = snapshot([(replace(device(0, "GB10"), pool_key="host", used_bytes=gib(1)), None)], ram=(64, 62))
    in_ram = engine(9, "RAM", 20, None, model_name="Qwen3 32B")
    assert by_hand(taken, in_ram) == ["after stopping 9 (20.0 GiB, Qwen3 32B in llama-server)"]


def test_what_both_its_processes_hold_on_one_device_is_added():
    assert holders_of(two_ranks(), [server()])[0].held == {"GPU 0": gib(8)}


def test_hostile_names_are_plain_text():
    names = [one.name for one in holders_of(serving(), engines())]
    assert any("evil" in name for name in names)
    assert all(name.isprintable() for name in names), HOSTILE


def test_the_screens_advice_names_the_engine_that_was_seen():
    taken = serving()
    desk = Desk(default_plan(model("Qwen3 14B")), to_local=time.gmtime)
    desk.plan = replace(desk.plan, devices=("GPU 0",), options=replace(desk.plan.options, n_gpu_layers=99))
    desk.take(taken)
    desk.engines = (engine(41233, "GPU 0", 4.6, 4.5, model_name="Seen 4B", pids=frozenset({41233, 41990, 5120})),)

    work = desk.study_due(0.0)
    assert work is not None
    found = work()
    assert found is not None
    labels = [change.label for change in found.advice.changes]
    assert "after stopping 41233 (10.1 GiB, Seen 4B in llama-server)" in labels
