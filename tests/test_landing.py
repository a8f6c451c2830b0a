"""Where bytes come to lie that have no room where they were meant to be, and that plans side by side show it."""

from dataclasses import replace

import pytest
from scenes import GIB, desktop, laptop, model, pool
from test_widgets import drawn, view_of

from estimator.place import Overflow, Place
from estimator.verdict import Level
from probes.snapshot import SWAP_POOL, Snapshot
from tui.comparison import Compared, Pin, compared
from tui.landing import Landing, landing_of
from tui.places import places_of
from tui.plan import Assessment, Plan, assess, default_plan
from tui.screens.compare import Columns
from tui.widgets.bar import LANDED, WEIGHTS
from tui.widgets.line import Line
from tui.widgets.memory_table import MemoryTable
from tui.widgets.place_bar import place_bar
from tui.widgets.plan_rows import plan_rows
from tui.widgets.rows import Row, rows_of
from tui.widgets.view import View


def made_on(gpu_free: float, ram_free: float, *, overflow: Overflow = Overflow.REFUSED, **host: object) -> Assessment:
    """Qwen3 32B in some 20 GiB, on a card and a RAM with so many GiB free."""
    free = int(gpu_free * GIB)
    places = [Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=int(ram_free * GIB), **host)]
    if gpu_free:
        gpu = Place(name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=free, overflow=overflow)
        places.insert(0, replace(gpu, overflow_free_bytes=int(ram_free * GIB)))
    return assess(default_plan(model("Qwen3 32B")), places)


def with_swap(taken: Snapshot, total: float) -> Snapshot:
    return replace(taken, pools=(*taken.pools, pool(SWAP_POOL, total, 0)))


def planned(name: str, **options: object) -> Plan:
    plan = default_plan(model(name))
    return replace(plan, options=replace(plan.options, **options))


def side_by_side(taken: Snapshot, *plans: Plan) -> tuple[Compared, ...]:
    return compared([Pin(plan=plan) for plan in plans], places_of(taken), taken)


def cells(shown: tuple[Compared, ...], label: str) -> list[str]:
    return next(([text for text, _ in row] for name, row in plan_rows(shown) if name == label), [])


def n_landed(line: Line) -> int:
    return sum(text.count(LANDED) for text, _ in line)


def test_what_fits_lands_nowhere_else() -> None:
    assert landing_of(made_on(23, 40)) == Landing()


def test_layers_that_an_engine_leaves_to_the_cpu_land_in_ram() -> None:
    made = made_on(10, 40)
    landing = landing_of(made)

    assert made.fallback is not None
    assert landing.ram_bytes == made.fallback.n_bytes(("RAM",)) - made.estimate.n_bytes(("RAM",))
    assert landing.ram_bytes > 9 * GIB
    assert (landing.swap_bytes, landing.disk_bytes) == (0, 0)


def test_layers_without_room_in_ram_are_read_again_from_disk() -> None:
    made = made_on(10, 6)
    landing = landing_of(made)

    assert made.verdict.level.name == "SPILLS"
    assert made.fallback is not None
    assert landing.disk_bytes == made.fallback.n_bytes(("RAM",)) - 6 * GIB
    assert landing.swap_bytes == 0


def test_what_the_driver_moves_lands_in_ram() -> None:
    plan = default_plan(model("Qwen3 32B"))
    gpu = Place(name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=10 * GIB, overflow=Overflow.MIGRATED)
    host = Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=40 * GIB)
    made = assess(replace(plan, devices=("GPU 0",)), (replace(gpu, overflow_free_bytes=40 * GIB), host))
    moved = replace(made, fallback=None, verdict=replace(made.verdict, outcome=None))

    assert landing_of(moved).ram_bytes == made.verdict.spill_bytes > 9 * GIB


@pytest.mark.parametrize(("swap", "level"), [(64.0, "SPILLS"), (1.0, "FAILS")])
def test_what_ram_has_no_room_for_is_swapped_but_for_pages_of_the_file(swap: float, level: str) -> None:
    host = {"overflow": Overflow.SWAPPED, "overflow_free_bytes": int(swap * GIB)}
    place = Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=5 * GIB, **host)
    made = assess(planned("Qwen3 32B", is_mapped=False), (place,))
    landing = landing_of(made)

    assert made.verdict.level.name == level
    assert landing.swap_bytes == made.estimate.n_bytes() - 5 * GIB
    assert (landing.ram_bytes, landing.disk_bytes) == (0, 0)


def test_side_by_side_a_spill_is_drawn_in_the_bar_of_the_ram() -> None:
    made = made_on(10, 40)
    fits = made_on(23, 40)

    host, roomy = made.places[-1], fits.places[-1]
    assert n_landed(place_bar(made, host, 40)) >= 5
    assert n_landed(place_bar(fits, roomy, 40)) == 0
    assert n_landed(place_bar(made, made.places[0], 40)) == 0


def test_side_by_side_as_much_lands_as_on_the_dashboard() -> None:
    view = view_of(desktop(9.0), model("Qwen3 32B"), is_studied=True)
    host = next(row for row in rows_of(view) if row.place == "RAM")
    assert view.assessment is not None

    assert landing_of(view.assessment).ram_bytes == host.landed_bytes > GIB


def test_side_by_side_the_figures_say_what_spills() -> None:
    shown = side_by_side(desktop(9.0), planned("Qwen3 32B"), planned("Llama 3.1 8B"))
    spills, fits = cells(shown, "RAM")

    assert " spilled of " in spills
    assert "spilled" not in fits


def test_side_by_side_swap_and_disk_are_rows_where_a_plan_comes_to_them() -> None:
    taken = with_swap(laptop(), 8)
    mapped, _ = shown = side_by_side(taken, planned("Llama 3.3 70B", is_repacked=False), planned("Llama 3.1 8B"))
    big, small = cells(shown, "disk")

    assert mapped.assessment is not None
    assert "read again for every token" in big
    assert small == "nothing"
    assert cells(side_by_side(taken, planned("Llama 3.1 8B")), "disk") == []
    assert cells(shown, "swap") == []


def test_side_by_side_swap_has_a_bar_of_its_own() -> None:
    taken = with_swap(laptop(), 8)
    panel = Columns()
    panel.shown = side_by_side(taken, planned("Llama 3.3 70B", is_mapped=False))
    lines = drawn(panel, View(snapshot=taken), 100, 40).split("\n")
    number = next(number for number, line in enumerate(lines) if line.startswith("swap"))

    assert LANDED in lines[number]
    assert lines[number + 1].strip().endswith("of 8.0 GiB free")


def test_side_by_side_the_frame_says_what_the_signs_are() -> None:
    panel = Columns()
    panel.shown = side_by_side(desktop(9.0), planned("Qwen3 32B"))
    drawn(panel, View(), 110, 40)

    assert f"{LANDED} spilled" in panel._subtitle


@pytest.mark.parametrize(("level", "style"), [(Level.FITS, "fits"), (Level.TIGHT, "tight"), (Level.SPILLS, "bad")])
def test_the_sum_of_a_long_list_has_the_colour_of_its_worst(level: Level, style: str) -> None:
    rows = [
        Row(label=f"GPU {n}", place=f"GPU {n}", pool=pool(f"gpu-{n}", 80, 20), load_bytes=30 * GIB, level=its)
        for n, its in enumerate((Level.FITS, level))
    ]
    line = MemoryTable(tuple(rows), View(), 100).sum(rows)

    assert {name for text, name in line if WEIGHTS in text} == {style}
