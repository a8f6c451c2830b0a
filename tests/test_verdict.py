from dataclasses import replace

from estimator.ledger import Basis, Estimate, Kind, Overflow, Place, Surroundings, Term
from estimator.spill import Outcome
from estimator.verdict import Level, Verdict, judge


def term(place: str, n_bytes: int, spread: int = 0) -> Term:
    return Term(
        kind=Kind.WEIGHTS, label="weights", place=place, n_bytes=n_bytes, low_bytes=n_bytes - spread,
        high_bytes=n_bytes + spread, basis=Basis.EXACT, source="test",
    )  # fmt: skip


def made(*terms: Term, summary: str = "") -> Estimate:
    return Estimate(engine="llama.cpp", terms=terms, n_layers=10, n_gpu_layers=10, summary=summary)


GPU = Place(name="GPU 0", kind="cuda", total_bytes=100, free_bytes=80, reserve_bytes=10)
RAM = Place(name="RAM", kind="host", total_bytes=100, free_bytes=60, reserve_bytes=10, overflow=Overflow.SWAPPED)


def test_under_the_line_at_the_high_end_fits() -> None:
    verdict = judge(made(term("GPU 0", 60, 10)), [GPU, RAM])
    assert (verdict.level, verdict.place, verdict.headroom_bytes) == (Level.FITS, "GPU 0", 0)


def test_over_the_line_at_the_high_end_only_is_tight() -> None:
    assert judge(made(term("GPU 0", 61, 10)), [GPU, RAM]).level is Level.TIGHT


def test_into_the_reserve_is_tight_as_long_as_it_is_free() -> None:
    assert judge(made(term("GPU 0", 80)), [GPU, RAM]).level is Level.TIGHT


def test_over_what_is_free_fails_where_the_device_refuses() -> None:
    verdict = judge(made(term("GPU 0", 81)), [GPU, RAM])
    assert (verdict.level, verdict.spill_bytes) == (Level.FAILS, 1)
    assert "out of memory" in verdict.reason


def test_an_engine_with_a_way_out_spills_and_says_what_it_leaves() -> None:
    other = made(term("GPU 0", 70), term("RAM", 20), summary="2 of 10 layers to the CPU")
    verdict = judge(made(term("GPU 0", 90)), [GPU, RAM], other)
    assert verdict.level is Level.SPILLS
    assert verdict.reason == "llama.cpp would leave 2 of 10 layers to the CPU"


def test_a_way_out_that_has_no_room_either_fails() -> None:
    other = made(term("GPU 0", 70), term("RAM", 90), summary="8 of 10 layers to the CPU")
    verdict = judge(made(term("GPU 0", 160)), [GPU, RAM], other)
    assert verdict.level is Level.FAILS
    assert verdict.reason == "llama.cpp would leave 8 of 10 layers to the CPU, and run out of memory all the same"


def on_host(*terms: Term) -> Verdict:
    full = replace(RAM, surroundings=Surroundings(system="linux", memory="host", settings=frozenset({"no swap"})))
    return judge(made(*terms), [full])


def test_pages_of_the_file_go_on_where_a_copy_of_them_is_killed_and_it_says_why() -> None:
    pages = on_host(replace(term("RAM", 90), is_file_pages=True))
    copies = on_host(replace(term("RAM", 90), is_file_copy=True))

    assert (pages.level, pages.outcome) == (Level.SPILLS, Outcome.REREADS)
    assert (copies.level, copies.outcome) == (Level.FAILS, Outcome.KILLED)
    assert "--no-repack" in copies.reason


def test_copies_are_not_blamed_where_there_would_be_no_room_without_them_either() -> None:
    verdict = on_host(replace(term("RAM", 20), is_file_copy=True), term("RAM", 90))

    assert "no swap space" in verdict.reason


def test_a_driver_that_migrates_spills_without_an_error() -> None:
    windows = Place(
        name="GPU 0", kind="cuda", total_bytes=100, free_bytes=80, overflow=Overflow.MIGRATED, overflow_free_bytes=60
    )
    verdict = judge(made(term("GPU 0", 90)), [windows, RAM])
    assert verdict.level is Level.SPILLS
    assert "without an error" in verdict.reason


def test_what_two_devices_move_to_ram_has_to_have_room_there_together() -> None:
    cards = [
        Place(
            name=f"GPU {i}",
            kind="cuda",
            total_bytes=100,
            free_bytes=80,
            overflow=Overflow.MIGRATED,
            overflow_free_bytes=60,
        )
        for i in range(2)
    ]
    assert judge(made(term("GPU 0", 110), term("GPU 1", 110)), [*cards, RAM]).level is Level.SPILLS
    assert judge(made(term("GPU 0", 115), term("GPU 1", 115)), [*cards, RAM]).level is Level.FAILS
    assert judge(made(term("GPU 0", 110), term("GPU 1", 110), term("RAM", 5)), [*cards, RAM]).level is Level.FAILS


def test_ram_spills_into_swap_as_far_as_there_is_any() -> None:
    swapping = Place(
        name="RAM", kind="host", total_bytes=100, free_bytes=60, overflow=Overflow.SWAPPED, overflow_free_bytes=20
    )
    assert judge(made(term("RAM", 80)), [swapping]).level is Level.SPILLS
    assert judge(made(term("RAM", 81)), [swapping]).level is Level.FAILS


def mapped(n_bytes: int) -> Term:
    return replace(term("RAM", n_bytes), is_file_pages=True)


def test_pages_of_the_file_that_ram_has_no_room_for_are_read_again() -> None:
    verdict = judge(made(mapped(90)), [RAM])
    assert (verdict.level, verdict.spill_bytes) == (Level.SPILLS, 30)
    assert "read from disk again for every token" in verdict.reason


def test_what_is_no_page_of_the_file_has_to_have_room() -> None:
    assert judge(made(mapped(30), term("RAM", 61)), [RAM]).level is Level.FAILS


def test_a_way_out_that_reads_the_file_again_says_so() -> None:
    other = made(term("GPU 0", 70), mapped(90), summary="8 of 10 layers to the CPU")
    verdict = judge(made(term("GPU 0", 160)), [GPU, RAM], other)
    assert verdict.level is Level.SPILLS
    assert verdict.reason.startswith("llama.cpp would leave 8 of 10 layers to the CPU, and what RAM has no room for")


def test_the_worst_place_decides() -> None:
    verdict = judge(made(term("GPU 0", 10), term("RAM", 70)), [GPU, RAM])
    assert (verdict.level, verdict.place) == (Level.FAILS, "RAM")


def test_shared_memory_is_counted_where_it_lies() -> None:
    device = Place(name="GPU 0", kind="metal", total_bytes=75, free_bytes=70, draws_on="RAM")
    verdict = judge(made(term("GPU 0", 50), term("RAM", 20)), [device, RAM])
    assert (verdict.level, verdict.place) == (Level.FAILS, "RAM")


def test_a_fit_that_the_engine_would_not_leave_alone_says_so() -> None:
    other = made(term("GPU 0", 50), term("RAM", 10), summary="1 of 10 layers to the CPU")
    verdict = judge(made(term("GPU 0", 65)), [GPU, RAM], other)
    assert verdict.level is Level.FITS
    assert "left to itself" in verdict.reason


def spilled(place: Place, n_bytes: int, *others: Place) -> Verdict:
    verdict = judge(made(term(place.name, n_bytes)), [place, *others])
    assert verdict.level is Level.SPILLS
    return verdict


def test_a_verdict_says_by_kind_what_would_happen_and_from_where_that_is_known() -> None:
    verdict = judge(made(term("GPU 0", 81)), [GPU, RAM])

    assert verdict.outcome is Outcome.FAILS
    assert "open-gpu-kernel-modules/issues/758" in verdict.source


def test_what_fits_has_no_outcome() -> None:
    verdict = judge(made(term("GPU 0", 1)), [GPU, RAM])

    assert (verdict.outcome, verdict.source) == (None, "")


def test_a_way_out_has_the_engines_source() -> None:
    other = made(term("GPU 0", 70), term("RAM", 20), summary="2 of 10 layers to the CPU")
    verdict = judge(made(term("GPU 0", 90)), [GPU, RAM], other)

    assert verdict.outcome is Outcome.OFFLOADS
    assert "common/fit.cpp" in verdict.source


def test_a_refusal_has_the_source_of_the_engines_rule() -> None:
    refused = replace(made(term("GPU 0", 1)), engine="vLLM", refusal="no memory is left for the cache")
    verdict = judge(refused, [GPU, RAM])

    assert verdict.outcome is Outcome.FAILS
    assert "kv_cache_planning" in verdict.source


def test_where_a_spill_goes_to_follows_from_what_would_happen() -> None:
    swap = replace(RAM, overflow_free_bytes=20)
    zram = replace(swap, surroundings=Surroundings(memory="host", settings=frozenset({"zram"})))
    windows = replace(GPU, overflow=Overflow.MIGRATED, overflow_free_bytes=20)
    shared = replace(GPU, overflow=Overflow.SWAPPED, overflow_free_bytes=20, draws_on="RAM")

    assert spilled(swap, 70).spills_into == "to disk"
    assert spilled(zram, 70).spills_into == "into compressed RAM"
    assert spilled(windows, 90, RAM).spills_into == "into RAM"
    assert spilled(shared, 90, replace(RAM, free_bytes=95)).spills_into == "to disk"


def test_managed_memory_moves_for_the_engine_that_asked_for_it_alone() -> None:
    place = replace(
        GPU,
        overflow_free_bytes=20,
        surroundings=Surroundings(vendor="nvidia", settings=frozenset({"managed"})),
    )

    assert judge(made(term("GPU 0", 90)), [place, RAM]).outcome is Outcome.CRAWLS
    assert judge(replace(made(term("GPU 0", 90)), engine="vLLM"), [place, RAM]).outcome is Outcome.FAILS
