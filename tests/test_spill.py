"""The table of what spilling means here, row by row."""

import pytest

from estimator.ledger import Overflow, Place, Surroundings
from estimator.overflow import overflow_at, overflow_of, refusal_of, spill_of, surroundings_of, way_out
from estimator.spill import SETTINGS, Outcome
from estimator.spill_table import TABLE


def device(system: str, vendor: str, *settings: str, driver: tuple[int, ...] = ()) -> Surroundings:
    return Surroundings(system=system, vendor=vendor, driver_version=driver, settings=frozenset(settings))


def unified(system: str, vendor: str, *settings: str) -> Surroundings:
    return Surroundings(system=system, memory="unified", vendor=vendor, settings=frozenset(settings))


def host(system: str, *settings: str) -> Surroundings:
    return Surroundings(system=system, memory="host", settings=frozenset(settings))


CASES = [
    # where, engine, has what it moves to room, outcome, words of the sentence
    (device("linux", "nvidia"), "llama.cpp", True, Outcome.FAILS, "would fail"),
    (device("linux", "nvidia"), "vLLM", True, Outcome.FAILS, "out of memory"),
    (device("linux", "nvidia", "managed"), "llama.cpp", True, Outcome.CRAWLS, "UNIFIED_MEMORY is set"),
    (device("linux", "nvidia", "managed"), "Ollama", False, Outcome.FAILS, "out of memory"),
    (device("linux", "nvidia", "managed"), "vLLM", True, Outcome.FAILS, "out of memory"),
    (device("windows", "nvidia", driver=(580, 97)), "vLLM", True, Outcome.CRAWLS, "policy can forbid"),
    (device("windows", "nvidia", driver=(546, 1)), "vLLM", True, Outcome.CRAWLS, "policy can forbid"),
    (device("windows", "nvidia", driver=(537, 13)), "llama.cpp", True, Outcome.CRAWLS, "without an error"),
    (device("windows", "nvidia", driver=(536, 40)), "llama.cpp", True, Outcome.CRAWLS, "without an error"),
    (device("windows", "nvidia", driver=(536, 25)), "llama.cpp", True, Outcome.FAILS, "would fail"),
    (device("windows", "nvidia"), "llama.cpp", True, Outcome.CRAWLS, "policy can forbid"),
    (device("windows", "nvidia"), "llama.cpp", False, Outcome.FAILS, "neither the device nor the RAM"),
    (device("windows", "nvidia", "tcc"), "llama.cpp", True, Outcome.FAILS, "out of memory"),
    (device("wsl", "nvidia", driver=(581, 29)), "Transformers", True, Outcome.CRAWLS, "WSL has no switch"),
    (device("wsl", "nvidia", driver=(531, 14)), "Transformers", True, Outcome.FAILS, "would fail"),
    (device("windows", "amd"), "llama.cpp", True, Outcome.CRAWLS, "Windows would move it"),
    (device("windows", "intel"), "llama.cpp", False, Outcome.FAILS, "neither the device nor the RAM"),
    (device("linux", "amd", "gtt"), "llama.cpp", True, Outcome.CRAWLS, "with ROCm it would fail"),
    (device("linux", "amd", "gtt"), "vLLM", True, Outcome.FAILS, "out of memory"),
    (device("linux", "amd"), "llama.cpp", True, Outcome.FAILS, "out of memory"),
    (device("linux", "amd", "managed"), "llama.cpp", True, Outcome.CRAWLS, "UNIFIED_MEMORY is set"),
    (device("linux", "intel"), "llama.cpp", True, Outcome.FAILS, "out of memory"),
    (unified("darwin", "apple", "budget"), "MLX", True, Outcome.FAILS, "Metal's budget"),
    (unified("darwin", "apple"), "MLX", True, Outcome.SWAPS, "shared with the system"),
    (unified("linux", "amd", "budget"), "llama.cpp", True, Outcome.FAILS, "no more of the RAM"),
    (unified("linux", "nvidia"), "vLLM", True, Outcome.SWAPS, "swap to disk"),
    (unified("linux", "nvidia"), "vLLM", False, Outcome.KILLED, "or it hangs"),
    (host("linux"), "llama.cpp", True, Outcome.SWAPS, "swap it to disk"),
    (host("linux", "mapped"), "llama.cpp", True, Outcome.REREADS, "read from disk again"),
    (host("linux", "zram"), "llama.cpp", True, Outcome.SQUEEZES, "compress it in RAM"),
    (device("linux", "intel", "vulkan"), "llama.cpp", True, Outcome.CRAWLS, "SYSMEM_FALLBACK is set"),
    (device("linux", "intel", "vulkan"), "vLLM", True, Outcome.FAILS, "out of memory"),
    (host("linux"), "llama.cpp", False, Outcome.KILLED, "RAM and swap together"),
    (host("linux", "no swap"), "llama.cpp", False, Outcome.KILLED, "there is no swap"),
    (host("linux", "no swap", "limited"), "llama.cpp", False, Outcome.KILLED, "control group"),
    (host("linux", "no swap", "copied"), "llama.cpp", False, Outcome.KILLED, "--no-repack would read"),
    (host("linux", "no swap", "copied"), "Ollama", False, Outcome.KILLED, "no file backs a copy"),
    (host("windows"), "llama.cpp", True, Outcome.SWAPS, "swap it to disk"),
    (host("windows", "no swap"), "llama.cpp", False, Outcome.FAILS, "page file"),
    (host("darwin"), "MLX", True, Outcome.SWAPS, "macOS would compress"),
    (host("darwin"), "MLX", False, Outcome.KILLED, "kill a process"),
    (device("haiku", "voodoo"), "llama.cpp", True, Outcome.FAILS, "out of memory"),
]


@pytest.mark.parametrize(("here", "engine", "has_room", "outcome", "words"), CASES)
def test_a_row_says_what_would_happen(
    here: Surroundings, engine: str, has_room: bool, outcome: Outcome, words: str
) -> None:
    row = spill_of(here, engine, has_room=has_room)

    assert row.outcome is outcome
    assert words in row.sentence


def test_every_row_decides_some_case() -> None:
    decided = {spill_of(here, engine, has_room=has_room).key for here, engine, has_room, _, _ in CASES}
    decided |= {way_out(engine).key for engine in ("llama.cpp", "Transformers", "vLLM")}
    decided |= {refusal_of(engine).key for engine in ("vLLM", "SGLang")}

    assert {row.key for row in TABLE} - decided == set()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.key)
def test_a_row_names_its_source_and_asks_for_known_settings(row: object) -> None:
    assert len(row.source.split()) >= 3  # type: ignore[attr-defined]  # a Spill, which pytest hands on as an object
    assert row.settings <= SETTINGS  # type: ignore[attr-defined]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.key)
def test_a_sentence_is_short_and_goes_on_below_the_headline(row: object) -> None:
    sentence = row.sentence  # type: ignore[attr-defined]
    assert len(sentence) <= 160
    assert not sentence.endswith(".")


def test_the_ledgers_overflow_follows_from_the_table() -> None:
    assert overflow_of(device("windows", "nvidia")) is Overflow.MIGRATED
    assert overflow_of(device("linux", "nvidia")) is Overflow.REFUSED
    assert overflow_of(unified("linux", "nvidia")) is Overflow.SWAPPED
    assert overflow_of(host("linux", "no swap")) is Overflow.SWAPPED


def test_managed_memory_is_the_business_of_the_engine_that_asks_for_it() -> None:
    place = Place(
        name="GPU 0", kind="cuda", total_bytes=1, free_bytes=1, surroundings=device("linux", "nvidia", "managed")
    )

    assert overflow_at(place, "llama.cpp") is Overflow.MIGRATED
    assert overflow_at(place, "vLLM") is Overflow.REFUSED


@pytest.mark.parametrize(
    ("kind", "draws_on", "overflow"),
    [
        ("cuda", None, Overflow.REFUSED),
        ("cuda", None, Overflow.MIGRATED),
        ("metal", "RAM", Overflow.REFUSED),
        ("metal", "RAM", Overflow.SWAPPED),
        ("host", None, Overflow.SWAPPED),
    ],
)
def test_a_place_that_was_typed_behaves_as_its_overflow_says(
    kind: str, draws_on: str | None, overflow: Overflow
) -> None:
    place = Place(name="x", kind=kind, total_bytes=1, free_bytes=1, overflow=overflow, draws_on=draws_on)
    assert overflow_of(surroundings_of(place), "MLX") is overflow


def test_what_an_engine_does_by_itself_is_said_of_that_engine() -> None:
    assert "common/fit.cpp" in way_out("Ollama").source
    assert "infer_auto_device_map" in way_out("Transformers").source
    assert way_out("vLLM").outcome is Outcome.OFFLOADS
